import { test } from "node:test";
import assert from "node:assert/strict";
import { delay } from "../../../core/util/async.ts";
import { FakeClock } from "../../../testing/mod.ts";

test("fake clock: stands still until it is turned", async () => {
  const clock = new FakeClock(1_000);
  assert.equal(clock.now(), 1_000);
  await clock.flush();
  assert.equal(clock.now(), 1_000);
  await clock.advance(250);
  assert.equal(clock.now(), 1_250);
});

test("fake clock: timers run in order, those set on the way included", async () => {
  const clock = new FakeClock(0);
  const seen: string[] = [];
  const note = (name: string) => () => void seen.push(`${name} at ${clock.now()}`);
  clock.setTimeout(note("c"), 30);
  clock.setTimeout(() => {
    note("a")();
    clock.setTimeout(note("b"), 5);
  }, 10);
  clock.setTimeout(note("first of two"), 20);
  clock.setTimeout(note("second of two"), 20);
  clock.setTimeout(note("late"), 31);
  await clock.advance(30);
  assert.deepEqual(seen, ["a at 10", "b at 15", "first of two at 20", "second of two at 20", "c at 30"]);
  assert.equal(clock.pending, 1);
  assert.equal(clock.nextAt, 31);
});

test("fake clock: a timer's work has run before the next timer runs", async () => {
  const clock = new FakeClock(0);
  const seen: string[] = [];
  async function long(): Promise<void> {
    for (let step = 0; step < 500; step++) await undefined;
    seen.push("all the steps");
  }
  clock.setTimeout(() => void long(), 1);
  clock.setTimeout(() => void seen.push("next timer"), 2);
  await clock.advance(2);
  assert.deepEqual(seen, ["all the steps", "next timer"]);
});

test("fake clock: cleared timers do not run, absent and invalid delays are due now", async () => {
  const clock = new FakeClock(0);
  let rang = 0;
  clock.clearTimeout(clock.setTimeout(() => rang += 100, 1));
  clock.clearTimeout(undefined);
  clock.setTimeout(() => rang++, 0);
  clock.setTimeout(() => rang++, -5);
  clock.setTimeout(() => rang++, NaN);
  await clock.advance(0);
  assert.equal(rang, 3);
  await clock.advance(10);
  assert.equal(rang, 3);
});

test("fake clock: what a timer throws rejects the turning", async () => {
  const clock = new FakeClock(0);
  clock.setTimeout(() => {
    throw new Error("in a timer");
  }, 1);
  await assert.rejects(clock.advance(1), /in a timer/);
});

test("fake clock: until turns from timer to timer, and no further", async () => {
  const clock = new FakeClock(0);
  const waited = delay(1_000, clock).then(() => delay(500, clock)).then(() => "done");
  clock.setTimeout(() => undefined, 5_000);
  assert.equal(await clock.until(waited), "done");
  assert.equal(clock.now(), 1_500);
  assert.equal(await clock.until(Promise.resolve(7)), 7);
  assert.equal(clock.now(), 1_500);
});

test("fake clock: until rejects as the promise does", async () => {
  const clock = new FakeClock(0);
  await assert.rejects(clock.until(delay(10, clock).then(() => Promise.reject(new Error("its own")))), /its own/);
});

test("fake clock: until gives up without timers and past its limit", async () => {
  const clock = new FakeClock(0);
  await assert.rejects(clock.until(new Promise(() => {})), RangeError);
  await assert.rejects(clock.until(delay(2_000, clock), 1_000), /within 1000 ms of the fake clock/);
  assert.equal(clock.now(), 0);
});

test("fake clock: until counts turns, however long each takes on a busy machine", async () => {
  const clock = new FakeClock(0);
  const { now } = Date;
  let minutes = 0;
  Date.now = () => 60_000 * minutes++; // a minute goes by between two lines
  try {
    const work = async () => {
      for (let left = 20; left > 0; left--) await new Promise((resolve) => setTimeout(resolve));
      return "done";
    };
    assert.equal(await clock.until(work()), "done");
  } finally {
    Date.now = now;
  }
});
