/**
 * The operator's command as a process of its own, on each runtime.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { bunProgram } from "../../runtimes/bun/program.ts";
import { nodeProgram } from "../../runtimes/node/program.ts";
import { ROOT } from "../../runner/suites.ts";

/** The runtimes that are here, with the words that run a TypeScript file. */
export const RUNTIMES: readonly (readonly [name: string, command: readonly string[]])[] = [
  ["Deno", [Deno.execPath(), "run", "-A"]],
  ["Bun", [bunProgram()]],
  ...nodeCommand(),
];

function nodeCommand(): [string, string[]][] {
  const node = nodeProgram(join(ROOT, "tests"));
  return node === undefined ? [] : [["Node", [node]]];
}

/** What a command wrote, and how it ended. */
export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command to its end, with an environment that has nothing but `env`. */
export function runCli(
  runtime: readonly string[],
  args: readonly string[],
  { env = {}, cwd = ROOT }: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<CliResult> {
  const [program, ...rest] = runtime;
  const { PATH = "", HOME = "" } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(program!, [...rest, join(ROOT, "cli/mod.ts"), ...args], {
      cwd,
      env: { PATH, HOME, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const written = { out: "", err: "" };
    child.stdout.on("data", (chunk: Uint8Array) => written.out += new TextDecoder().decode(chunk));
    child.stderr.on("data", (chunk: Uint8Array) => written.err += new TextDecoder().decode(chunk));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? -1, ...written }));
  });
}
