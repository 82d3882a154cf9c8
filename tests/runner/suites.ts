/**
 * Which suite files run where. All of `tests/unit`, `tests/integration` and `tests/conformance` run on every runtime, but for
 * those that say themselves that they cannot, and why.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The runtimes that suites run on. */
export const RUNTIMES = ["deno", "bun", "workerd", "node"] as const;

/** One of them. */
export type Runtime = typeof RUNTIMES[number];

/** What a suite file needs that has to run outside of workerd: its variables become the worker's bindings. */
export interface Companion extends AsyncDisposable {
  /** Such as `{ UPSTASH_REDIS_REST_URL: "http://127.0.0.1:…" }`. */
  readonly env: Readonly<Record<string, string>>;
}

/** The servers that a suite file needs beside workerd, started by the runner. */
export const COMPANIONS: Readonly<Record<string, () => Promise<Companion>>> = {
  "tests/conformance/upstash_test.ts": async () => {
    const { startUpstashControl } = await import("../fakes/upstash_control.ts");
    const control = await startUpstashControl();
    return { env: { UPSTASH_CONTROL: control.url }, [Symbol.asyncDispose]: () => control[Symbol.asyncDispose]() };
  },
};

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

/**
 * Why a runtime does not run a file, or undefined: it does. The file itself says so, in a line such as
 * `// not on workerd: starts a redis-server`.
 */
export function exclusion(runtime: Runtime, source: string): string | undefined {
  return new RegExp(`^// not on ${runtime}: (.+)$`, "m").exec(source)?.[1];
}

/** The shared suite files. */
export function sharedFiles(): string[] {
  return ["tests/unit", "tests/integration", "tests/conformance"].flatMap(testFiles);
}

/** The shared suite files that a runtime does not run, each with its reason. */
export function excludedFiles(runtime: Runtime): Map<string, string> {
  const found = sharedFiles().map((file) =>
    [file, exclusion(runtime, readFileSync(join(ROOT, file), "utf8"))] as const
  );
  return new Map(found.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** The shared suite files that run on a runtime. */
export function suiteFiles(runtime: Runtime): string[] {
  const excluded = excludedFiles(runtime);
  return sharedFiles().filter((file) => !excluded.has(file));
}

/** The folders and files that are published: the library. */
export const LIBRARY = [
  "mod.ts",
  "driver.ts",
  "env.ts",
  "core",
  "backends",
  "slack",
  "testing",
  "create",
  "cli",
] as const;

/** All TypeScript files of the library that exist. */
export function libraryFiles(): string[] {
  return LIBRARY.filter((name) => existsSync(join(ROOT, name)))
    .flatMap((name) => name.endsWith(".ts") ? [name] : filesUnder(name).filter((file) => file.endsWith(".ts")));
}

/** The files whose examples are run: the library, and the documents for its users. */
export function docFiles(): string[] {
  const documents = ["README.md", "CONTRIBUTING.md", ...filesUnder("docs").filter((file) => file.endsWith(".md"))];
  return [...libraryFiles(), ...documents]
    .filter((file) => existsSync(join(ROOT, file)) && readFileSync(join(ROOT, file), "utf8").includes("```ts"));
}
