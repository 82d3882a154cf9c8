/**
 * `depth`: counts the messages of a key, for each group.
 *
 * @module
 */
import { numberOption } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import { delay } from "../../core/util/async.ts";
import type { Io } from "../io.ts";
import { ageOf, depthsOf, type GroupDepth } from "../looks.ts";
import { type Column, table, widthOf, writeJson, writeJsonLine } from "../render.ts";

const DETAILS =
  `ready: a consumer would get it now. in flight: leased. delayed: its delay is not over. blocked: it waits
behind another of its ordering key. lag: ready and blocked, what no consumer has yet. oldest: how long ago the
oldest message was published that is not settled.`;

const COLUMNS: readonly Column[] = [
  { title: "group", cut: true },
  ...["ready", "in flight", "delayed", "blocked", "dead", "lag", "oldest"].map((title): Column => ({
    title,
    align: "right",
  })),
];

/** The command. */
export const command: Command = defineCommand({
  name: "depth",
  summary: "count the messages of a key, for each group",
  usage: "[--watch] [options]",
  details: DETAILS,
  options: {
    watch: { type: "boolean", help: "count again and again, until Ctrl+C" },
    interval: { type: "string", value: "seconds", help: "between two counts of --watch (default: 2)" },
  },
  async run({ values, io, key, group, open }) {
    const seconds = numberOption("interval", values.interval, { min: 0.1, whole: false }) ?? 2;
    const { signal } = io;
    return await closing(open(), async (backend) => {
      const count = () => depthsOf(backend, key, { group: values.group, otherwise: group, signal });
      if (!values.watch) {
        const groups = await count();
        if (values.json) await writeJson(io, { key, groups });
        else await io.stdout.write(tableOf(groups, io));
        return 0;
      }
      let lines = 0;
      while (!signal.aborted) {
        try {
          const groups = await count();
          const text = tableOf(groups, io);
          if (values.json) await writeJsonLine(io, { at: new Date(io.clock.now()), key, groups });
          // A person sees one table that changes.
          else await io.stdout.write(`${io.stdout.isTTY && lines > 0 ? `\x1b[${lines}A\x1b[J` : ""}${text}`);
          lines = text.split("\n").length - 1;
        } catch (error) {
          if (signal.aborted) break;
          await io.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
          lines = 0;
        }
        await delay(seconds * 1_000, io.clock, signal).catch(() => undefined); // an interruption is the end
      }
      return 0;
    });
  },
});

function tableOf(groups: readonly GroupDepth[], io: Io): string {
  const rows = groups.map(({ group, ready, inFlight, delayed, blocked, dead, lag, oldest }) => [
    group,
    ...[ready, inFlight, delayed, blocked, dead, lag].map(String),
    oldest === null ? "not told" : ageOf(oldest, io.clock.now()),
  ]);
  return table(COLUMNS, rows, widthOf(io.stdout));
}
