// not on workerd: reads files
import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import { docFiles, type Runtime, RUNTIMES, suiteFiles, testFiles } from "../../runner/suites.ts";
import { LONGEST, SUITE_NAMES, tasksOf } from "../../runner/tasks.ts";

const whole = { only: undefined, filter: undefined, quick: false, profile: undefined } as const;

/** The files that only one runtime runs. */
const OWN: Readonly<Record<Runtime, readonly string[]>> = {
  deno: ["tests/runtimes/deno", "tests/e2e"].flatMap(testFiles),
  bun: testFiles("tests/runtimes/bun"),
  workerd: testFiles("tests/runtimes/workerd").filter((file) => !file.endsWith("/suites_test.ts")),
  node: [],
};

test("tasksOf gives each file of each suite to one task", () => {
  const tasks = tasksOf(SUITE_NAMES, whole);
  const filesOf = (name: string) => tasks.filter(({ suite }) => suite === name).flatMap(({ files }) => files).sort();
  for (const runtime of RUNTIMES) {
    assert.deepEqual(filesOf(runtime), [...suiteFiles(runtime), ...OWN[runtime]].sort(), runtime);
  }
  assert.deepEqual(filesOf("docs"), docFiles().sort());
});

test("tasksOf starts the longest first, and lists no file that is gone", () => {
  const firsts = tasksOf(["deno"], whole).map(({ files }) => files[0]!);
  const rank = (file: string) => LONGEST.findIndex((part) => file.includes(part)) >>> 0;
  const ranks = firsts.map(rank);
  assert.deepEqual(ranks, ranks.toSorted((a, b) => a - b));
  const files = tasksOf(SUITE_NAMES, whole).flatMap(({ files }) => files);
  for (const part of LONGEST) assert.ok(files.some((file) => file.includes(part)), part);
});

test("tasksOf narrows by a part of the path and of the name", () => {
  if (!process.versions.deno) return; // the runner itself is Deno's
  const tasks = tasksOf(["deno", "docs"], { ...whole, only: "unit/slack/path", filter: "a name" });
  assert.deepEqual(tasks.map(({ files }) => files), [["tests/unit/slack/path_test.ts"]]);
  const command = tasks[0]!.command("report.xml");
  assert.ok(command.includes("--junit-path=report.xml"));
  assert.equal(command[command.indexOf("--filter") + 1], "a name");
  assert.ok(tasksOf(["deno"], { ...whole, quick: true }).every(({ files }) => !files[0]!.includes("e2e")));
});
