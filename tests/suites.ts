/**
 * Which suite files run where. All of `tests/unit` and `tests/conformance` run on every runtime, but for
 * those that are named here, each with its reason.
 *
 * @module
 */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const ROOT: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** A runtime that suites run on. */
export type Runtime = "deno" | "bun" | "workerd";

/** What a suite file needs that has to run outside of workerd: its variables become the worker's bindings. */
export interface Companion extends AsyncDisposable {
  /** Such as `{ UPSTASH_REDIS_REST_URL: "http://127.0.0.1:…" }`. */
  readonly env: Readonly<Record<string, string>>;
}

/** Files, or beginnings of files that end in `*`, and why the runtime cannot run them. */
export const EXCLUDED: Readonly<Record<Runtime, Readonly<Record<string, string>>>> = {
  deno: {},
  bun: {
    "tests/unit/architecture_test.ts": "asks `deno info` for the module graph",
    "tests/unit/weblib_test.ts": "asks `deno check`",
    "tests/unit/workerd_support_test.ts": "drives Miniflare, which the runner does from Deno",
  },
  workerd: {
    "tests/unit/architecture_test.ts": "reads files and runs `deno info`",
    "tests/unit/weblib_test.ts": "runs `deno check`",
    "tests/unit/hygiene_test.ts": "reads files",
    "tests/unit/publish_test.ts": "reads files",
    "tests/unit/machinery_test.ts": "reads files and starts processes",
    "tests/unit/workerd_support_test.ts": "drives workerd from outside",
    "tests/unit/cloudflare_api_test.ts": "its server listens on a port",
    "tests/unit/redis_*": "starts a redis-server",
  },
};

/** The servers that a suite file needs beside workerd, started by the runner. */
export const COMPANIONS: Readonly<Record<string, () => Promise<Companion>>> = {};

/** The files under a folder, sorted, named from the repository's folder. */
export function filesUnder(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .filter((file) => !file.includes("node_modules"))
    .sort();
}

/** The `_test.ts` files under a folder. */
export function testFiles(folder: string): string[] {
  return filesUnder(folder).filter((file) => file.endsWith("_test.ts"));
}

/** Why this runtime does not run this file, or undefined: it does. */
export function exclusion(runtime: Runtime, file: string): string | undefined {
  const found = Object.entries(EXCLUDED[runtime]).find(([pattern]) =>
    pattern.endsWith("*") ? file.startsWith(pattern.slice(0, -1)) : file === pattern
  );
  return found?.[1];
}

/** The shared suite files that run on a runtime. */
export function suiteFiles(runtime: Runtime): string[] {
  return ["tests/unit", "tests/conformance"].flatMap(testFiles).filter((file) => !exclusion(runtime, file));
}

/** The folders and files that are published: the library. */
export const LIBRARY = ["mod.ts", "env.ts", "core", "backends", "slack", "testing", "create"] as const;

/** All TypeScript files of the library that exist. */
export function libraryFiles(): string[] {
  return LIBRARY.filter((name) => existsSync(join(ROOT, name)))
    .flatMap((name) => name.endsWith(".ts") ? [name] : filesUnder(name).filter((file) => file.endsWith(".ts")));
}

/** The files whose examples are run: the library, and the documents for its users. */
export function docFiles(): string[] {
  const documents = ["README.md", "CONTRIBUTING.md", ...filesUnder("docs").filter((file) => file.endsWith(".md"))];
  return [...libraryFiles(), ...documents.filter((file) => existsSync(join(ROOT, file)))];
}
