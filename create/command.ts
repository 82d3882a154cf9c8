/**
 * The command line of the generator.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { CreateOptions } from "./options.ts";

const USAGE = `Writes the package of a new backend for @slack-mcp/queue.

Usage: deno run -A jsr:@slack-mcp/queue/create <name> [options]

  <name>                    the package's name and its folder, such as my-queue
  --scope <@scope>          the scope to publish under (default: @my-scope)
  --description <sentence>  one sentence about the package
  --transport <how>         pull, push or plain (default: pull)
  --dir <folder>            where to write (default: ./<name>)
  --link <folder>           a checkout of @slack-mcp/queue to use in place of the published package
`;

/** Makes the files of a package, as `createPlugin` does. */
type Create = (name: string, options: CreateOptions) => Record<string, string>;

interface Parsed {
  readonly name: string | undefined;
  readonly dir: string | undefined;
  readonly help: boolean;
  readonly options: CreateOptions;
}

function parse(args: readonly string[]): Parsed {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      scope: text,
      description: text,
      transport: text,
      dir: text,
      link: text,
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [name, ...more] = positionals;
  if (more.length > 0) throw new TypeError(`one name is expected, found ${positionals.join(" ")}`);
  const { dir, help, link, ...options } = values;
  const linked = link === undefined ? undefined : resolve(link);
  return { name, dir, help, options: { ...options, link: linked } as CreateOptions };
}

/** Writes files into a folder that does not exist yet. */
async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  if (existsSync(folder)) throw new Error(`${folder} exists already, and nothing is overwritten`);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text, { flag: "wx" });
  }
}

/** Runs the command with this process's arguments. Sets the exit code to 1 where it cannot write the package. */
export async function runCommand(create: Create): Promise<void> {
  try {
    const { name, dir, help, options } = parse(process.argv.slice(2));
    if (help) return void process.stdout.write(USAGE);
    if (name === undefined) throw new TypeError(`a name is missing\n\n${USAGE}`);
    const files = create(name, options);
    const folder = dir ?? name;
    await write(folder, files);
    const next = [`cd ${folder}`, "deno task test", "deno task start"];
    process.stdout.write(
      `Wrote ${Object.keys(files).length} files to ${folder}. Next:\n\n${next.map((one) => `  ${one}\n`).join("")}`,
    );
  } catch (error) {
    process.stderr.write(`Cannot create the package: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
}
