import { test } from "node:test";
import assert from "node:assert/strict";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { turn } from "../../../doubles/hand_clock.ts";
import { attempts, MemoryBench as Bench, message, neverAborts, ns } from "../../../doubles/memory_bench.ts";

test("MemoryBroker delivers first in, first out, each once, leased as long as asked", async () => {
  const bench = new Bench();
  await bench.publish(1, 2, 3);
  assert.deepEqual(ns(await bench.take(2)), [1, 2]);
  assert.deepEqual(ns(await bench.take()), [3]);
  assert.deepEqual(ns(await bench.take()), []);
  await bench.clock.advance(999);
  assert.deepEqual(ns(await bench.take()), []);
  await bench.clock.advance(1);
  const again = await bench.take();
  assert.deepEqual([ns(again), attempts(again)], [[1, 2, 3], [2, 2, 2]]);
});

test("MemoryBroker settles nothing for a lease that has ended, taken over or not", async () => {
  for (const taken of [true, false]) {
    for (const kind of ["ack", "release", "dead", "retry"] as const) {
      const bench = new Bench();
      await bench.publish(1);
      const late = await bench.take();
      await bench.clock.advance(1_000);
      const now = taken ? await bench.take() : [];
      assert.deepEqual(await bench.settle(kind, late), [false], `${kind}, taken: ${taken}`);
      assert.deepEqual(await bench.driver.extend("k", "g", late.map(({ lease }) => lease), 5_000), [false]);
      const current = taken ? now : await bench.take();
      assert.deepEqual([attempts(current), await bench.settle("ack", current)], [[2], [true]]);
      assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
    }
  }
});

test("MemoryBroker ignores a second settlement of one lease", async () => {
  const bench = new Bench();
  await bench.publish(1);
  const taken = await bench.take();
  assert.deepEqual(await bench.settle("ack", [...taken, ...taken]), [true, false]);
  assert.deepEqual(await bench.settle("dead", taken), [false]);
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
});

test("MemoryBroker ends a renewed lease later, in any order of lease lengths", async () => {
  const bench = new Bench();
  await bench.publish(1, 2, 3);
  const [a] = await bench.take(1, "g", 1_000);
  const [b] = await bench.take(1, "g", 500);
  const [c] = await bench.take(1, "g", 2_000);
  assert.deepEqual(await bench.driver.extend("k", "g", [a!.lease], 3_000), [true]);
  assert.deepEqual(await bench.driver.extend("k", "g", [c!.lease], 100), [true]);
  await bench.clock.advance(100);
  assert.deepEqual(ns(await bench.take()), [3]);
  await bench.clock.advance(400);
  assert.deepEqual(ns(await bench.take()), [2]);
  assert.deepEqual(await bench.settle("ack", [b!]), [false]);
  await bench.clock.advance(2_499);
  assert.deepEqual(await bench.settle("ack", [a!]), [true]);
});

test("MemoryBroker forgets a lease length that is no longer used", async () => {
  const bench = new Bench();
  await bench.publish(1);
  const [raw] = await bench.take();
  for (let leaseMs = 10_000; leaseMs < 10_100; leaseMs++) {
    assert.deepEqual(await bench.driver.extend("k", "g", [raw!.lease], leaseMs), [true]);
  }
  assert.deepEqual(await bench.settle("ack", [raw!]), [true]);
  await bench.publish(2);
  assert.deepEqual(ns(await bench.take()), [2]);
});

test("MemoryBroker returns a released message at once, uncounted, to its old place", async () => {
  const bench = new Bench();
  await bench.publish(1, 2, 3, 4);
  const taken = await bench.take(3);
  await bench.settle("release", [taken[2]!, taken[0]!]);
  const again = await bench.take();
  assert.deepEqual([ns(again), attempts(again)], [[1, 3, 4], [1, 1, 1]]);
});

test("MemoryBroker returns a retried message, counted, after its delay to its place", async () => {
  const bench = new Bench();
  await bench.publish(1, 2, 3);
  const taken = await bench.take(2);
  await bench.settle("retry", [taken[0]!], "g", 500);
  await bench.settle("retry", [taken[1]!], "g", 0);
  assert.deepEqual(ns(await bench.take(1)), [2]);
  await bench.clock.advance(499.5);
  assert.deepEqual(ns(await bench.take(1)), [3]);
  await bench.publish(4);
  await bench.clock.advance(0.5);
  const again = await bench.take();
  assert.deepEqual([ns(again), attempts(again)], [[1, 4], [2, 1]]);
});

test("MemoryBroker hides a delayed message until its time, then orders by time", async () => {
  const bench = new Bench();
  await bench.send(message({ n: 1 }, { delayMs: 300 }), message({ n: 2 }, { delayMs: 100.25 }), message({ n: 3 }));
  assert.deepEqual(await bench.depth(), { ready: 1, inFlight: 0, delayed: 2, blocked: 0, dead: 0 });
  assert.deepEqual(ns(await bench.take()), [3]);
  await bench.clock.advance(100);
  assert.deepEqual(ns(await bench.take()), []);
  await bench.clock.advance(1);
  assert.deepEqual(ns(await bench.take()), [2]);
  await bench.clock.advance(199);
  assert.deepEqual(ns(await bench.take(10, "another")), [3, 2, 1]);
  assert.deepEqual(ns(await bench.take()), [1]);
});

test("MemoryBroker wakes a waiting receive for messages, delays, leases and aborts", async () => {
  const bench = new Bench();
  const { clock, driver } = bench;
  const { controller, signal, listeners } = countedSignal();
  const wait = () => driver.receive("k", { group: "g", max: 10, leaseMs: 1_000, waitMs: 60_000, signal });
  let next = wait();
  await bench.publish(1);
  assert.deepEqual(ns(await next), [1]);
  next = wait();
  await clock.advance(1_000);
  const lapsed = await next;
  assert.deepEqual([ns(lapsed), attempts(lapsed)], [[1], [2]]);
  next = wait();
  await bench.settle("retry", lapsed, "g", 500);
  await clock.advance(500);
  assert.deepEqual(ns(await next), [1]);
  next = wait();
  await bench.send(message({ n: 2 }, { delayMs: 100 }));
  await clock.advance(100);
  assert.deepEqual(ns(await next), [2]);
  await bench.settle("ack", lapsed); // late: changes nothing
  next = wait();
  controller.abort();
  assert.deepEqual(await next, []);
  assert.deepEqual([listeners(), clock.waits()], [0, []]);
});

test("MemoryBroker ends a wait without a message in time", async () => {
  const bench = new Bench();
  const { signal, listeners } = countedSignal();
  const next = bench.driver.receive("k", { group: "g", max: 1, leaseMs: 1_000, waitMs: 500, signal });
  await bench.clock.advance(500);
  assert.deepEqual(await next, []);
  assert.deepEqual([listeners(), bench.clock.waits()], [0, []]);
});

test("MemoryBroker leases nothing for an aborted receive", async () => {
  const bench = new Bench();
  await bench.publish(1);
  const options = { group: "g", max: 1, leaseMs: 1_000, waitMs: 0, signal: AbortSignal.abort() };
  assert.deepEqual(await bench.driver.receive("k", options), []);
  assert.equal((await bench.depth()).ready, 1);
});

test("MemoryBroker gives each group every message, a new one from the oldest kept", async () => {
  const bench = new Bench();
  await bench.publish(1, 2, 3);
  const a = await bench.take(100, "a");
  const b = await bench.take(2, "b");
  assert.deepEqual([ns(a), ns(b)], [[1, 2, 3], [1, 2]]);
  await bench.settle("ack", a.slice(0, 2), "a");
  await bench.settle("ack", b.slice(0, 1), "b"); // 1 is settled by all there are, 2 by one of two
  assert.deepEqual(ns(await bench.take(100, "late")), [2, 3]);
  assert.deepEqual(await bench.settle("ack", b.slice(1), "a"), [true]);
});

test("MemoryBroker gives many groups that come and settle in any order everything once", async () => {
  const bench = new Bench();
  const names = Array.from({ length: 20 }, (_, i) => `group ${i}`);
  for (const name of names) await bench.take(1, name);
  const seen = new Map(names.map((name) => [name, [] as unknown[]]));
  for (let n = 0; n < 50; n++) {
    await bench.publish(n);
    for (const [i, name] of names.entries()) {
      if ((n + i) % 3 > 0) continue;
      const taken = await bench.take(100, name);
      seen.get(name)!.push(...ns(taken));
      await bench.settle("ack", taken.toReversed(), name);
    }
  }
  for (const name of names) {
    const taken = await bench.take(100, name);
    seen.get(name)!.push(...ns(taken));
    await bench.settle("ack", taken, name);
    assert.deepEqual(seen.get(name), Array.from({ length: 50 }, (_, n) => n), name);
    assert.deepEqual(await bench.depth(name), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
  }
  await bench.publish(50);
  assert.deepEqual(ns(await bench.take(100, "newcomer")), [50]);
});

test("MemoryBroker delivers text that is not JSON as it is, also as a dead letter", async () => {
  const bench = new Bench();
  bench.broker.inject("k", "not json");
  const taken = await bench.take();
  assert.deepEqual(taken.map(({ body }) => body), ["not json"]);
  await bench.settle("dead", taken);
  assert.deepEqual((await bench.dead()).map(({ body, payload }) => [body, payload]), [["not json", undefined]]);
});

test("MemoryBroker shields payloads and headers from changes by a handler", async () => {
  const bench = new Bench();
  await bench.send(message({ n: 1, deep: { list: [1] } }));
  const [a] = await bench.take(1, "a");
  const body = a!.body as { n: number; deep: { list: number[] } };
  body.n = 99;
  body.deep.list.push(99);
  const [b] = await bench.take(1, "b");
  assert.deepEqual(b!.body, { n: 1, deep: { list: [1] } });
  await bench.settle("retry", [a!], "a");
  assert.deepEqual((await bench.take(1, "a"))[0]!.body, { n: 1, deep: { list: [1] } });
});

test("MemoryBroker counts depth without creating anything, also for an unknown group", async () => {
  const bench = new Bench();
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
  await bench.send(message({ n: 1 }), message({ n: 2 }, { delayMs: 10 }));
  assert.deepEqual(await bench.depth("nobody"), { ready: 1, inFlight: 0, delayed: 1, blocked: 0, dead: 0 });
  await bench.settle("ack", await bench.take());
  assert.deepEqual(await bench.depth("nobody"), { ready: 0, inFlight: 0, delayed: 1, blocked: 0, dead: 0 });
});

test("MemoryBroker loses nothing and delivers nothing early when the clock is set back", async () => {
  const bench = new Bench();
  await bench.publish(1);
  await bench.send(message({ n: 2 }, { delayMs: 500 }));
  const [first] = await bench.take();
  bench.clock.set(-60_000);
  assert.deepEqual(ns(await bench.take()), []);
  assert.deepEqual(await bench.settle("retry", [first!]), [true]);
  assert.deepEqual(ns(await bench.take()), [1]);
  await bench.clock.advance(120_000);
  assert.deepEqual(ns(await bench.take()), [1, 2]);
});

test("MemoryBroker gives each of several waiting receives a message, none twice", async () => {
  const bench = new Bench();
  const signal = neverAborts();
  const options = { group: "g", max: 1, leaseMs: 1_000, waitMs: 60_000, signal };
  const waiting = Array.from({ length: 5 }, () => bench.driver.receive("k", options));
  await turn();
  await bench.publish(1, 2, 3, 4, 5);
  assert.deepEqual((await Promise.all(waiting)).flatMap(ns).sort(), [1, 2, 3, 4, 5]);
  assert.deepEqual(bench.clock.waits(), []);
});
