/**
 * The end of a run: what did not pass, by name, a table, and one line of totals.
 *
 * @module
 */
import type { TestCase } from "./junit.ts";
import type { Service } from "./services.ts";
import { formatTable } from "./table.ts";
import { excludedFiles, type Runtime } from "./suites.ts";

/** One row of the summary. */
export interface Row {
  /** The runtime, or what else was run. */
  readonly name: string;
  /** How many files. */
  readonly files: number;
  /** Its tests. */
  readonly cases: readonly TestCase[];
  /** How long its processes took, added up. */
  readonly seconds: number;
  /** What went wrong beside the tests themselves. */
  readonly problems: readonly string[];
}

function count(rows: readonly Row[], status: TestCase["status"]): number {
  return rows.flatMap(({ cases }) => cases).filter((one) => one.status === status).length;
}

/** The conformance kit's cases that could not be run, by backend and reason, with the runtimes of each. */
function unprovenLines(rows: readonly Row[]): string[] {
  const groups = new Map<string, Map<string, string[]>>();
  for (const row of rows) {
    for (const { name } of row.cases.filter(({ status }) => status === "unproven")) {
      // [file: ]backend: rule 02: what must be true [02-id] (not declared: why)
      const kitCase = /(?:^|: )([^:]+): rule .*\[(\S+)\] \((.*)\)$/.exec(name);
      const [, other = name, why = ""] = /^(.*) \((not proven: .*)\)$/.exec(name) ?? [];
      const [, backend = "", id = "", reason = ""] = kitCase ?? ["", why, `"${other}"`];
      const title = kitCase ? `${backend}: ${reason}` : backend;
      const group = groups.get(title) ?? new Map<string, string[]>();
      groups.set(title, group);
      group.set(id, [...group.get(id) ?? [], row.name]);
    }
  }
  return [...groups].map(([title, ids]) => {
    const where = [...new Set([...ids.values()].flat())];
    return `unproven on ${where.join(", ")}: ${title}: ${[...ids.keys()].join(" ")}`;
  });
}

/** How much of what a failed test threw is shown: the whole is where the test ran. */
const REASON_LINES = 20;

function printReason(reason: string): void {
  const lines = reason.split("\n").filter((line) => line.trim() !== "");
  for (const line of lines.slice(0, REASON_LINES)) console.log(`  | ${line.slice(0, 300)}`);
}

/** What else belongs in a summary. */
export interface SummaryOptions {
  /** The programs that are not on this machine. */
  readonly missing: readonly Service[];
  /** The runtimes whose left out files are listed. */
  readonly without: readonly Runtime[];
  /** Whether a skipped test counts as failed. */
  readonly strict: boolean;
  /** How long the run took. */
  readonly seconds: number;
}

/** Prints what did not pass, a table, and the line of totals. Answers whether nothing failed. */
export function printSummary(rows: readonly Row[], options: SummaryOptions): boolean {
  const { missing, without, strict, seconds } = options;
  console.log("\n=== summary");
  for (const runtime of without) {
    for (const [file, reason] of excludedFiles(runtime)) console.log(`not on ${runtime}: ${file}: ${reason}`);
  }
  for (const line of unprovenLines(rows)) console.log(line);
  for (const service of missing) console.log(`SKIPPED what needs ${service}: it is not on this machine`);
  for (const { name, cases, problems } of rows) {
    for (const { status, name: test, reason } of cases) {
      if (status === "failed" || status === "skipped") console.log(`${status.toUpperCase()} ${name}: ${test}`);
      if (reason !== undefined) printReason(reason);
    }
    for (const problem of problems) console.log(`FAILED ${name}: ${problem}`);
  }
  const failures = (row: Row) => count([row], "failed") + row.problems.length + (strict ? count([row], "skipped") : 0);
  console.log();
  console.log(formatTable(
    ["runtime", "files", "passed", "failed", "skipped", "unproven", "seconds of processes"],
    rows.map((row) => [
      ...[
        row.name,
        row.files,
        count([row], "passed"),
        failures(row),
        count([row], "skipped"),
        count([row], "unproven"),
      ],
      row.seconds.toFixed(1),
    ]),
  ));
  console.log(`\nThe run took ${seconds.toFixed(0)} s`);
  const skipped = count(rows, "skipped");
  const failed = rows.reduce((sum, row) => sum + failures(row), 0);
  if (strict && skipped > 0) {
    console.log(`\nWith CI=true nothing may be skipped: the ${skipped} skipped count as failed`);
  }
  console.log(
    `\n${count(rows, "passed")} passed, ${failed} failed${skipped > 0 && !strict ? `, ${skipped} skipped` : ""}`,
  );
  return failed === 0;
}
