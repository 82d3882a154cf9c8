/**
 * The texts of `--help`.
 *
 * @module
 */
import { type Command, COMMANDS, COMMON_OPTIONS } from "./command.ts";
import type { Options } from "./arguments.ts";
import { columns } from "./render.ts";

const INTRODUCTION = `Runs a queue of Slack events, and looks into it.

Usage: deno run -A jsr:@slack-mcp/queue/cli <command> [options]
`;

const VARIABLES = `The variables are those of the server: QUEUE_BACKEND with the backend's own (REDIS_URL, …),
SLACK_EVENTS_TOPIC, SLACK_SIGNING_SECRET. Bun reads .env by itself; on Deno and Node put --env-file=.env
in front of the file: deno run -A --env-file=.env jsr:@slack-mcp/queue/cli …

Exit codes: 0 done, 1 something is wrong, 2 a wrong command line.
`;

/** Returns the help of all commands. */
export function overview(): string {
  const list = Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary]);
  return `${INTRODUCTION}\n${columns(list, "  ")}\nAdd --help to a command to see its options.\n\n${VARIABLES}`;
}

/** Returns the list of the commands whose first of two words is given, or nothing where there are none. */
export function helpOfGroup(first: string): string | undefined {
  const list = Object.entries(COMMANDS).filter(([name]) => name.startsWith(`${first} `));
  if (list.length === 0) return undefined;
  const rows = list.map(([name, { summary }]) => [name, summary]);
  return `Usage: ${first} <command> [options]\n\n${columns(rows, "  ")}\nAdd --help to a command to see its options.\n`;
}

/** Returns the help of one command. */
export function helpOf({ name, summary, usage, details, options }: Command): string {
  const paragraphs = [
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.\n`,
    `Usage: ${name} ${usage}\n`,
    ...details === undefined ? [] : [`${details.trim()}\n`],
    ...Object.keys(options).length === 0 ? [] : [optionList(options)],
    `Options of every command:\n${optionList(COMMON_OPTIONS)}`,
  ];
  return paragraphs.join("\n");
}

function optionList(options: Options): string {
  const rows = Object.entries(options).map(([name, { type, short, value = name, help }]) => [
    `${short === undefined ? "" : `-${short}, `}--${name}${type === "string" ? ` <${value}>` : ""}`,
    help,
  ]);
  return columns(rows, "  ");
}
