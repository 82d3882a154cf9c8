// not on workerd: there a timer belongs to the request that set it
import { test } from "node:test";
import assert from "node:assert/strict";
import { SharedTimers } from "../../../../backends/redis/timers.ts";

/** The platform's own timers, counted: how many were set, and how many stand. */
function counted(): { readonly set: () => number; readonly standing: () => number; restore(): void } {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const standing = new Set<unknown>();
  let count = 0;
  globalThis.setTimeout = ((callback: () => void, ms?: number) => {
    count += 1;
    const timer = set(() => {
      standing.delete(timer);
      callback();
    }, ms);
    standing.add(timer);
    return timer;
  }) as typeof set;
  globalThis.clearTimeout = ((timer?: Parameters<typeof clear>[0]) => {
    standing.delete(timer);
    clear(timer);
  }) as typeof clear;
  return {
    set: () => count,
    standing: () => standing.size,
    restore: () => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear }),
  };
}

/** Whether the platform's timers can be told not to keep the process. */
function shared(): boolean {
  const timer: unknown = setTimeout(() => undefined, 0);
  clearTimeout(timer as number);
  return typeof timer === "object";
}

function fired(clock: SharedTimers, ms: number): Promise<number> {
  return new Promise((resolve) => clock.setTimeout(() => resolve(performance.now()), ms));
}

for (const busyMs of [0, 50]) {
  test(`timers: fire in due order, never early, and not after a clear; ${busyMs} ms busy`, async () => {
    const clock = new SharedTimers();
    const startedAt = performance.now();
    /** When each was due at the earliest and at the latest, in the order of their calls: time passes between two lines. */
    const order: (readonly [earliest: number, latest: number])[] = [];
    const at = async (ms: number) => {
      const timer = fired(clock, ms);
      const wait = Math.max(ms, 0);
      const [earliest, latest] = [startedAt + wait, performance.now() + wait + 1]; // a platform waits 1 ms at least
      const now = await timer;
      order.push([earliest, latest]);
      assert.ok(now >= earliest);
    };
    const off = clock.setTimeout(() => assert.fail("it was called off"), 10);
    const all = [at(40), at(5), at(20), at(0), at(-5)];
    clock.clearTimeout(off);
    clock.clearTimeout(off);
    while (performance.now() - startedAt < busyMs); // all are due at once then
    await Promise.all(all);
    assert.equal(order.length, all.length);
    for (const [index, [earliest]] of order.entries()) {
      assert.ok(order.slice(index).every(([, latest]) => earliest <= latest), `number ${index} came early`);
    }
  });
}

test("timers: cleared ones leave at most one platform timer", async () => {
  const platform = counted();
  try {
    const clock = new SharedTimers();
    for (let i = 0; i < 1_000; i++) {
      clock.clearTimeout(clock.setTimeout(() => assert.fail("it was called off"), 60_000));
    }
    if (shared()) assert.deepEqual([platform.set(), platform.standing()], [2, 1]); // and the one that asked
    else assert.equal(platform.standing(), 0);
    await fired(clock, 1); // sooner than the one that stands
  } finally {
    platform.restore();
  }
});

test("timers: a callback that throws costs no other one its call", async () => {
  if (!shared()) return; // the platform's own timers answer for that
  const { setTimeout: set } = globalThis;
  const caught: unknown[] = [];
  globalThis.setTimeout = ((callback: () => void, ms?: number) =>
    set(() => {
      try {
        callback();
      } catch (error) {
        caught.push(error);
      }
    }, ms)) as typeof set;
  try {
    const clock = new SharedTimers();
    clock.setTimeout(() => {
      throw new Error("the first");
    }, 1);
    await fired(clock, 1);
    assert.equal(caught.length, 1);
  } finally {
    globalThis.setTimeout = set;
  }
});

test("timers: one may set another, and one over the platform's limit waits", async () => {
  const clock = new SharedTimers();
  const long = clock.setTimeout(() => assert.fail("it is not due for a year"), 365 * 86_400_000);
  await fired(clock, 1);
  await fired(clock, 1);
  clock.clearTimeout(long);
});
