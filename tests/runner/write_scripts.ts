/**
 * Writes the TypeScript that carries the text that servers run; with `--check`, fails where it differs from its sources.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { LUA_FOLDER, renderScripts, SCRIPTS_FILE } from "./lua_scripts.ts";
import { renderStatements, SQL_FOLDER, STATEMENTS_FILE } from "./sql_statements.ts";
import { ROOT } from "./suites.ts";

const generated = [
  { file: SCRIPTS_FILE, folder: LUA_FOLDER, text: renderScripts(ROOT) },
  { file: STATEMENTS_FILE, folder: SQL_FOLDER, text: renderStatements(ROOT) },
];
for (const { file, folder, text } of generated) {
  const path = join(ROOT, file);
  if (!process.argv.includes("--check")) {
    writeFileSync(path, text);
  } else if (readFileSync(path, "utf8") !== text) {
    console.error(`${file} differs from ${folder}: run "deno task scripts"`);
    process.exitCode = 1;
  }
}
