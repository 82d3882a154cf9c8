/**
 * The operator's command: it runs a queue of Slack events, and looks into it.
 *
 * ```sh
 * deno run -A jsr:@slack-mcp/queue/cli --help
 * ```
 *
 * From a checkout: `deno task cli --help`, `bun cli/mod.ts --help`, and on Node ≥ 22.18 `node cli/mod.ts --help`.
 *
 * Which queue it is about is said by the server's own variables: `QUEUE_BACKEND` and those of the backend. Where
 * `QUEUE_BACKEND` is not set it is `sqlite`, in the file `queue.db` of the working folder. Payloads are hidden unless
 * `--payload` is given. Exit codes: 0 done, 1 something is wrong, 2 a wrong command line.
 *
 * @example
 * ```ts
 * import { run } from "@slack-mcp/queue/cli";
 * import assert from "node:assert/strict";
 *
 * assert.equal(await run(["version"]), 0);
 * ```
 *
 * @module
 */
import { realpathSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DEFAULT_EVENTS_KEY } from "../slack/config.ts";
import { DEFAULT_GROUP, type Env } from "../core/protocol.ts";
import type { Clock } from "../core/util/clock.ts";
import { didYouMean, parseArguments, UsageError } from "./arguments.ts";
import { type Command, COMMANDS, COMMON_OPTIONS } from "./command.ts";
import { helpOf, helpOfGroup, overview } from "./help.ts";
import { type Input, type Io, type Output, processIo } from "./io.ts";
import { open } from "./open.ts";

export type { Clock, Env, Input, Io, Output };

/**
 * Runs one command.
 *
 * @param args The command line without the program, such as `["depth", "--json"]`.
 * @param io The streams, the environment and the signal. Default: those of this process, whose SIGINT and SIGTERM it
 * then takes.
 * @returns The exit code.
 */
export async function run(args: readonly string[], io: Io = processIo()): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    if (error instanceof UsageError) {
      await io.stderr.write(`${error.message}\n`);
      return 2;
    }
    if (io.signal.aborted && error === io.signal.reason) {
      await io.stderr.write("Interrupted: not all was done\n");
      return 1;
    }
    await io.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

async function dispatch(args: readonly string[], io: Io): Promise<number> {
  const [first] = args;
  if (first === undefined || first === "help" || first === "--help" || first === "-h") {
    const asked = first === "help" ? args.slice(1) : [];
    await (first === undefined ? io.stderr : io.stdout).write(await helpText(asked));
    return first === undefined ? 2 : 0;
  }
  const inner = helpOfGroup(first);
  if (inner !== undefined && (args[1] === undefined || args[1] === "--help" || args[1] === "-h")) {
    await (args[1] === undefined ? io.stderr : io.stdout).write(inner);
    return args[1] === undefined ? 2 : 0;
  }
  if (first === "--version") return await dispatch(["version"], io);
  const { command, rest } = await find(args);
  const { values, positionals } = parseArguments(rest, { ...COMMON_OPTIONS, ...command.options });
  if (values.help) {
    await io.stdout.write(helpOf(command));
    return 0;
  }
  const [min, max] = command.positionals ?? [0, 0];
  if (positionals.length < min || positionals.length > max) {
    const problem = positionals.length < min ? "an argument is missing" : `one argument too many: ${positionals[max]}`;
    throw new UsageError(`${command.name}: ${problem}\nUsage: ${command.name} ${command.usage}`);
  }
  const topic = typeof io.env.SLACK_EVENTS_TOPIC === "string" ? io.env.SLACK_EVENTS_TOPIC.trim() : "";
  return await command.run({
    values,
    args: positionals,
    io,
    key: values.key ?? (topic || DEFAULT_EVENTS_KEY),
    group: values.group ?? DEFAULT_GROUP,
    open: (options) =>
      open({
        ...options,
        env: io.env,
        backend: options?.backend ?? values.backend,
        registry: values.registry,
        note: (sentence) => void io.stderr.write(`${sentence}\n`),
      }),
  });
}

/** Returns the help of the command, or of the commands, that the words name: without any, of all. */
async function helpText(words: readonly string[]): Promise<string> {
  const [first] = words;
  if (first === undefined) return overview();
  return (words.length === 1 ? helpOfGroup(first) : undefined) ?? helpOf((await find(words)).command);
}

/** Finds the command that a line begins with: two words go before one. */
async function find(args: readonly string[]): Promise<{ readonly command: Command; readonly rest: readonly string[] }> {
  for (const words of [2, 1]) {
    const name = args.slice(0, words).join(" ");
    if (args.length < words || !Object.hasOwn(COMMANDS, name)) continue;
    const { command } = await COMMANDS[name]!.load();
    return { command, rest: args.slice(words) };
  }
  const [first = ""] = args;
  const names = Object.keys(COMMANDS);
  const inner = names.filter((name) => name.startsWith(`${first} `));
  if (inner.length > 0) throw new UsageError(`${first} must be followed by one of ${listed(inner, first)}`);
  const line = args.slice(0, 2).join(" ");
  throw new UsageError(
    `Unknown command ${first}${didYouMean(first, names) || didYouMean(line, names) || "; --help lists all commands"}`,
  );
}

function listed(names: readonly string[], first: string): string {
  return names.map((name) => name.slice(first.length + 1)).join(", ");
}

/** Tells whether this file is the program that runs, also on a Node that does not say so itself. */
function isMain(): boolean {
  if (typeof import.meta.main === "boolean") return import.meta.main;
  const [, program] = process.argv;
  try {
    return program !== undefined && realpathSync(program) === realpathSync(fileURLToPath(import.meta.url));
  } catch {
    return false; // not a file: another program has imported this module
  }
}

if (isMain()) {
  const io = processIo();
  const code = await run(process.argv.slice(2), io);
  for (const output of [io.stdout, io.stderr]) await output.write(""); // what is still on its way to a pipe
  process.exit(code);
}
