/**
 * Runs the tests on all runtimes and ends with one line of totals. `deno task test` starts it.
 *
 * ```sh
 * deno task test --quick                         # Deno alone, without examples, end-to-end tests and coverage
 * deno task test --runtime bun,workerd           # some of deno, docs, bun, workerd, node
 * deno task test --only redis --filter "lease"   # files by a part of their path, tests by a part of their name
 * deno task test --jobs 1                        # one runtime after the other, with its output as it comes
 * ```
 *
 * @module
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { coverageTable } from "./coverage.ts";
import { run } from "./child.ts";
import { installServices } from "./services.ts";
import { installTools } from "./tools.ts";
import { parseJUnit, type TestCase } from "./junit.ts";
import { printSummary, type Row } from "./summary.ts";
import { bunProgram } from "../runtimes/bun/program.ts";
import { nodeProgram } from "../runtimes/node/program.ts";
import { docFiles, ROOT, RUNTIMES, sharedFiles, suiteFiles, testFiles } from "./suites.ts";

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    runtime: { type: "string", default: "deno,bun,node,workerd,docs" },
    only: { type: "string" },
    filter: { type: "string" },
    quick: { type: "boolean", default: false },
    jobs: { type: "string", default: "2" },
  },
});
const { only, filter, quick } = values;
const narrowed = quick || only !== undefined || filter !== undefined;
/**
 * How many runtimes run side by side, and {@link FILES_AT_ONCE} how many files of each. Both are above the number of
 * cores, since most of a run waits for leases of real brokers. Each file starts brokers of its own.
 */
const jobs = Number(values.jobs);
const runtimes = quick ? ["deno"] : values.runtime.split(",");
const FILES_AT_ONCE = 2;
/** A runtime that runs alone shows its output as it comes; of several, each shows it at its end. */
const alone = jobs === 1 || runtimes.length === 1;
const strict = process.env.CI === "true";
const deno = Deno.execPath();
const reports = join(ROOT, "coverage");
const profile = join(reports, "profile");
/** Longer than any runtime takes: a run that hangs is ended and reported. */
const DEADLINE_MS = 1_500_000;

function chosen(files: readonly string[]): string[] {
  return files.filter((file) => only === undefined || file.includes(only));
}

async function runSuite(
  name: string,
  files: readonly string[],
  command: readonly [program: string, ...args: string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<Row> {
  const started = performance.now();
  const report = join(reports, `${name}.xml`);
  const problems: string[] = [];
  const cases: TestCase[] = [];
  if (files.length > 0) {
    console.log(`=== ${name}: ${files.length} files`);
    const [program, ...args] = command.map((arg) => arg === "REPORT" ? report : arg.replace("=REPORT", `=${report}`));
    const log = join(reports, `${name}.log`);
    const variables = { ...env, GUARD_LOG: log, DENO_JOBS: String(FILES_AT_ONCE) };
    const options = { cwd: ROOT, env: variables, inherit: alone, timeoutMs: DEADLINE_MS };
    const { code, timedOut, stdout, stderr } = await run(program!, args, options);
    if (!alone) console.log(`\n=== ${name} has ended with ${code}\n${stdout}${stderr}`);
    if (existsSync(log)) problems.push(...readFileSync(log, "utf8").trim().split("\n"));
    try {
      const all = parseJUnit(readFileSync(report, "utf8"));
      cases.push(...all.filter(({ status }) => filter === undefined || status !== "skipped")); // else: filtered out
    } catch (error) {
      problems.push(`no report: ${error instanceof Error ? error.message : error}`);
    }
    if (timedOut) problems.push(`did not end within ${DEADLINE_MS / 1000} s`);
    const failed = cases.some(({ status }) => status === "failed");
    if (code !== 0 && !failed && problems.length === 0) problems.push(`ended with ${code}, and no test failed`);
  }
  if (cases.length === 0 && !narrowed && problems.length === 0) problems.push("has no tests");
  return { name, files: files.length, cases, seconds: (performance.now() - started) / 1000, problems };
}

/** Types are checked by `deno task ok`: in groups, since the types of Miniflare change those of everything. */
const common = [
  "test",
  "-A",
  "--no-check",
  "--preload=tests/runner/guard.ts",
  "--junit-path=REPORT",
  ...filter === undefined ? [] : ["--filter", filter],
];
const withTools = ["-c", "tests/deno.json"];

const SUITES: Readonly<Record<string, () => Promise<Row>>> = {
  deno() {
    const more = quick ? [] : ["tests/runtimes/deno", "tests/e2e"].flatMap(testFiles);
    const files = chosen([...suiteFiles("deno"), ...more]);
    const coverage = narrowed ? [] : [`--coverage=${profile}`, "--coverage-raw-data-only"];
    return runSuite("deno", files, [deno, ...common, "--parallel", ...withTools, ...coverage, ...files]);
  },
  docs() {
    const files = chosen(docFiles());
    return runSuite("docs", files, [
      deno,
      ...common.filter((arg) => arg !== "--no-check"),
      "--quiet",
      "--doc",
      ...files,
    ]);
  },
  bun() {
    const files = chosen([...suiteFiles("bun"), ...testFiles("tests/runtimes/bun")]);
    const named = filter === undefined ? [] : ["-t", filter];
    const report = ["--reporter=junit", "--reporter-outfile=REPORT", "--timeout=300000"]
      .concat(`--parallel=${FILES_AT_ONCE}`);
    return runSuite("bun", files, [bunProgram(), "test", ...report, ...named, ...files.map((file) => `./${file}`)]);
  },
  node() {
    const files = chosen(suiteFiles("node"));
    const program = nodeProgram(join(ROOT, "tests"));
    if (program === undefined) {
      const name = "no Node 22 or newer on this machine";
      return Promise.resolve({
        name: "node",
        files: 0,
        seconds: 0,
        problems: [],
        cases: [{ name, file: "", status: "skipped" }],
      });
    }
    const named = filter === undefined ? [] : [`--test-name-pattern=${filter}`];
    const report = ["--test-reporter=spec", "--test-reporter-destination=stdout"]
      .concat("--test-reporter=junit", "--test-reporter-destination=REPORT");
    const options = [
      "--import=./tests/runtimes/node/loader.mjs",
      "--test",
      `--test-concurrency=${FILES_AT_ONCE}`,
      ...report,
      ...named,
    ];
    return runSuite("node", files, [program, ...options, ...files]);
  },
  workerd() {
    const inside = chosen(suiteFiles("workerd"));
    const outside = testFiles("tests/runtimes/workerd").filter((file) => !file.endsWith("/suites_test.ts"));
    const driver = inside.length > 0 ? ["tests/runtimes/workerd/suites_test.ts"] : [];
    const direct = chosen(outside);
    const env = { SUITE_FILES: inside.join(",") };
    return runSuite("workerd", [...inside, ...direct], [deno, ...common, ...withTools, ...driver, ...direct], env);
  },
};

process.on("SIGINT", () => process.exit(130));
const unknown = runtimes.filter((name) => !(name in SUITES));
if (unknown.length > 0) {
  console.error(`Unknown runtime: ${unknown.join(", ")}. Known: ${Object.keys(SUITES).join(", ")}`);
  process.exit(2);
}
if (!Number.isInteger(jobs) || jobs < 1) {
  console.error(`--jobs must be a positive integer, found "${values.jobs}"`);
  process.exit(2);
}
if (chosen([...sharedFiles(), ...docFiles(), ...["tests/runtimes", "tests/e2e"].flatMap(testFiles)]).length === 0) {
  console.error(`No file has "${only}" in its path`);
  process.exit(2);
}
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });
const rows: Row[] = [];
await installTools({ log: console.log });
const missing = await installServices({ log: console.log });
const waiting = runtimes.map((name) => SUITES[name]!);
async function lane(): Promise<void> {
  for (let suite = waiting.shift(); suite; suite = waiting.shift()) rows.push(await suite());
}
await Promise.all(Array.from({ length: jobs }, lane));
rows.sort((a, b) => runtimes.indexOf(a.name) - runtimes.indexOf(b.name));
if (runtimes.includes("deno") && !narrowed) console.log(`\n=== coverage\n${await coverageTable(profile)}`);
const without = narrowed ? [] : RUNTIMES.filter((name) => runtimes.includes(name));
process.exit(printSummary(rows, { missing, without, strict }) ? 0 : 1);
