/**
 * The programs that run a file of TypeScript, for tests that start whole processes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "../../runner/suites.ts";
import { bunProgram } from "../../runtimes/bun/program.ts";
import { nodeProgram } from "../../runtimes/node/program.ts";

/** A program with the arguments that come before the file. */
export type Program = readonly [program: string, ...args: string[]];

const node = nodeProgram(join(ROOT, "tests"));
assert.ok(node, "a Node of version 22 or later");

/** Each runtime by its name. */
export const RUNTIMES: readonly (readonly [name: string, program: Program])[] = [
  ["Deno", [Deno.execPath(), "run", "-A"]],
  ["Bun", [bunProgram()]],
  ["Node", [node, "--disable-warning=ExperimentalWarning"]],
];
