import { test } from "node:test";
import assert from "node:assert/strict";
import { systemClock } from "../../../../core/util/clock.ts";
import { delay } from "../../../../core/util/async.ts";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { HandClock } from "../../../doubles/hand_clock.ts";

test("delay resolves when its timer fires, after the given milliseconds", async () => {
  const clock = new HandClock();
  let done = false;
  const waiting = delay(250, clock).then(() => done = true);
  assert.deepEqual(clock.waits(), [250]);
  await clock.advance(249);
  assert.equal(done, false);
  await clock.advance(1);
  await waiting;
  assert.equal(done, true);
});

test("delay leaves no timer and no listener at its end", async () => {
  const clock = new HandClock();
  const { signal, listeners } = countedSignal();
  const waiting = delay(1, clock, signal);
  assert.equal(listeners(), 1);
  await clock.advance(1);
  await waiting;
  assert.equal(listeners(), 0);
  assert.equal(clock.timers.size, 0);
});

test("delay rejects with the signal's reason on abort, and clears its timer", async () => {
  const clock = new HandClock();
  const controller = new AbortController();
  const reason = new Error("enough");
  const waiting = delay(1000, clock, controller.signal);
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  assert.equal(clock.timers.size, 0);
});

test("delay starts no timer for a signal that has aborted", async () => {
  const clock = new HandClock();
  const reason = new Error("before");
  await assert.rejects(delay(1000, clock, AbortSignal.abort(reason)), (error) => error === reason);
  assert.equal(clock.timers.size, 0);
});

test("systemClock tells the time and calls back", async () => {
  const before = systemClock.now();
  await delay(1);
  assert.ok(systemClock.now() >= before);
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 60_000);
});

test("systemClock waits longer than one timer of the platform can", async () => {
  let fired = false;
  const timer = systemClock.setTimeout(() => fired = true, Number.MAX_SAFE_INTEGER);
  await delay(1); // a timer set too long fires after 1 ms
  await delay(1);
  systemClock.clearTimeout(timer);
  assert.equal(fired, false);
});

test("systemClock sets no timer for a negative time, of which Node warns", () => {
  const asked: (number | undefined)[] = [];
  const { setTimeout } = globalThis;
  globalThis.setTimeout = ((_callback: () => void, ms?: number) => asked.push(ms)) as unknown as typeof setTimeout;
  try {
    for (const ms of [-1, -Infinity, 0, 5]) systemClock.setTimeout(() => undefined, ms);
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  assert.deepEqual(asked, [0, 0, 0, 5]);
});
