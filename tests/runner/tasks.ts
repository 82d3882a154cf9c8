/**
 * What a run consists of: tasks, each one process of a runtime with some test files. The longest come first.
 *
 * @module
 */
import { join } from "node:path";
import { bunProgram } from "../runtimes/bun/program.ts";
import { nodeProgram } from "../runtimes/node/program.ts";
import { docFiles, ROOT, suiteFiles, testFiles } from "./suites.ts";

/** One process with some test files. */
export interface Task {
  /** The runtime, or `docs`. */
  readonly suite: string;
  /** The files that it runs. */
  readonly files: readonly string[];
  /** The program and its arguments, given the path of the JUnit report that it is to write. */
  readonly command: (report: string) => readonly [program: string, ...args: string[]];
  /** Variables of its own. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a run is narrowed to. */
export interface TaskOptions {
  /** Files by a part of their path. */
  readonly only: string | undefined;
  /** Tests by a part of their name. */
  readonly filter: string | undefined;
  /** True: without end-to-end tests. */
  readonly quick: boolean;
  /**
   * The folder that takes Deno's coverage. Default: there is none, since it takes up to half as much time again.
   * End-to-end and stress tests add nothing to it: what they run is run by others, or in children.
   */
  readonly profile: string | undefined;
}

/**
 * Parts of the paths of files that take longest, by what was measured: they start first, so that none is left to run
 * alone at the end. Most of them wait, for leases of real brokers and for children that are killed.
 */
export const LONGEST = [
  "conformance/rabbitmq_test",
  "e2e/redis_soak",
  "e2e/rabbitmq_soak",
  "e2e/cli_move",
  "e2e/strangers",
  "conformance/upstash",
  "deno/stress",
  "conformance/redis_test",
  "conformance/sqlite",
  "conformance/cloudflare_server",
  "integration/rabbitmq",
  "e2e/cli_serve_rabbitmq",
  "e2e/doctor_rabbitmq",
  "e2e/plugin",
  "e2e/create",
  "e2e/install",
  "e2e/demo",
  "e2e/cli_story",
  "e2e/cli_commands",
  "e2e/sqlite_soak",
  "e2e/sqlite_processes",
  "e2e/redis_bounded",
  "integration/redis_test",
  "e2e/",
  "integration/redis_unreachable",
  "integration/redis_connection",
  "conformance/",
] as const;

/** How many short files run in one process, by the beginning of their paths: to start a process costs more than most files. */
const TOGETHER: Readonly<Record<string, number>> = { "tests/unit/": 12, "tests/integration/streams_": 6 };

function rank({ suite, files: [first = ""] }: Task): number {
  if (suite === "docs" || suite === "workerd") return 0; // one process for nearly all of it
  const found = LONGEST.findIndex((part) => first.includes(part));
  return found < 0 ? LONGEST.length : found;
}

/** Each file alone, but for the short ones. */
function portions(files: readonly string[]): string[][] {
  const startOf = (file: string) => Object.keys(TOGETHER).find((start) => file.startsWith(start));
  const all = files.filter((file) => startOf(file) === undefined).map((file) => [file]);
  for (const [start, count] of Object.entries(TOGETHER)) {
    const short = files.filter((file) => startOf(file) === start);
    for (let at = 0; at < short.length; at += count) all.push(short.slice(at, at + count));
  }
  return all;
}

/** Types are checked by `deno task ok`: in groups, since the types of Miniflare change those of everything. */
function denoTest(filter: string | undefined, report: string, more: readonly string[]): [string, ...string[]] {
  const named = filter === undefined ? [] : ["--filter", filter];
  const common = ["test", "-A", "--preload=tests/runner/guard.ts", `--junit-path=${report}`, ...named];
  return [Deno.execPath(), ...common, ...more];
}

type Chosen = (files: readonly string[]) => string[];

const WITH_TOOLS = ["--no-check", "-c", "tests/deno.json"];

function denoTasks(chosen: Chosen, { filter, quick, profile }: TaskOptions): Task[] {
  const more = quick ? [] : ["tests/runtimes/deno", "tests/e2e"].flatMap(testFiles);
  const coverage = profile === undefined ? [] : [`--coverage=${profile}`, "--coverage-raw-data-only"];
  return portions(chosen([...suiteFiles("deno"), ...more])).map((files) => ({
    suite: "deno",
    files,
    command: (report) =>
      denoTest(filter, report, [...WITH_TOOLS, ...more.includes(files[0]!) ? [] : coverage, ...files]),
  }));
}

function docsTasks(chosen: Chosen, { filter }: TaskOptions): Task[] {
  const files = chosen(docFiles());
  if (files.length === 0) return [];
  return [{ suite: "docs", files, command: (report) => denoTest(filter, report, ["--quiet", "--doc", ...files]) }];
}

function bunTasks(chosen: Chosen, { filter }: TaskOptions): Task[] {
  const named = filter === undefined ? [] : ["-t", filter];
  return portions(chosen([...suiteFiles("bun"), ...testFiles("tests/runtimes/bun")])).map((files) => ({
    suite: "bun",
    files,
    command: (report) => {
      const reporter = ["--reporter=junit", `--reporter-outfile=${report}`, "--timeout=600000"];
      return [bunProgram(), "test", ...reporter, ...named, ...files.map((file) => `./${file}`)];
    },
  }));
}

function nodeTasks(chosen: Chosen, { filter }: TaskOptions): Task[] {
  const program = nodeProgram(join(ROOT, "tests"));
  if (program === undefined) return [];
  const named = filter === undefined ? [] : [`--test-name-pattern=${filter}`];
  return portions(chosen(suiteFiles("node"))).map((files) => ({
    suite: "node",
    files,
    command: (report) => {
      const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout"]
        .concat("--test-reporter=junit", `--test-reporter-destination=${report}`);
      // Not `--test`: it starts a process for each file.
      const many = files.length > 1 ? ["tests/runtimes/node/files.mjs"] : [];
      return [program, "--import=./tests/runtimes/node/loader.mjs", ...reporters, ...named, ...many, ...files];
    },
  }));
}

function workerdTasks(chosen: Chosen, { filter }: TaskOptions): Task[] {
  const suites = "tests/runtimes/workerd/suites_test.ts";
  const inside = chosen(suiteFiles("workerd"));
  const direct = chosen(testFiles("tests/runtimes/workerd").filter((file) => file !== suites));
  const command = (file: string) => (report: string) => denoTest(filter, report, [...WITH_TOOLS, file]);
  return [
    ...inside.length > 0
      ? [{ suite: "workerd", files: inside, command: command(suites), env: { SUITE_FILES: inside.join(",") } }]
      : [],
    ...direct.map((file) => ({ suite: "workerd", files: [file], command: command(file) })),
  ];
}

const SUITES = { deno: denoTasks, docs: docsTasks, bun: bunTasks, node: nodeTasks, workerd: workerdTasks } as const;

/** The suites that a run may have. */
export const SUITE_NAMES = Object.keys(SUITES) as readonly (keyof typeof SUITES)[];

/** The tasks of some suites, the longest first. */
export function tasksOf(suites: readonly string[], options: TaskOptions): Task[] {
  const chosen: Chosen = (files) => files.filter((file) => file.includes(options.only ?? ""));
  return SUITE_NAMES.filter((name) => suites.includes(name))
    .flatMap((name) => SUITES[name](chosen, options))
    .sort((a, b) => rank(a) - rank(b));
}
