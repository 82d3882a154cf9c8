/**
 * `move`: moves a queue to another backend, or to another key, while both ends run.
 *
 * @module
 */
import type { QueueDepth } from "../../core/protocol.ts";
import { numberOption, UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { supported } from "../looks.ts";
import { move } from "../move.ts";
import { closing } from "../open.ts";
import { Progress, writeJson } from "../render.ts";

const DETAILS =
  `Each message is received for the group, published under the same id with its headers and its ordering key, and
acknowledged when the destination has confirmed it. Killed in between, it loses nothing: started again, it goes
on, and a destination that knows ids again (capabilities.dedup) removes what was there already. The order is kept.

Point the webhook at the destination first, then move, and stop the consumers of the source when it is empty.
Messages whose delay is not over stay until they are due: run it again then. A time to live begins anew. Dead
letters stay: replay them first. Other groups of the source keep their own copies. A message that cannot be read
goes to the source's dead letters.`;

/** The command. */
export const command: Command = defineCommand({
  name: "move",
  summary: "move a queue to another backend while both ends run",
  usage: "--from <backend> --to <backend> [--to-key <name>] [--yes] [options]",
  details: DETAILS,
  options: {
    from: { type: "string", value: "backend", help: "the source, such as redis, with its own variables" },
    to: { type: "string", value: "backend", help: "the destination" },
    "to-key": { type: "string", value: "name", help: "the key at the destination (default: the same)" },
    lease: {
      type: "string",
      value: "seconds",
      help: "after which what a killed move had in hand comes again (default: 10)",
    },
    "drop-ordering-keys": { type: "boolean", help: "move to a backend that keeps none" },
    yes: { type: "boolean", help: "do not ask" },
  },
  async run({ values, io, key, group, open }) {
    const { from, to, "to-key": toKey = key } = values;
    if (from === undefined || to === undefined) throw new UsageError("move needs --from <backend> and --to <backend>");
    if (values.backend !== undefined) throw new UsageError("move takes --from and --to in place of --backend");
    if (from === to && toKey === key) throw new UsageError("move needs two queues: --to-key names another key");
    const lease = numberOption("lease", values.lease, { min: 0.1, whole: false }) ?? 10;
    let unreadable = 0;
    const observer = { unreadable: () => void unreadable++ };
    return await closing(
      open({ backend: from, observer }),
      async (source) =>
        await closing(open({ backend: to }), async (destination) => {
          const waiting = await supported(source.depth(key, { group, signal: io.signal }));
          const total = waiting && waiting.ready + waiting.blocked + waiting.inFlight;
          const where = toKey === key ? to : `${to}, key "${toKey}"`;
          await confirm(
            io,
            `Move ${total ?? "the"} messages of "${key}", group "${group}", from ${from} to ${where}?`,
            values.yes,
          );
          const progress = new Progress(io, "moved", total);
          const done = await move({ backend: source, key }, { backend: destination, key: toKey }, {
            group,
            leaseMs: lease * 1_000,
            dropOrderingKeys: values["drop-ordering-keys"],
            signal: io.signal,
            clock: io.clock,
            onMoved: (count) => progress.show(count),
          }).finally(() => progress.end());
          const left: Partial<QueueDepth> = await supported(source.depth(key, { group })) ?? {};
          if (values.json) await writeJson(io, { key, group, from, to, toKey, ...done, unreadable, left });
          else {
            const again = done.duplicates > 0 ? `, ${done.duplicates} of them were there already` : "";
            const bad = unreadable > 0 ? `; ${unreadable} could not be read and are dead letters` : "";
            await io.stdout.write(`Moved ${done.moved} messages${again}${bad}\n`);
            const stay = Object.entries(left).filter(([, count]) => count > 0);
            const list = stay.map(([state, count]) => `${count} ${state === "inFlight" ? "in flight" : state}`);
            if (stay.length > 0) await io.stdout.write(`${list.join(", ")} stay in ${from}\n`);
          }
          io.signal.throwIfAborted();
          return 0;
        }),
    );
  },
});
