/**
 * Runs commands one after the other in one process, each as one of its own would: a line of the standard input has the
 * arguments and the environment, the line that answers it has the result, both as JSON.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { run } from "../../../cli/mod.ts";
import { cliIo } from "../../doubles/cli_io.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const { args, env } = JSON.parse(line) as { args: string[]; env: Record<string, string> };
  const io = cliIo({ env });
  const code = await run(args, io);
  process.stdout.write(`${JSON.stringify({ code, out: io.out, err: io.err })}\n`);
}
process.exit(0);
