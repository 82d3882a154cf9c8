// Lets Node load the repository's TypeScript as it is, one file at a time: what this Node lacks of the language is
// written in other words, what it lacks of the platform is missing.
import asyncHooks from "node:async_hooks";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

// node:test would follow every promise of a test by a hook of its own, to say which test an error belongs to that
// nobody catches. That costs half of the processor time of a file with many promises. Without it such an error ends
// the file's process with an exit code that is not 0, and the runner reports the file.
asyncHooks.createHook = () => ({ enable() {}, disable() {} });

const root = new URL("../../../", import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL("deno.json", root), "utf8"));
const target = `node${process.versions.node}`;
const cache = new URL("coverage/node-sources/", root);
mkdirSync(cache, { recursive: true });
const require = createRequire(import.meta.url);

/** JavaScript of a TypeScript source: many processes load the same files, so the first one keeps what it made. */
function transform(source) {
  const name = createHash("sha256").update(`${target} ${source}`).digest("hex");
  const file = new URL(`${name}.js`, cache);
  try {
    return readFileSync(file, "utf8");
  } catch {
    // not made yet
  }
  const { code } = require("esbuild").transformSync(source, {
    loader: "ts",
    format: "esm",
    target,
    sourcemap: "inline",
  });
  const draft = new URL(`${name}.${process.pid}`, cache);
  writeFileSync(draft, code);
  renameSync(draft, file);
  return code;
}

registerHooks({
  resolve(specifier, context, next) {
    const own = /^@slack-mcp\/queue(\/.*)?$/.exec(specifier);
    return next(own ? new URL(exports["." + (own[1] ?? "")], root).href : specifier, context);
  },
  load(url, context, next) {
    if (!url.endsWith(".ts")) return next(url, context);
    return { format: "module", source: transform(readFileSync(fileURLToPath(url), "utf8")), shortCircuit: true };
  },
});
