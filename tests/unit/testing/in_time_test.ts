import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeasingBackend } from "../../../core/protocol.ts";
import { delay } from "../../../core/util/async.ts";
import type { CaseContext } from "../../../testing/case.ts";
import { inTime } from "../../../testing/cases/in_time.ts";

/** A context whose broker takes a number of milliseconds to answer. */
function contextOf(times: { answersAfterMs: number; leaseMs: number; clock?: unknown }): CaseContext {
  const { answersAfterMs, leaseMs, clock } = times;
  const backend = { health: () => delay(answersAfterMs) } as unknown as LeasingBackend;
  const context = { broker: { clock }, leaseMs, delayMs: leaseMs, key: (name = "orders") => name };
  return { ...context, connect: () => Promise.resolve(backend) } as unknown as CaseContext;
}

const HOUR_MS = 3_600_000;

test("inTime tries again with longer times and other keys where the broker was late", async () => {
  const seen: unknown[] = [];
  const run = inTime(async (t) => {
    seen.push([t.leaseMs, t.delayMs, t.key(), t.key("other")]);
    await delay(150);
    if (seen.length < 3) throw new Error("too late");
  });
  await run(contextOf({ answersAfterMs: 900, leaseMs: 400 }));
  assert.deepEqual(seen, [
    [400, 400, "orders", "other"],
    [1_600, 1_600, "orders-4", "other-4"],
    [6_400, 6_400, "orders-16", "other-16"],
  ]);
});

test("inTime fails a step that fails every time", async () => {
  let runs = 0;
  const run = inTime(async () => {
    await delay(10);
    throw new Error(`run ${++runs}`);
  });
  await assert.rejects(run(contextOf({ answersAfterMs: 1_000, leaseMs: 400 })), /run 3/);
});

test("inTime fails a step at once that nothing disturbed", async () => {
  let runs = 0;
  const run = inTime(() => Promise.reject(new Error(`run ${++runs}`)));
  await assert.rejects(run(contextOf({ answersAfterMs: 0, leaseMs: HOUR_MS })), /run 1/);
});

test("inTime runs a step once on a clock that is turned by hand", async () => {
  let runs = 0;
  const run = inTime(() => Promise.reject(new Error(`run ${++runs}`)));
  await assert.rejects(run(contextOf({ answersAfterMs: 1_000, leaseMs: 1, clock: {} })), /run 1/);
});
