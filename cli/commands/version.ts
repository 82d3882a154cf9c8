/**
 * `version`: prints the version.
 *
 * @module
 */
import { type Command, defineCommand } from "../command.ts";
import { VERSION } from "../version.ts";

/** The command. */
export const command: Command = defineCommand({
  name: "version",
  summary: "print the version",
  usage: "[options]",
  options: {},
  async run({ values, io }) {
    await io.stdout.write(values.json ? `${JSON.stringify({ version: VERSION })}\n` : `${VERSION}\n`);
    return 0;
  },
});
