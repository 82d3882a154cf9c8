/**
 * Everything that can be said about the code without running it. `deno task ok` starts it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { run } from "./child.ts";
import type { TestCase } from "./junit.ts";
import { filesUnder, libraryFiles, ROOT } from "./suites.ts";

/** What must do with the web's own library: no `Deno`, `process` or `Buffer`. */
const WEB_ONLY = [
  "mod.ts",
  "driver.ts",
  "core/",
  "slack/",
  "testing/",
  "backends/memory/",
  "backends/sql/",
  "backends/upstash/",
  "backends/cloudflare/",
];

function exported(): string[] {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { exports: Record<string, string> };
  return Object.values(exports);
}

/** Files that import Miniflare, whose types redeclare `Response` and more for all that is checked with them. */
function drivesWorkerd(file: string): boolean {
  return file === "tests/runner/workerd.ts" || file.startsWith("tests/runtimes/workerd/");
}

function sources(...folders: readonly string[]): string[] {
  return folders.flatMap(filesUnder).filter((file) => file.endsWith(".ts"));
}

function steps(): Readonly<Record<string, readonly string[]>> {
  const library = libraryFiles();
  const web = library.filter((file) => WEB_ONLY.some((room) => file.startsWith(room)));
  // A Worker's own types are of no use beside Deno's: `wrangler deploy --dry-run` builds that example.
  const examples = sources("examples").filter((file) => !/^examples\/(worker|plugin)\//.test(file));
  const plugin = sources("examples/plugin");
  // The projects of users are checked as such, with their own settings: tests/e2e/types_test.ts.
  const tests = sources("tests").filter((file) => !file.startsWith("tests/e2e/projects/"));
  // Their tests and programs import what only a generated package has: tests/e2e/create_test.ts checks those.
  const templates = sources("templates").filter((file) => /^templates\/(pull|push|plain)\/(?!main)\w+\.ts$/.test(file));
  const benches = sources("bench");
  return {
    "format": ["fmt", "--check"],
    "lint": ["lint"],
    "lint: the library writes to no console": ["lint", "--rules-include=no-console", ...library],
    "types: the library and the examples": ["check", ...library, ...examples],
    "types: the web's own library is enough": ["check", "-c", "deno.weblib.json", ...web],
    "types: the plugin for NATS": ["check", "-c", "examples/plugin/deno.json", ...plugin],
    "types: the templates of a plugin": ["check", ...templates],
    "types: tests": ["check", "-c", "tests/deno.json", ...tests.filter((file) => !drivesWorkerd(file))],
    "types: tests that drive workerd": ["check", "-c", "tests/deno.json", ...tests.filter(drivesWorkerd)],
    ...benches.length > 0 ? { "types: benchmarks": ["check", "-c", "bench/deno.json", ...benches] } : {},
    "generated scripts": ["run", "-A", "-c", "tests/deno.json", "tests/runner/write_scripts.ts", "--check"],
    "documentation of every export": ["doc", "--lint", ...exported()],
    "publish, without publishing": ["publish", "--dry-run", "--allow-dirty"],
  };
}

/** Runs all checks, also after a failure, one on each core, and returns the result of each by its name. */
async function runChecks(): Promise<{ readonly cases: readonly TestCase[]; readonly seconds: number }> {
  const started = performance.now();
  const cases: TestCase[] = [];
  const waiting = Object.entries(steps()).values();
  const lane = async () => {
    for (const [name, args] of waiting) {
      const { code, stdout, stderr } = await run(Deno.execPath(), args, { cwd: ROOT });
      if (code !== 0) console.log(`${stdout}${stderr}`);
      console.log(`${name} ... ${code === 0 ? "ok" : "FAILED"}`);
      cases.push({ name, file: "", status: code === 0 ? "passed" : "failed" });
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return { cases, seconds: (performance.now() - started) / 1000 };
}

if (import.meta.main) {
  const { cases, seconds } = await runChecks();
  const failed = cases.filter(({ status }) => status === "failed");
  console.log(`\nchecked in ${seconds.toFixed(1)} s\n${cases.length - failed.length} passed, ${failed.length} failed`);
  process.exit(failed.length === 0 ? 0 : 1);
}
