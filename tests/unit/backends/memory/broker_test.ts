import { test } from "node:test";
import assert from "node:assert/strict";
import type { RawDelivery } from "../../../../core/driver.ts";
import type { QueueError } from "../../../../core/errors.ts";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { turn } from "../../../doubles/hand_clock.ts";
import { MemoryBench as Bench, message, neverAborts, ns } from "../../../doubles/memory_bench.ts";

function attempts(raws: readonly RawDelivery[]): number[] {
  return raws.map((raw) => raw.attempts);
}

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

test("MemoryBroker delivers no expired message, waiting, delayed, retried or leased", async () => {
  const bench = new Bench();
  const dying = (n: number, delayMs = 0) => message({ n }, { ttlMs: 500, delayMs });
  await bench.send(dying(1), dying(2), dying(3), dying(4), dying(5, 400), dying(6, 600), message({ n: 7 }));
  const [inFlight, retried, released] = await bench.take(3);
  await bench.settle("retry", [retried!], "g", 300);
  await bench.settle("release", [released!]);
  assert.deepEqual(await bench.depth(), { ready: 3, inFlight: 1, delayed: 3, blocked: 0, dead: 0 });
  await bench.clock.advance(500);
  assert.deepEqual(await bench.depth(), { ready: 1, inFlight: 1, delayed: 0, blocked: 0, dead: 0 });
  assert.deepEqual(ns(await bench.take()), [7]);
  assert.deepEqual(await bench.settle("ack", [inFlight!]), [true]); // its handler had it in time
  await bench.clock.advance(10_000);
  assert.deepEqual(ns(await bench.take()), [7]);
  assert.deepEqual(ns(await bench.take(100, "late")), [7]);
});

test("MemoryBroker does not redeliver a message that expired while it was leased", async () => {
  for (const how of ["lease", "retry", "release", "later"]) {
    const bench = new Bench();
    await bench.send(message({ n: 1 }, { ttlMs: 500 }));
    const taken = await bench.take();
    await bench.clock.advance(500);
    if (how === "retry" || how === "release") await bench.settle(how, taken);
    else if (how === "later") await bench.settle("retry", taken, "g", 100);
    await bench.clock.advance(1_000);
    assert.deepEqual(await bench.take(), [], how);
    assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 }, how);
  }
});

test("MemoryBroker reports a duplicate while it knows the id, also after settlement", async () => {
  const bench = new Bench({ dedupWindowMs: 1_000 });
  const send = async (id: string) => (await bench.send(message({}, { id })))[0];
  assert.deepEqual(await send("a"), { outcome: "added" });
  await bench.settle("ack", await bench.take());
  assert.deepEqual(await send("a"), { outcome: "duplicate" });
  await bench.clock.advance(999);
  assert.deepEqual(await send("a"), { outcome: "duplicate" });
  await bench.clock.advance(1);
  assert.deepEqual(await send("a"), { outcome: "added" });
  assert.deepEqual((await bench.take()).length, 1);
});

test("MemoryBroker takes an id twice in a batch for a duplicate, on another key not", async () => {
  const bench = new Bench();
  const results = await bench.send(message({ n: 1 }, { id: "a" }), message({ n: 2 }, { id: "a" }));
  assert.deepEqual(results.map((one) => "outcome" in one && one.outcome), ["added", "duplicate"]);
  assert.deepEqual(await bench.driver.send("other", [message({}, { id: "a" })]), [{ outcome: "added" }]);
  assert.deepEqual(ns(await bench.take()), [1]);
});

test("MemoryBroker adds nothing when a batch is sent again after a lost reply", async () => {
  const bench = new Bench({ maxLength: 2 });
  const batch = [message({ n: 1 }), message({ n: 2 }, { id: "mine" }), message({ n: 3 })];
  const before = await bench.send(...batch);
  const codes = before.map((one) => "error" in one ? (one.error as QueueError).code : one.outcome);
  assert.deepEqual(codes, ["added", "added", "queue-full"]);
  assert.deepEqual(await bench.send(...batch), before);
  assert.deepEqual(ns(await bench.take()), [1, 2]);
});

test("MemoryBroker refuses the newest when full, and accepts again after a settlement", async () => {
  const bench = new Bench({ maxLength: 2 });
  const results = await bench.send(
    message({ n: 1 }),
    message({ n: 2 }, { delayMs: 1_000 }),
    message({ n: 3 }, { id: "x" }),
  );
  const { error } = results[2] as { error: QueueError };
  assert.deepEqual([error.code, error.key], ["queue-full", "k"]);
  await bench.settle("ack", await bench.take());
  // What was refused was not added, so its id is free.
  assert.deepEqual(await bench.send(message({ n: 3 }, { id: "x" })), [{ outcome: "added" }]);
});

test("MemoryBroker with drop-oldest drops the oldest wherever it is", async () => {
  const bench = new Bench({ maxLength: 3, overflow: "drop-oldest" });
  await bench.publish(1, 2, 3);
  const [inFlight] = await bench.take(1);
  await bench.publish(4, 5);
  assert.deepEqual(await bench.settle("ack", [inFlight!]), [true]);
  assert.deepEqual(ns(await bench.take()), [3, 4, 5]);
  await bench.clock.advance(1_000);
  assert.deepEqual(ns(await bench.take()), [3, 4, 5]);
});

test("MemoryBroker keeps the length with drop-oldest and only delayed messages", async () => {
  const bench = new Bench({ maxLength: 2, overflow: "drop-oldest" });
  for (let n = 1; n <= 6; n++) await bench.send(message({ n }, { delayMs: 1_000 }));
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 0, delayed: 2, blocked: 0, dead: 0 });
  await bench.clock.advance(1_000);
  assert.deepEqual(ns(await bench.take()), [5, 6]);
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 2, delayed: 0, blocked: 0, dead: 0 });
});

test("MemoryBroker keeps everything of a dead letter, and the next message flows", async () => {
  const bench = new Bench();
  const publishedAt = bench.clock.now();
  await bench.send(message({ n: 1 }, { id: "mine", headers: { h: "1" } }), message({ n: 2 }));
  const [first] = await bench.take(1);
  await bench.clock.advance(500);
  assert.deepEqual(await bench.settle("dead", [first!]), [true]);
  const [letter] = await bench.dead();
  assert.deepEqual({ ...letter, id: "?" }, {
    id: "?",
    messageId: "mine",
    key: "k",
    group: "g",
    payload: undefined,
    body: `{"n":1}`,
    headers: { h: "1" },
    attempts: 1,
    cause: { name: "Error", message: "poison" },
    publishedAt: new Date(publishedAt),
    diedAt: new Date(publishedAt + 500),
  });
  assert.deepEqual(ns(await bench.take()), [2]);
  assert.deepEqual(await bench.dead("another"), []);
});

test("MemoryBroker replays a message whole, to its group, at zero attempts, at the end", async () => {
  const bench = new Bench();
  await bench.publish(1, 2);
  await bench.take(100, "other");
  await bench.settle("dead", await bench.take(1));
  assert.equal(await bench.replay("other"), 0);
  assert.equal(await bench.replay(), 1);
  assert.deepEqual(await bench.depth(), { ready: 2, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
  const taken = await bench.take();
  assert.deepEqual([ns(taken), attempts(taken)], [[2, 1], [1, 1]]);
  assert.deepEqual(await bench.settle("ack", taken), [true, true]);
  await bench.clock.advance(5_000);
  const others = await bench.take(100, "other"); // its own leases, and nothing of the replay
  assert.deepEqual(ns(others), [1, 2]);
  await bench.settle("ack", others, "other");
  assert.deepEqual(await bench.take(100, "late"), []);
});

test("MemoryBroker pages dead letters, and purging during a listing skips none", async () => {
  const bench = new Bench();
  await bench.publish(...Array.from({ length: 250 }, (_, n) => n));
  await bench.settle("dead", await bench.take(1_000));
  assert.deepEqual(
    (await bench.dead()).map(({ body }) => JSON.parse(body).n),
    Array.from({ length: 250 }, (_, n) => n),
  );
  let seen = 0;
  let cursor: string | undefined;
  do {
    const query = { group: "g", ids: undefined, limit: Infinity };
    const page = await bench.driver.deadLetters.list("k", query, cursor, neverAborts());
    seen += page.letters.length;
    const ids = page.letters.map(({ id }) => id);
    assert.equal(await bench.driver.deadLetters.purge("k", { ...query, ids }, neverAborts()), ids.length);
    cursor = page.cursor;
  } while (cursor !== undefined);
  assert.deepEqual([seen, (await bench.depth()).dead], [250, 0]);
});

test("MemoryBroker replays and purges named letters up to the limit, and counts", async () => {
  const bench = new Bench();
  await bench.publish(1, 2, 3, 4);
  await bench.settle("dead", await bench.take());
  const ids = (await bench.dead()).map(({ id }) => id);
  assert.equal(await bench.replay("g", [ids[1]!, "no such id"]), 1);
  const query = { group: "g", ids: undefined, limit: 2 };
  assert.equal(await bench.driver.deadLetters.purge("k", query, neverAborts()), 2);
  assert.deepEqual((await bench.dead()).map(({ id }) => id), [ids[3]]);
  assert.deepEqual(ns(await bench.take()), [2]);
  assert.equal(await bench.driver.deadLetters.purge("no such key", query, neverAborts()), 0);
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
