/**
 * Runs the tests on all runtimes and ends with one line of totals. `deno task test` starts it.
 *
 * ```sh
 * deno task test --quick                         # Deno alone, without examples and end-to-end tests
 * deno task test --runtime bun,workerd           # some of deno, docs, bun, workerd, node
 * deno task test --only redis --filter "lease"   # files by a part of their path, tests by a part of their name
 * deno task test --coverage                      # what of the library runs on Deno, by folder, as well
 * deno task test --jobs 1                        # one process after the other, with its output as it comes
 * ```
 *
 * @module
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { coverageTable } from "./coverage.ts";
import { run } from "./child.ts";
import { installServices } from "./services.ts";
import { installTools } from "./tools.ts";
import { parseJUnit, type TestCase } from "./junit.ts";
import { printSummary, type Row } from "./summary.ts";
import { nodeProgram } from "../runtimes/node/program.ts";
import { docFiles, ROOT, RUNTIMES, sharedFiles, testFiles } from "./suites.ts";
import { SUITE_NAMES, type Task, tasksOf } from "./tasks.ts";

/** Processes for each core: most of a run waits, for leases of real brokers and for children that are killed. */
const FOR_EACH_CORE = 4;

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    runtime: { type: "string", default: "deno,bun,node,workerd,docs" },
    only: { type: "string" },
    filter: { type: "string" },
    quick: { type: "boolean", default: false },
    coverage: { type: "boolean", default: false },
    jobs: { type: "string", default: `${FOR_EACH_CORE * availableParallelism()}` },
  },
});
const { only, filter, quick, coverage } = values;
const narrowed = quick || only !== undefined || filter !== undefined;
/** How many processes run side by side. Each starts brokers of its own. */
const jobs = Number(values.jobs);
const runtimes = quick ? ["deno"] : values.runtime.split(",");
const strict = process.env.CI === "true";
const reports = join(ROOT, "coverage");
const profile = join(reports, "profile");
/** Longer than any process takes: one that hangs is ended and reported. */
const DEADLINE_MS = 900_000;

/** What became of a task. */
interface Outcome {
  readonly task: Task;
  readonly cases: readonly TestCase[];
  readonly problems: readonly string[];
  readonly seconds: number;
}

async function perform(task: Task, index: number): Promise<Outcome> {
  const started = performance.now();
  const name = `${task.suite}-${index}`;
  const [report, log] = [join(reports, `${name}.xml`), join(reports, `${name}.log`)];
  const title = `${task.suite}: ${task.files.length > 1 ? `${task.files.length} files from ` : ""}${task.files[0]}`;
  if (jobs === 1) console.log(`\n=== ${title}`);
  const [program, ...args] = task.command(report);
  const options = { cwd: ROOT, env: { ...task.env, GUARD_LOG: log }, inherit: jobs === 1, timeoutMs: DEADLINE_MS };
  const { code, timedOut, stdout, stderr } = await run(program, args, options);
  const seconds = (performance.now() - started) / 1000;
  if (jobs > 1) console.log(`\n=== ${title} has ended with ${code} after ${seconds.toFixed(1)} s\n${stdout}${stderr}`);
  const problems: string[] = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  const cases: TestCase[] = [];
  try {
    const all = parseJUnit(readFileSync(report, "utf8"));
    cases.push(...all.filter(({ status }) => filter === undefined || status !== "skipped")); // else: filtered out
  } catch (error) {
    problems.push(`${title}: no report: ${error instanceof Error ? error.message : error}`);
  }
  if (timedOut) problems.push(`${title}: did not end within ${DEADLINE_MS / 1000} s`);
  const failed = cases.some(({ status }) => status === "failed");
  if (code !== 0 && !failed && problems.length === 0) {
    problems.push(`${title}: ended with ${code}, and no test failed`);
  }
  if (cases.length === 0 && !narrowed && problems.length === 0) problems.push(`${title}: has no tests`);
  return { task, cases, problems, seconds };
}

/** The row of a suite: of its processes together, whose seconds are added up. */
function rowOf(name: string, outcomes: readonly Outcome[]): Row {
  if (name === "node" && nodeProgram(join(ROOT, "tests")) === undefined) {
    const absent: TestCase = { name: "no Node 22 or newer on this machine", file: "", status: "skipped" };
    return { name, files: 0, seconds: 0, problems: [], cases: [absent] };
  }
  const own = outcomes.filter(({ task }) => task.suite === name);
  return {
    name,
    files: own.flatMap(({ task }) => task.files).length,
    cases: own.flatMap(({ cases }) => cases),
    problems: own.length === 0 && !narrowed ? ["has no tests"] : own.flatMap(({ problems }) => problems),
    seconds: own.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

// Each child leads a process group, which a signal to this process does not reach: the exit handler kills it.
for (const [name, number] of [["SIGINT", 2], ["SIGTERM", 15]] as const) {
  process.on(name, () => process.exit(128 + number));
}
const unknown = runtimes.filter((name) => !SUITE_NAMES.some((known) => known === name));
if (unknown.length > 0) {
  console.error(`Unknown runtime: ${unknown.join(", ")}. Known: ${SUITE_NAMES.join(", ")}`);
  process.exit(2);
}
if (!Number.isInteger(jobs) || jobs < 1) {
  console.error(`--jobs must be a positive integer, found "${values.jobs}"`);
  process.exit(2);
}
const everything = [...sharedFiles(), ...docFiles(), ...["tests/runtimes", "tests/e2e"].flatMap(testFiles)];
if (only !== undefined && !everything.some((file) => file.includes(only))) {
  console.error(`No file has "${only}" in its path`);
  process.exit(2);
}
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });
const started = performance.now();
await installTools({ log: console.log });
const missing = await installServices({ log: console.log });
const tasks = tasksOf(runtimes, { only, filter, quick, profile: coverage ? profile : undefined });
const outcomes: Outcome[] = [];
const waiting = tasks.entries();
async function lane(): Promise<void> {
  for (const [index, task] of waiting) outcomes.push(await perform(task, index));
}
await Promise.all(Array.from({ length: jobs }, lane));
if (runtimes.includes("deno") && coverage) console.log(`\n=== coverage\n${await coverageTable(profile)}`);
const without = narrowed ? [] : RUNTIMES.filter((name) => runtimes.includes(name));
const seconds = (performance.now() - started) / 1000;
const good = printSummary(runtimes.map((name) => rowOf(name, outcomes)), { missing, without, strict, seconds });
process.exit(good ? 0 : 1);
