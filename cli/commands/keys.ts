/**
 * `keys`: names the keys of a broker.
 *
 * @module
 */
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import { inspectionOf } from "../looks.ts";
import { printable, writeJsonLine } from "../render.ts";

/** The command. */
export const command: Command = defineCommand({
  name: "keys",
  summary: "name the keys of the broker",
  usage: "[options]",
  options: {},
  async run({ values, io, open }) {
    return await closing(open(), async (backend) => {
      for await (const key of inspectionOf(backend, "list the keys").keys({ signal: io.signal })) {
        if (values.json) await writeJsonLine(io, { key });
        else await io.stdout.write(`${printable(key)}\n`);
      }
      return 0;
    });
  },
});
