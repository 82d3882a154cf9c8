/**
 * Writes the TypeScript that carries the Lua scripts; with `--check`, fails where it differs from its sources.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { LUA_FOLDER, renderScripts, SCRIPTS_FILE } from "./lua_scripts.ts";
import { ROOT } from "./suites.ts";

const text = renderScripts(ROOT);
const file = join(ROOT, SCRIPTS_FILE);
if (!process.argv.includes("--check")) {
  writeFileSync(file, text);
} else if (readFileSync(file, "utf8") !== text) {
  console.error(`${SCRIPTS_FILE} differs from ${LUA_FOLDER}: run "deno task scripts"`);
  process.exit(1);
}
