// Loads the test files that its arguments name, one after the other: one process for all, as on Bun.
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
