// The kit's report tells what was proven, what was left out and what could not be shown.
import { test } from "node:test";
import assert from "node:assert/strict";
import { memoryHarness } from "../../conformance/support/memory_harness.ts";
import { ran } from "../../conformance/support/ran.ts";
import { alterDriver, conformanceCases, type Harness, runConformance, testBackend } from "../../../testing/mod.ts";
import { altered, bare, chosen, collector, ids } from "./support/harnesses.ts";

test("ConformanceReport lists the cases that `only` leaves out as not run", async () => {
  const { cases, capabilities, counts } = await runConformance({ harness: bare(), only: ["02-ttl"] });
  assert.equal(cases.length, conformanceCases.length);
  assert.deepEqual(ran(cases).map(({ id }) => id), ["02-ttl"]);
  assert.equal(counts["not-run"], conformanceCases.length - 1);
  assert.equal(cases.find(({ id }) => id === "02-killed")?.reason, "left out by only");
  assert.equal(capabilities.ttl, "not proven", "02-ttl-not-over did not run");
  const all = conformanceCases.filter(({ proves }) => proves === "ttl").map(({ id }) => id);
  assert.equal((await runConformance({ harness: bare(), only: all })).capabilities.ttl, "proven");
});

test("testBackend and runConformance refuse a case in only that does not exist", async () => {
  const options = { harness: bare(), only: ["02-killed", "02-kiled"] };
  await assert.rejects(runConformance(options), /RangeError: only must name cases of the kit, found 02-kiled$/);
  await assert.rejects(testBackend({ ...options, test: () => undefined }), RangeError);
});

test("testBackend prints a report whose last line counts tests as the runner does", async () => {
  const runner = collector(true);
  const printed: string[] = [];
  await testBackend({ test: runner.test, harness: bare(), only: ids, print: (text) => void printed.push(text) });
  for (const run of runner.run.values()) await run();
  assert.equal(printed.length, 1);
  const lines = printed[0]!.split("\n");
  assert.match(lines[0]!, /^Conformance of bare on \w+ \(seed \d+\)$/);
  assert.match(printed[0]!, /02-killed +not-proven +the harness lacks kill/);
  assert.match(printed[0]!, /Cases: 1 passed, 0 failed, 1 not-proven, 1 not-declared, \d+ not-run/);
  assert.equal(runner.run.size, 2);
  assert.equal(runner.skipped.length, 2);
  assert.equal(lines.at(-1), "Tests: 2 passed, 0 failed, 2 skipped");
});

test("testBackend prints failures as the runner counts them, also that of its onReport", async () => {
  const runner = collector(false);
  const printed: string[] = [];
  const harness = altered({ receive: () => Promise.reject(new Error("down")), classify: () => "invalid" });
  const onReport = () => Promise.reject(new Error("the report has no place to go"));
  const print = (text: string) => void printed.push(text);
  await testBackend({ test: runner.test, harness, only: ["02-retried"], print, onReport });
  for (const run of runner.run.values()) await assert.rejects(run());
  assert.match(printed[0]!, /\nTests: 0 passed, 2 failed, 0 skipped$/);
});

test("ConformanceReport leaves fencing unproven where requests cannot be held", async () => {
  const only = conformanceCases.filter(({ proves }) => proves === "fencing").map(({ id }) => id);
  const late = only.filter((id) => id.includes("arrives-late"));
  assert.equal(late.length, 5);
  const { capabilities, cases } = await runConformance({ harness: withoutHold(), only });
  assert.equal(capabilities.fencing, "not proven");
  assert.deepEqual(cases.filter(({ status }) => status === "not-proven").map(({ id }) => id), late);
  assert.equal((await runConformance({ harness: memoryHarness(), only })).capabilities.fencing, "proven");
});

function withoutHold(): Harness {
  const whole = memoryHarness();
  return { ...whole, open: async () => ({ ...await whole.open(), holdRequests: undefined }) };
}

test("Case 13-batched measures the declared costPerMessage, 1 by default", async () => {
  const spending = (costPerMessage: number | undefined) =>
    memoryHarness("spending", (driver, { spend }) =>
      alterDriver(driver, {
        capabilities: { ...driver.capabilities, costPerMessage },
        send: (key, messages, signal) => {
          for (const _ of messages) spend();
          return driver.send(key, messages, signal);
        },
        settle: (key, group, settlements, signal) => {
          for (const _ of settlements) spend();
          return driver.settle!(key, group, settlements, signal);
        },
      }));
  const status = async (cost: number | undefined) =>
    (await runConformance({ harness: spending(cost), only: ["13-batched"] })).capabilities.costPerMessage;
  assert.deepEqual([await status(undefined), await status(1), await status(2)], ["failed", "failed", "proven"]);
});

test("health in the kit passes without a ping only where it says that nobody was asked", async () => {
  const only = ["12-healthy", "12-unhealthy"];
  const silent = memoryHarness("silent", (driver) => alterDriver(driver, { ping: undefined }));
  assert.deepEqual(chosen(await runConformance({ harness: silent, only })).map(({ status }) => status), [
    "passed",
    "passed",
  ]);
});
