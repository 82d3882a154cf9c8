// not on workerd: reads files and starts processes
import { test } from "node:test";
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { countByFolder } from "../../runner/coverage.ts";
import { bareEnv, run } from "../../runner/child.ts";
import { parseJUnit } from "../../runner/junit.ts";
import { findProgram, installServices, SERVICES } from "../../runner/services.ts";
import { formatTable, markdownTable } from "../../runner/table.ts";
import {
  COMPANIONS,
  excludedFiles,
  exclusion,
  ROOT,
  RUNTIMES,
  sharedFiles,
  suiteFiles,
  testFiles,
} from "../../runner/suites.ts";

/** A folder with programs that are shell scripts. */
function folderOf(programs: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "queue-programs-"));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

test("junit: Deno's report counts what is innermost, and a failed group once", () => {
  const report = `<?xml version="1.0"?><testsuites><testsuite name="./a_test.ts">
    <testcase name="plain" classname="./a_test.ts" time="0.1" line="1" col="1">
    </testcase>
    <testcase name="later" classname="./a_test.ts"><skipped/></testcase>
    <testcase name="memory: a case (not proven: the harness lacks restartBroker)" classname="x"><skipped/></testcase>
    <testcase name="group" classname="./a_test.ts"><failure message="1 test step failed">x</failure></testcase>
    <testcase name="group &gt; good" classname="ext:x"></testcase>
    <testcase name="group &gt; bad &lt;1&gt; &quot;q&quot; &#233;" classname="ext:x"><failure message="a > b">Error: 1 &lt; 2
  at b.ts:7</failure></testcase>
    <testcase name="hook" classname="./a_test.ts"><failure message="in a hook">x</failure></testcase>
    <testcase name="hook &gt; inner" classname="ext:x"></testcase>
  </testsuite></testsuites>`;
  const cases = parseJUnit(report);
  assert.equal(cases.find(({ name }) => name.includes("bad"))?.reason, "Error: 1 < 2\n  at b.ts:7");
  assert.deepEqual(cases.map(({ name, status }) => [name, status]), [
    ["plain", "passed"],
    ["later", "skipped"],
    ["memory: a case (not proven: the harness lacks restartBroker)", "unproven"],
    ["group > good", "passed"],
    ['group > bad <1> "q" é', "failed"],
    ["hook", "failed"],
    ["hook > inner", "passed"],
  ]);
});

test("junit: Bun's report with groups, and self-closing elements", () => {
  const report = `<testsuites><testsuite name="a_test.ts" file="a_test.ts">
    <testcase name="plain" classname="" time="0" file="a_test.ts" line="3" />
    <testcase name="skip" classname="" file="a_test.ts"><skipped /></testcase>
    <testsuite name="group"><testcase name="in" classname="group" file="a_test.ts" />
    <testcase name="out" classname="group" file="a_test.ts"><failure type="E" message="m">x</failure></testcase>
    </testsuite></testsuite></testsuites>`;
  assert.deepEqual(parseJUnit(report), [
    { name: "plain", file: "a_test.ts", status: "passed" },
    { name: "skip", file: "a_test.ts", status: "skipped" },
    { name: "group > in", file: "a_test.ts", status: "passed" },
    { name: "group > out", file: "a_test.ts", status: "failed", reason: "x" },
  ]);
  assert.deepEqual(parseJUnit("<testsuites></testsuites>"), []);
});

test("suites: a file says itself where it cannot run, and why", () => {
  const source = '// not on workerd: starts a server\nimport "x";\n';
  assert.equal(exclusion("workerd", source), "starts a server");
  assert.equal(exclusion("bun", source), undefined);
  assert.equal(exclusion("workerd", "// not on workerd:\n"), undefined, "a reason must be given");
  for (const runtime of RUNTIMES) {
    const excluded = excludedFiles(runtime);
    assert.deepEqual([...suiteFiles(runtime), ...excluded.keys()].sort(), [...sharedFiles()].sort());
  }
  assert.equal(excludedFiles("deno").size, 0);
});

test("suites: every companion belongs to a file that runs inside workerd", () => {
  for (const file of Object.keys(COMPANIONS)) assert.ok(suiteFiles("workerd").includes(file), file);
});

test("services: every file that starts a server requires its program", () => {
  const files = ["tests/unit", "tests/integration", "tests/conformance", "tests/e2e", "tests/runtimes"].flatMap(
    testFiles,
  );
  const silent = files.filter((file) => {
    const source = readFileSync(join(ROOT, file), "utf8");
    const asks = (service: string) => source.includes("requires(") && source.includes(`"${service}"`);
    return /import .*\bstart(Redis|Upstash)\b/.test(source) && !asks("redis-server") ||
      /import .*\bstartRabbitMQ\b/.test(source) && !asks("rabbitmq-server");
  });
  assert.deepEqual(silent, []);
});

test("services: a program is found in the path and nowhere else", (t) => {
  const folder = folderOf({ "redis-server": "exit 0" });
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "plain-file"), "");
  assert.equal(findProgram("redis-server", `:/nowhere:${folder}`), join(folder, "redis-server"));
  assert.equal(findProgram("plain-file", folder), undefined);
  assert.equal(findProgram("redis-server", "/nowhere"), undefined);
});

test("services: installs what is missing without starting a packaged server", async (t) => {
  const others = SERVICES.filter((service) => service !== "redis-server");
  const folder = folderOf(Object.fromEntries(others.map((service) => [service, "exit 0"])));
  t.after(() => rmSync(folder, { recursive: true }));
  const log = join(folder, "log");
  const script = `echo "$RUNLEVEL $*" >> ${log}\n[ "$1" = update ] || { : > ${folder}/redis-server; ` +
    `/bin/chmod 755 ${folder}/redis-server; }`;
  writeFileSync(join(folder, "apt-get"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, "apt-get"), 0o755);
  const lines: string[] = [];
  assert.deepEqual(await installServices({ path: folder, root: true, log: (line) => lines.push(line) }), []);
  const { stdout } = await run("cat", [log]);
  assert.equal(stdout, "1 update\n1 install -y --no-install-recommends redis-server\n");
  assert.deepEqual(lines, ["Missing: redis-server. Installing redis-server"]);
});

test("services: names what is missing where it cannot install", async (t) => {
  const folder = folderOf({ "apt-get": "echo no network >&2; exit 100" });
  t.after(() => rmSync(folder, { recursive: true }));
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  assert.deepEqual(await installServices({ path: folder, root: false, log }), [...SERVICES]);
  const all = `Missing: ${SERVICES.join(", ")}. Not installed: this needs root`;
  assert.ok(lines.splice(0).join("\n").includes(all));
  assert.deepEqual(await installServices({ path: "/nowhere", root: true, log }), [...SERVICES]);
  assert.match(lines.splice(0).join("\n"), /there is no apt-get/);
  assert.deepEqual(await installServices({ path: folder, root: true, log }), [...SERVICES]);
  assert.match(lines.join("\n"), /apt-get update failed with 100: no network/);
});

test("child: what it writes, reads and ends with comes back", async () => {
  const { code, stdout, stderr, timedOut } = await run("sh", ["-c", 'cat; echo "$GIVEN" >&2; exit 7'], {
    input: "in ☕",
    env: { GIVEN: "from the environment" },
  });
  assert.deepEqual([code, stdout, stderr, timedOut], [7, "in ☕", "from the environment\n", false]);
  await assert.rejects(run("/nowhere/no-such-program", []), /Cannot start/);
});

test("child: one that does not end is ended, with what it started", async () => {
  // What `sleep` writes to is this end's pipe: were it still there, the run would not have ended.
  const { code, timedOut } = await run("sh", ["-c", "sleep 300 & wait"], { timeoutMs: 300 });
  assert.deepEqual([code, timedOut], [-1, true]);
});

test("bareEnv has the folder of what is downloaded already, and nothing else of ours", (t) => {
  const { DENO_DIR } = process.env;
  t.after(() => {
    if (DENO_DIR === undefined) delete process.env.DENO_DIR;
    else process.env.DENO_DIR = DENO_DIR;
  });
  Object.assign(process.env, { DENO_DIR: "/cache", REDIS_URL: "redis://ours" });
  const { PATH = "", HOME = "" } = process.env;
  assert.deepEqual(bareEnv(), { PATH, HOME, NO_COLOR: "1", DENO_DIR: "/cache" });
  delete process.env.REDIS_URL;
  delete process.env.DENO_DIR;
  assert.deepEqual(bareEnv(), { PATH, HOME, NO_COLOR: "1" });
});

test("coverage: lines and branches are counted by folder", () => {
  const lcov = [
    ..."SF:/r/core/a.ts\nDA:1,5\nDA:2,0\nBRDA:1,0,0,1\nBRDA:1,0,1,-\nend_of_record".split("\n"),
    ..."SF:/r/core/b.ts\nDA:1,1\nend_of_record\nSF:/r/mod.ts\nDA:1,0\nend_of_record".split("\n"),
  ].join("\n");
  assert.deepEqual(
    countByFolder(lcov, "/r"),
    new Map([
      ["core", { lines: 3, linesHit: 2, branches: 2, branchesHit: 1 }],
      [".", { lines: 1, linesHit: 0, branches: 0, branchesHit: 0 }],
    ]),
  );
});

test("table: columns line up", () => {
  assert.equal(formatTable(["name", "n"], [["a", 1], ["longer", 100]]), "name      n\na         1\nlonger  100");
});

test("markdownTable pads columns to one width, and escapes what ends a cell", () => {
  const table = markdownTable([["name", "n"], ["a|b", "ü😀"]]);
  assert.equal(table, "| name | n   |\n| ---- | --- |\n| a\\|b | ü😀  |");
});

test("runner: an unknown runtime is refused by name", async () => {
  if (!process.versions.deno) return; // the runner itself is Deno's
  const { code, stderr } = await run(process.execPath, [
    ...["run", "-A", "-c", "tests/deno.json", "tests/runner/run.ts", "--runtime", "nod"],
  ]);
  assert.equal(code, 2);
  assert.match(stderr, /Unknown runtime: nod/);
});
