/**
 * `peek`: shows the oldest messages of a group, and takes none of them.
 *
 * @module
 */
import { numberOption } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import { ageOf, inspectionOf, payloadText, shown } from "../looks.ts";
import { table, widthOf, writeJsonLine } from "../render.ts";

/** The command. */
export const command: Command = defineCommand({
  name: "peek",
  summary: "show the oldest messages, without taking them",
  usage: "[--limit <n>] [--payload] [options]",
  options: {
    limit: { type: "string", value: "n", help: "the most messages (default: 10)" },
    payload: { type: "boolean", help: "show payloads and headers" },
  },
  async run({ values, io, key, group, open }) {
    const limit = numberOption("limit", values.limit, { min: 1 }) ?? 10;
    return await closing(open(), async (backend) => {
      const found = await inspectionOf(backend, "peek").peek(key, { group, limit, signal: io.signal });
      if (values.json) {
        for (const message of found) await writeJsonLine(io, shown(message, values.payload));
        return 0;
      }
      const now = io.clock.now();
      const titles = ["id", "state", "attempts", "age", "ordering key", ...values.payload ? ["payload"] : []];
      const rows = found.map((message) => [
        message.id,
        message.payload === undefined ? `${message.state}, unreadable` : message.state,
        String(message.attempts),
        ageOf(message.publishedAt, now),
        message.orderingKey ?? "",
        ...values.payload ? [payloadText(message)] : [],
      ]);
      await io.stdout.write(table(titles.map((title) => ({ title, cut: true })), rows, widthOf(io.stdout)));
      return 0;
    });
  },
});
