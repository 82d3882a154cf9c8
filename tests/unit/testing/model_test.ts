import { test } from "node:test";
import assert from "node:assert/strict";
import { GroupModel } from "../../../testing/model.ts";

const LEASE_MS = 1_000;

function modelOf(delays: readonly number[]): GroupModel {
  const model = new GroupModel({ fifo: false, attempts: true, skewMs: 0, leaseMs: LEASE_MS });
  for (const [n, delayMs] of delays.entries()) model.published(n, { from: 0, by: 0 }, delayMs);
  return model;
}

test("GroupModel refuses a second copy of a message that was never delayed", () => {
  const model = modelOf([0]);
  model.crashed(10);
  model.done(model.delivered(0, 1, 20, "a"));
  assert.throws(() => model.delivered(0, 1, 30, "a"), /was settled, and came again/);
});

test("GroupModel lets only what was delayed at a crash come twice", () => {
  const model = modelOf([100, 100]);
  model.done(model.delivered(1, 1, 150, "a"));
  model.crashed(150 + 2 * LEASE_MS);
  const first = model.delivered(0, 1, 2_200, "a");
  const second = model.delivered(0, 1, 2_210, "b");
  assert.deepEqual([first.twin, second.twin], [false, true]);
  model.done(first);
  model.done(second);
  assert.ok(model.delivered(0, 1, 2_220, "a").twin, "the copy comes again until it is acknowledged");
  assert.throws(() => model.delivered(1, 1, 2_230, "a"), /was settled, and came again/);
});

test("GroupModel lets a message come twice that came a moment before a crash", () => {
  const model = modelOf([100, 100]);
  model.done(model.delivered(0, 1, 150, "a"));
  const held = model.delivered(1, 1, 150, "a");
  model.crashed(160);
  assert.ok(model.delivered(0, 1, 170, "b").twin);
  assert.ok(model.delivered(1, 1, 170, "b").twin);
  model.done(held);
});

test("GroupModel still expects what was delayed at a crash, and not early", () => {
  const model = modelOf([500]);
  model.crashed(10);
  assert.throws(() => model.delivered(0, 1, 400, "a"), /too early/);
  assert.deepEqual(model.overdue(500 + LEASE_MS + 1).map(({ n }) => n), [0]);
});

test("GroupModel counts a lease that ended with its connection, at once", () => {
  const model = modelOf([0, 0]);
  model.back(model.delivered(0, 1, 10, "a"), 20, 0, true);
  model.orphaned(model.delivered(1, 1, 10, "b"), 15);
  model.disconnected();
  assert.equal(model.delivered(1, 2, 30, "a").attempts, 2);
  assert.throws(() => model.delivered(0, 1, 30, "a"), /the attempts/);
});

test("GroupModel expects no exact count of what came too late to be handed out", () => {
  const model = modelOf([0, 0]);
  model.unseen(0);
  assert.equal(model.delivered(0, 2, 10, "a").attempts, 2);
  assert.throws(() => model.delivered(1, 2, 10, "a"), /the attempts/);
});

test("GroupModel accepts a higher count where the broker counts unseen deliveries", () => {
  const model = new GroupModel({ fifo: false, attempts: true, countsUnseen: true, skewMs: 0, leaseMs: LEASE_MS });
  for (const n of [0, 1]) model.published(n, { from: 0, by: 0 }, 0);
  model.back(model.delivered(0, 3, 10, "a"), 20, 0, true);
  assert.throws(() => model.delivered(0, 3, 30, "a"), /the attempts/);
  assert.equal(model.delivered(0, 5, 30, "a").attempts, 5);
});
