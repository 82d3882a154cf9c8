/**
 * The type of a command, and the table of all commands.
 *
 * @module
 */
import type { LeasingBackend } from "../core/protocol.ts";
import type { Options, Values } from "./arguments.ts";
import type { Io } from "./io.ts";
import type { OpenOptions } from "./open.ts";

/** The options that every command has. */
export const COMMON_OPTIONS = {
  help: { type: "boolean", short: "h", help: "show this help" },
  json: { type: "boolean", help: "write JSON: one document, or one line for each entry" },
  key: { type: "string", value: "name", help: "the key (default: SLACK_EVENTS_TOPIC, else slack_events)" },
  group: { type: "string", value: "name", help: "the consumer group (default: slack-mcp)" },
  backend: { type: "string", value: "name", help: "the backend (default: QUEUE_BACKEND, else sqlite in this folder)" },
  registry: { type: "string", value: "file", help: "a module that exports further backends by name" },
} as const satisfies Options;

/** The input of a command. */
export interface CommandContext<Table extends Options = Options> {
  /** The values of its options and of {@link COMMON_OPTIONS}. */
  readonly values: Values<Table & typeof COMMON_OPTIONS>;
  /** The arguments that are no options. */
  readonly args: readonly string[];
  /** The streams, the environment, the signal. */
  readonly io: Io;
  /** The key: `--key`, else `SLACK_EVENTS_TOPIC`, else `slack_events`. */
  readonly key: string;
  /** The group: `--group`, else `slack-mcp`. */
  readonly group: string;
  /** Opens the backend. The caller closes it: see `closing`. */
  open(options?: OpenOptions): Promise<LeasingBackend>;
}

/** A command. */
export interface Command<Table extends Options = Options> {
  /** Its name: one word, or two such as `"dead list"`. */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The arguments after the name, such as `"<id…> [options]"`. */
  readonly usage: string;
  /** Further paragraphs of its help. */
  readonly details?: string | undefined;
  /** Its options beside {@link COMMON_OPTIONS}. */
  readonly options: Table;
  /** The fewest and the most arguments that are no options. Default: none. */
  readonly positionals?: readonly [min: number, max: number] | undefined;
  /** Runs it. Resolves with the exit code: 0 done, 1 something is wrong. Throws a `UsageError` for exit code 2. */
  run(context: CommandContext<Table>): Promise<number>;
}

/** Returns a command, with the types of its own options. */
export function defineCommand<const Table extends Options>(command: Command<Table>): Command {
  return command as unknown as Command;
}

/** An entry of the table of commands. */
interface Entry {
  /** One line for the list of commands. */
  readonly summary: string;
  /** Imports the command. */
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** All commands by their names, in the order of the help. Each is imported when it is asked for. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  serve: { summary: "run the webhook and the consumer", load: () => import("./commands/serve.ts") },
  doctor: { summary: "say what is wrong, and how to repair it", load: () => import("./commands/doctor.ts") },
  depth: { summary: "count the messages of a key, for each group", load: () => import("./commands/depth.ts") },
  keys: { summary: "name the keys of the broker", load: () => import("./commands/keys.ts") },
  peek: { summary: "show the oldest messages, without taking them", load: () => import("./commands/peek.ts") },
  tail: { summary: "show messages as they come, without taking them", load: () => import("./commands/tail.ts") },
  publish: {
    summary: "put an event into the queue, or send it to a webhook as Slack would",
    load: () => import("./commands/publish.ts"),
  },
  move: { summary: "move a queue to another backend while both ends run", load: () => import("./commands/move.ts") },
  "dead list": { summary: "list dead letters, the oldest first", load: () => import("./commands/dead_list.ts") },
  "dead show": {
    summary: "show dead letters with all that is known of them",
    load: () => import("./commands/dead_show.ts"),
  },
  "dead replay": { summary: "put dead letters back into the queue", load: () => import("./commands/dead_replay.ts") },
  "dead purge": { summary: "remove dead letters for good", load: () => import("./commands/dead_purge.ts") },
  replay: { summary: "put dead letters back into the queue", load: () => import("./commands/dead_replay.ts") },
  purge: { summary: "remove dead letters for good", load: () => import("./commands/dead_purge.ts") },
  version: { summary: "print the version", load: () => import("./commands/version.ts") },
};
