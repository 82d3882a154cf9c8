/**
 * `dead show`: shows dead letters whole.
 *
 * @module
 */
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import { payloadText, shown } from "../looks.ts";
import { columns, printable, writeJson, writeJsonLine } from "../render.ts";

/** The command. */
export const command: Command = defineCommand({
  name: "dead show",
  summary: "show dead letters with all that is known of them",
  usage: "<id…> [--payload] [options]",
  positionals: [1, Infinity],
  options: { payload: { type: "boolean", help: "show payloads and headers" } },
  async run({ values, args, io, key, group, open }) {
    return await closing(open(), async (backend) => {
      const missing = new Set(args);
      for await (const letter of backend.deadLetters.list(key, { group, ids: args, signal: io.signal })) {
        missing.delete(letter.id);
        const { id, messageId, attempts, cause, publishedAt, diedAt, headers } = letter;
        if (values.json) {
          await (args.length === 1 ? writeJson : writeJsonLine)(io, shown(letter, values.payload));
          continue;
        }
        const rows = [
          ["id", id],
          ["message", messageId],
          ["key", letter.key],
          ["group", letter.group],
          ["attempts", String(attempts)],
          ["published", publishedAt?.toISOString() ?? ""],
          ["died", diedAt?.toISOString() ?? ""],
          ["cause", `${cause.name}: ${cause.message}`],
          ...values.payload ? Object.entries(headers).map(([name, value]) => [`header ${name}`, value]) : [],
          ...values.payload ? [["payload", payloadText(letter)]] : [],
        ];
        await io.stdout.write(`${columns(rows.map((row) => row.map(printable)))}\n`);
      }
      if (missing.size === 0) return 0;
      await io.stderr.write(`Cannot find the dead letter ${[...missing].join(", ")}\n`);
      return 1;
    });
  },
});
