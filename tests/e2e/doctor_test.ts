import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Folder } from "../integration/support/sqlite.ts";
import { requires } from "../runner/services.ts";
import { BROKEN } from "./support/broken.ts";
import { fullDisk, MARK, type Ready, SECRET, timeServer, WELL } from "./support/installations.ts";
import { CliHost, type CliResult, runCli } from "./support/cli.ts";
import { RUNTIMES } from "./support/runtimes.ts";

interface Report {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly state: string; readonly note?: string }[];
  readonly findings: readonly { readonly setting: string; readonly problem: string; readonly repair: string }[];
}

const stack = new AsyncDisposableStack();
const timeUrl = await timeServer(stack);

/** A process for each runtime, which runs doctor again and again; for a person it is a process of its own. */
const hosts = RUNTIMES.map(([, runtime]) => stack.use(new CliHost(runtime)));

/** Runs doctor in the process of a runtime, by its index, or as a process of its own. */
function doctor(
  on: number | "process",
  { env, args = [], slow = false }: Ready,
  more: readonly string[],
): Promise<CliResult> {
  const time = args.includes("--time-url") ? [] : ["--time-url", timeUrl];
  // A computer that is busy with other tests must not make a broker look slow.
  const patience = slow ? [] : ["--timeout", "60"];
  const line = ["doctor", ...args, ...time, ...patience, ...more];
  const variables = { SLACK_SIGNING_SECRET: SECRET, ...env };
  return on === "process" ? runCli(RUNTIMES[0]![1], line, { env: variables }) : hosts[on]!.run(line, variables);
}

/** Runs doctor on each runtime, on one of them for a person too: nothing may be left behind, and no secret shown. */
async function reportsOf(ready: Ready): Promise<Report[]> {
  const before = await ready.holds?.();
  // Not all at once over one file: on a busy machine one could hold its lock for so long that doctor finds it.
  const reports: Promise<Report>[] = [];
  for (const i of RUNTIMES.keys()) {
    if (ready.env.QUEUE_BACKEND === "sqlite") await reports.at(-1);
    reports.push(reportOf(i, ready, i === 0));
  }
  const all = await Promise.all(reports);
  assert.deepEqual(await ready.holds?.(), before, "something was left behind");
  return all;
}

async function reportOf(on: number, ready: Ready, forPerson = true): Promise<Report> {
  const json = await doctor(on, ready, ["--json"]);
  const text = forPerson ? await doctor("process", ready, []) : undefined;
  for (const { out, err } of text ? [json, text] : [json]) {
    assert.ok(!(out + err).includes(MARK) && !(out + err).includes(SECRET), `a secret is shown: ${out}${err}`);
  }
  const report: Report = JSON.parse(json.out);
  for (const { code, out, err } of text ? [json, text] : [json]) {
    assert.equal(code, report.ok ? 0 : 1, out + err);
    assert.doesNotMatch(err, /^\s+at /m, "a stack is shown");
  }
  for (const { problem, repair } of text ? report.findings : []) {
    assert.ok(plain(text!.out).includes(plain(problem)), `${problem}\nis not in\n${text!.out}`);
    assert.ok(text!.out.includes(`repair: ${repair}`));
  }
  return report;
}

/** Without numbers, which may differ from run to run. */
function plain(text: string): string {
  return text.replace(/\d+/g, "N");
}

function check(report: Report, expected: readonly (readonly [string, RegExp, RegExp])[]): void {
  assert.deepEqual(report.findings.map(({ setting }) => setting), expected.map(([setting]) => setting));
  for (const [i, [, problem, repair]] of expected.entries()) {
    assert.match(report.findings[i]!.problem, problem);
    assert.match(report.findings[i]!.repair, repair);
  }
}

for (const [backend, { needs = [], prepare }] of Object.entries(WELL)) {
  requires(...needs)(`doctor finds nothing wrong with ${backend}`, async () => {
    await using stack = new AsyncDisposableStack();
    for (const report of await reportsOf(await prepare(stack))) {
      assert.deepEqual(report.findings, []);
      const states = Object.fromEntries(report.checks.map(({ name, state }) => [name, state]));
      const message = backend === "cloudflare" ? "skipped" : "ok";
      assert.deepEqual(states, {
        variables: "ok",
        connection: "ok",
        message,
        settings: "ok",
        safety: "ok",
        clock: "ok",
      });
    }
  });
}

for (const { what, needs = [], findings, prepare } of BROKEN) {
  requires(...needs)(`doctor finds ${what}`, async () => {
    await using stack = new AsyncDisposableStack();
    for (const report of await reportsOf(await prepare(stack))) check(report, findings);
  });
}

test("doctor finds a full disk", { skip: !mayMount() && "this process may not mount" }, async () => {
  await using stack = new AsyncDisposableStack();
  for (const { findings } of await reportsOf(fullDisk(stack))) {
    assert.ok(findings.some(({ setting, problem }) => setting === "SQLITE_PATH" && /disk .*is full/.test(problem)));
  }
});

test("doctor says that the clock could not be compared where nobody answers", async () => {
  await using stack = new AsyncDisposableStack();
  const ready = await WELL.sqlite!.prepare(stack);
  for (const report of await reportsOf({ ...ready, args: ["--time-url", "http://127.0.0.1:1/"] })) {
    assert.deepEqual(report.findings, []);
    const { state, note } = report.checks.find(({ name }) => name === "clock")!;
    assert.equal(state, "skipped");
    assert.match(note!, /could not be compared/);
  }
});

test("doctor --consume-only asks for no Signing Secret", async () => {
  await using stack = new AsyncDisposableStack();
  const { env } = await WELL.sqlite!.prepare(stack);
  const ready = { env: { ...env, SLACK_SIGNING_SECRET: "" } };
  check(await reportOf(0, ready), [["SLACK_SIGNING_SECRET", /is not set$/, /Basic Information/]]);
  check(await reportOf(0, { ...ready, args: ["--consume-only"] }), []);
});

test.after(() => stack.disposeAsync());

function mayMount(): boolean {
  using folder = new Folder();
  return spawnSync("mount", ["-t", "tmpfs", "-o", "size=100000", "tmpfs", folder.path]).status === 0 &&
    spawnSync("umount", [folder.path]).status === 0;
}
