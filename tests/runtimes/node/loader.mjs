// Lets Node load the repository's TypeScript as it is, one file at a time: what this Node lacks of the language is
// written in other words, what it lacks of the platform is missing.
import { transformSync } from "esbuild";
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = new URL("../../../", import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL("deno.json", root), "utf8"));
const target = `node${process.versions.node}`;

registerHooks({
  resolve(specifier, context, next) {
    const own = /^@slack-mcp\/queue(\/.*)?$/.exec(specifier);
    return next(own ? new URL(exports["." + (own[1] ?? "")], root).href : specifier, context);
  },
  load(url, context, next) {
    if (!url.endsWith(".ts")) return next(url, context);
    const source = readFileSync(fileURLToPath(url), "utf8");
    const { code } = transformSync(source, { loader: "ts", format: "esm", target, sourcemap: "inline" });
    return { format: "module", source: code, shortCircuit: true };
  },
});
