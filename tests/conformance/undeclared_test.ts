// What a backend does not declare never fails it: each case says what it needs.
// The whole suite runs once for each capability, on a broker and a clock that are plain code. Which case needs what is
// in the cases, and no runtime changes it; that the cases themselves hold on all of them is shown by memory_test.ts.
// not on bun: what a case needs is the same on all runtimes
// not on node: what a case needs is the same on all runtimes
// not on workerd: what a case needs is the same on all runtimes
import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryDriver } from "../../backends/memory/mod.ts";
import { alterDriver, conformanceCases, type Harness, runConformance } from "../../testing/mod.ts";
import { memoryHarness } from "./support/memory_harness.ts";

/** Cases of thousands of steps, which ask the backend what it declares. */
const LONG: readonly string[] = ["02-random", "12-while-publishing", "02-thousand-keys", "10-large-backlog"];

/** The memory driver without some of its capabilities, and without the members that belong to them. */
function lacking(names: readonly string[]): Harness {
  return memoryHarness(`without ${names}`, (driver) => {
    const gone = new Set(names.includes("deadLetters") ? [...names, "replay"] : names);
    const flags = Object.fromEntries([...gone].map((name) => [name, false]));
    const order = gone.size > 2 ? "best-effort" : "fifo";
    return alterDriver(driver, {
      capabilities: { ...driver.capabilities, ...flags, order },
      ...gone.has("depth") && { depth: undefined },
      ...gone.has("inspect") && { inspect: undefined },
      ...gone.has("extend") && { extend: undefined },
      ...gone.has("deadLetters") && { deadLetters: undefined },
    });
  });
}

test("No case fails a backend for a capability that it does not declare", async () => {
  const { capabilities } = new MemoryDriver();
  const flags = Object.entries(capabilities).filter(([, value]) => value === true).map(([name]) => name);
  const only = conformanceCases.map(({ id }) => id).filter((id) => !LONG.includes(id));
  // All of them, and each alone: a case may not say what it needs and be left out for something else.
  for (const names of [flags, ...flags.map((name) => [name])]) {
    const { cases } = await runConformance({ harness: lacking(names), only, atOnce: 8 });
    const failed = cases.filter(({ status }) => status === "failed");
    assert.deepEqual(failed.map(({ reason }) => reason), [], names.join(", "));
  }
});
