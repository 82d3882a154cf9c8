/**
 * A small stand-in for `@std/dotenv/load`: puts the variables of `.env` into the environment, where they are not set.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";

const lines = existsSync(".env") ? readFileSync(".env", "utf8").split("\n") : [];
for (const [, name, value] of lines.map((line) => /^([A-Z_]+)=(.*)$/.exec(line) ?? [])) {
  if (name !== undefined) process.env[name] ??= value;
}
