/**
 * `tail`: shows messages as they come, and takes none of them.
 *
 * @module
 */
import { delay } from "../../core/util/async.ts";
import { numberOption } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import { inspectionOf, payloadText, shown } from "../looks.ts";
import { printable, writeJsonLine } from "../render.ts";

const DETAILS =
  `It joins no group, so it neither keeps messages nor takes them from anybody. It looks at the oldest messages
that the group has not settled, once in each interval: a message that is settled between two looks is not seen,
nor one that waits behind more than --window others.`;

/** The command. */
export const command: Command = defineCommand({
  name: "tail",
  summary: "show messages as they come, without taking them",
  usage: "[--payload] [options]",
  details: DETAILS,
  options: {
    payload: { type: "boolean", help: "show payloads and headers" },
    backlog: { type: "boolean", help: "begin with the messages that wait already" },
    interval: { type: "string", value: "seconds", help: "between two looks (default: 0.5)" },
    window: { type: "string", value: "n", help: "the messages of one look (default: 1000)" },
  },
  async run({ values, io, key, group, open }) {
    const seconds = numberOption("interval", values.interval, { min: 0.05, whole: false }) ?? 0.5;
    const limit = numberOption("window", values.window, { min: 1 }) ?? 1_000;
    const { signal } = io;
    return await closing(open(), async (backend) => {
      const inspect = inspectionOf(backend, "follow new messages");
      let before: ReadonlySet<string> | undefined;
      while (!signal.aborted) {
        try {
          const found = await inspect.peek(key, { group, limit, signal });
          const fresh = before === undefined && !values.backlog ? [] : found.filter(({ id }) => !before?.has(id));
          for (const message of fresh) {
            if (values.json) await writeJsonLine(io, shown(message, values.payload));
            else {
              const at = (message.publishedAt ?? new Date(io.clock.now())).toISOString();
              const text = [at, message.id, message.state, ...values.payload ? [payloadText(message)] : []].join("  ");
              await io.stdout.write(`${printable(text)}\n`);
            }
          }
          before = new Set(found.map(({ id }) => id));
        } catch (error) {
          if (signal.aborted) break;
          if ((error as { code?: unknown }).code === "unsupported") throw error;
          await io.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        }
        await delay(seconds * 1_000, io.clock, signal).catch(() => undefined); // an interruption is the end
      }
      return 0;
    });
  },
});
