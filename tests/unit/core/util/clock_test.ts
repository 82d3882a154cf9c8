import { test } from "node:test";
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../../../core/util/clock.ts";
import { delay } from "../../../../core/util/async.ts";

/** A clock whose timers fire when the test says so. */
class HandClock implements Clock {
  readonly timers: Map<object, { readonly callback: () => void; readonly ms: number }> = new Map();
  now(): number {
    return 0;
  }
  setTimeout(callback: () => void, ms: number): unknown {
    const timer = {};
    this.timers.set(timer, { callback, ms });
    return timer;
  }
  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as object);
  }
  fire(): void {
    const [entry] = this.timers;
    assert.ok(entry, "no timer is set");
    this.timers.delete(entry[0]);
    entry[1].callback();
  }
}

/** A signal that counts its listeners. */
function countedSignal(): { controller: AbortController; signal: AbortSignal; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };
  return { controller, signal, listeners: () => listeners };
}

test("clock: a delay resolves when its timer fires, and asks for as long as it was told", async () => {
  const clock = new HandClock();
  let done = false;
  const waiting = delay(250, clock).then(() => done = true);
  assert.deepEqual([...clock.timers.values()].map(({ ms }) => ms), [250]);
  await Promise.resolve();
  assert.equal(done, false);
  clock.fire();
  await waiting;
  assert.equal(done, true);
});

test("clock: a delay that has ended leaves no timer and no listener", async () => {
  const clock = new HandClock();
  const { signal, listeners } = countedSignal();
  const waiting = delay(1, clock, signal);
  assert.equal(listeners(), 1);
  clock.fire();
  await waiting;
  assert.equal(listeners(), 0);
  assert.equal(clock.timers.size, 0);
});

test("clock: an abort ends the delay with the signal's reason and calls the timer off", async () => {
  const clock = new HandClock();
  const controller = new AbortController();
  const reason = new Error("enough");
  const waiting = delay(1000, clock, controller.signal);
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  assert.equal(clock.timers.size, 0);
});

test("clock: a signal that has aborted already starts no timer", async () => {
  const clock = new HandClock();
  const reason = new Error("before");
  await assert.rejects(delay(1000, clock, AbortSignal.abort(reason)), (error) => error === reason);
  assert.equal(clock.timers.size, 0);
});

test("clock: the system's clock tells the time and wakes", async () => {
  const before = systemClock.now();
  await delay(1);
  assert.ok(systemClock.now() >= before);
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 60_000);
});

test("clock: a wait longer than one timer of the platform does not fire at once", async () => {
  let fired = false;
  const timer = systemClock.setTimeout(() => fired = true, Number.MAX_SAFE_INTEGER);
  await delay(1); // a timer set too long fires after 1 ms
  await delay(1);
  systemClock.clearTimeout(timer);
  assert.equal(fired, false);
});
