/**
 * `dead list`: lists dead letters.
 *
 * @module
 */
import { numberOption } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import { ageOf, payloadText, shown } from "../looks.ts";
import { table, widthOf, writeJsonLine } from "../render.ts";

/** The command. */
export const command: Command = defineCommand({
  name: "dead list",
  summary: "list dead letters, the oldest first",
  usage: "[--limit <n>] [--payload] [options]",
  options: {
    limit: { type: "string", value: "n", help: "the most letters (default: 100)" },
    payload: { type: "boolean", help: "show payloads and headers" },
  },
  async run({ values, io, key, group, open }) {
    const limit = numberOption("limit", values.limit, { min: 1 }) ?? 100;
    return await closing(open(), async (backend) => {
      const letters = backend.deadLetters.list(key, { group, limit, signal: io.signal });
      if (values.json) {
        for await (const letter of letters) await writeJsonLine(io, shown(letter, values.payload));
        return 0;
      }
      const now = io.clock.now();
      const rows: string[][] = [];
      for await (const letter of letters) {
        const { id, messageId, attempts, diedAt, cause } = letter;
        const why = `${cause.name}: ${cause.message}`;
        const payload = values.payload ? [payloadText(letter)] : [];
        rows.push([id, messageId, String(attempts), ageOf(diedAt, now), why, ...payload]);
      }
      const titles = ["id", "message", "attempts", "dead for", "cause", ...values.payload ? ["payload"] : []];
      const columns = titles.map((title) => ({ title, cut: title !== "id" }));
      await io.stdout.write(
        rows.length === 0 ? "There are no dead letters\n" : table(columns, rows, widthOf(io.stdout)),
      );
      return 0;
    });
  },
});
