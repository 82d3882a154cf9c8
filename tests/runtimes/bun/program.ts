/**
 * Bun's own program, out of the npm package that `tests/deno.json` pins. The package's install script is not
 * needed: the program lies in the package of the platform beside it.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The path of a Bun that runs on this machine. */
export function bunProgram(): string {
  const manifest = realpathSync(createRequire(import.meta.url).resolve("bun/package.json"));
  const platforms = join(dirname(dirname(manifest)), "@oven");
  for (const platform of existsSync(platforms) ? readdirSync(platforms) : []) {
    const program = join(platforms, platform, "bin", "bun");
    if (existsSync(program) && spawnSync(program, ["--version"]).status === 0) return program; // not the other libc's
  }
  throw new Error(`No Bun for this platform under ${platforms}`);
}
