import { test } from "node:test";
import assert from "node:assert/strict";
import type { RawDelivery } from "../../../../core/driver.ts";
import type { JsonObject } from "../../../../core/protocol.ts";
import { seededRandom } from "../../../../testing/random.ts";
import { MemoryBench, message, ns } from "../../../doubles/memory_bench.ts";

/** Publishes `{ n }` under an ordering key for each n. */
async function publish(bench: MemoryBench, orderingKey: string | undefined, ...numbers: number[]): Promise<void> {
  await bench.send(...numbers.map((n) => message({ n }, { orderingKey })));
}

test("MemoryBroker delivers one message of an ordering key until it is acknowledged", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1, 2);
  await publish(bench, undefined, 3);
  await publish(bench, "b", 4);
  await publish(bench, "a", 5);
  const first = await bench.take();
  assert.deepEqual(ns(first), [1, 3, 4]);
  assert.deepEqual(first.map(({ orderingKey }) => orderingKey), ["a", undefined, "b"]);
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 3, delayed: 0, blocked: 2, dead: 0 });
  assert.deepEqual(ns(await bench.take()), []);
  assert.deepEqual(await bench.settle("ack", first), [true, true, true]);
  assert.deepEqual(await bench.depth(), { ready: 1, inFlight: 0, delayed: 0, blocked: 1, dead: 0 });
  const second = await bench.take();
  assert.deepEqual(ns(second), [2]);
  await bench.settle("ack", second);
  assert.deepEqual(ns(await bench.take()), [5]);
});

test("MemoryBroker keeps the place of a head that is retried, released or lost", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1, 2);
  await publish(bench, "b", 3);
  await bench.settle("retry", await bench.take(1), "g", 5_000);
  assert.deepEqual(await bench.depth(), { ready: 1, inFlight: 0, delayed: 1, blocked: 1, dead: 0 });
  assert.deepEqual(ns(await bench.take()), [3], "the other conversation flows");
  await bench.clock.advance(5_000);
  const again = (await bench.take()).filter(({ orderingKey }) => orderingKey === "a");
  assert.deepEqual([ns(again), again[0]!.attempts], [[1], 2]);
  await bench.settle("release", again);
  const released = await bench.take(1);
  assert.deepEqual([ns(released), released[0]!.attempts], [[1], 2]);
  await bench.clock.advance(1_000); // the lease is lost
  const lost = (await bench.take()).filter(({ orderingKey }) => orderingKey === "a");
  assert.deepEqual([ns(lost), lost[0]!.attempts], [[1], 3]);
  assert.deepEqual(await bench.settle("ack", released), [false]);
  assert.deepEqual(ns(await bench.take()), [], "a late ack frees nothing");
  await bench.settle("ack", lost);
  assert.deepEqual(ns(await bench.take()), [2]);
});

test("MemoryBroker frees a conversation whose head died and appends a replayed one", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1, 2, 3);
  await bench.settle("dead", await bench.take());
  const [second] = [await bench.take()];
  assert.deepEqual(ns(second), [2]);
  assert.equal(await bench.replay(), 1);
  await publish(bench, "a", 4);
  for (const [raws, next] of [[second, 3], [undefined, 1], [undefined, 4]] as const) {
    await bench.settle("ack", raws ?? await bench.take());
    if (raws) assert.equal((await bench.depth()).blocked, 2);
    const came: RawDelivery[] = await bench.take();
    assert.deepEqual(ns(came), [next]);
    await bench.settle("release", came);
  }
});

test("MemoryBroker frees a conversation whose head expires without a lease", async () => {
  const bench = new MemoryBench();
  await bench.send(message({ n: 1 }, { orderingKey: "a", ttlMs: 500 }), message({ n: 2 }, { orderingKey: "a" }));
  await bench.clock.advance(500);
  assert.deepEqual(ns(await bench.take()), [2]);

  const held = new MemoryBench();
  await held.send(message({ n: 1 }, { orderingKey: "a", ttlMs: 500 }), message({ n: 2 }, { orderingKey: "a" }));
  const head = await held.take(100, "g", 60_000);
  await held.clock.advance(500);
  assert.deepEqual(ns(await held.take()), [], "the handler of the first may still run");
  await held.settle("retry", head, "g", 60_000);
  assert.deepEqual(ns(await held.take()), [2], "what has expired is not retried");
});

test("MemoryBroker gives a delayed publish its place when it is due", async () => {
  const bench = new MemoryBench();
  await bench.send(message({ n: 1 }, { orderingKey: "a", delayMs: 1_000 }));
  await publish(bench, "a", 2);
  const first = await bench.take(100, "g", 60_000);
  assert.deepEqual(ns(first), [2]);
  await bench.clock.advance(1_000);
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 1, delayed: 0, blocked: 1, dead: 0 });
  await publish(bench, "a", 3);
  await bench.settle("ack", first);
  const second = await bench.take(100, "g", 60_000);
  assert.deepEqual(ns(second), [1]);
  assert.equal(second[0]!.blockedMs, undefined, "it waited behind none for any time");
});

test("MemoryBroker puts a replayed message behind a delayed one that is due already", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1);
  await bench.settle("dead", await bench.take());
  await bench.send(message({ n: 2 }, { orderingKey: "a", delayMs: 100 }));
  await bench.clock.advance(200);
  await bench.replay();
  assert.deepEqual(ns(await bench.take()), [2]);
});

test("MemoryBroker tells how long a message waited behind its ordering key", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1, 2);
  const first = await bench.take(100, "g", 60_000);
  await bench.clock.advance(700);
  await bench.settle("ack", first);
  await bench.clock.advance(100);
  const [second] = await bench.take(100, "g", 60_000);
  assert.equal(second!.blockedMs, 700);
});

test("MemoryBroker keeps the ordering keys of each group apart", async () => {
  const bench = new MemoryBench();
  await bench.take(100, "audit"); // so that the group is there
  await publish(bench, "a", 1, 2);
  const bots = await bench.take(100, "bots");
  assert.deepEqual(ns(bots), [1]);
  await bench.settle("ack", bots, "bots");
  assert.deepEqual(ns(await bench.take(100, "bots")), [2]);
  assert.deepEqual(ns(await bench.take(100, "audit")), [1]);
  assert.deepEqual(await bench.depth("nobody"), { ready: 1, inFlight: 0, delayed: 0, blocked: 1, dead: 0 });
});

test("MemoryBroker lets a hot ordering key of 20,000 starve nobody", async () => {
  const bench = new MemoryBench();
  await publish(bench, "hot", ...Array.from({ length: 20_000 }, (_, n) => n));
  for (let n = 0; n < 500; n++) await publish(bench, `key-${n}`, 100_000 + n);
  assert.deepEqual((await bench.take(501)).length, 501);
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 501, delayed: 0, blocked: 19_999, dead: 0 });
});

test("MemoryBroker keeps the order of a key whose oldest message is dropped", async () => {
  const bench = new MemoryBench({ maxLength: 3, overflow: "drop-oldest" });
  await publish(bench, "a", 1, 2, 3, 4, 5);
  assert.deepEqual(await bench.depth(), { ready: 1, inFlight: 0, delayed: 0, blocked: 2, dead: 0 });
  for (const n of [3, 4, 5]) {
    const raws = await bench.take();
    assert.deepEqual(ns(raws), [n]);
    await bench.settle("ack", raws);
  }
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
});

test("MemoryBroker keeps order and exclusion in a random run", async () => {
  const random = seededRandom(20_261_126);
  const bench = new MemoryBench({ maxLength: 200, overflow: "drop-oldest" });
  const held = new Map<string, RawDelivery>();
  const last = new Map<string, number>();
  let n = 0;
  for (let step = 0; step < 20_000; step++) {
    const roll = random.next();
    if (roll < 0.4) {
      const orderingKey = random.next() < 0.2 ? undefined : `key-${random.below(8)}`;
      const ttlMs = random.next() < 0.1 ? 1 + random.below(3_000) : undefined;
      await bench.send(message({ n: n++ }, { orderingKey, ttlMs }));
    } else if (roll < 0.7) {
      for (const raw of await bench.take(1 + random.below(4), "g", 1_000 + random.below(2_000))) {
        if (raw.orderingKey === undefined) continue;
        const before = held.get(raw.orderingKey);
        assert.ok(before === undefined || !(await bench.driver.extend("k", "g", [before.lease], 500))[0], "two leases");
        const number = Number((raw.body as JsonObject).n);
        assert.ok(number >= (last.get(raw.orderingKey) ?? -1), `${number} came after ${last.get(raw.orderingKey)}`);
        last.set(raw.orderingKey, number);
        held.set(raw.orderingKey, raw);
      }
    } else if (roll < 0.95 && held.size > 0) {
      const raw = random.pick([...held.values()]);
      held.delete(raw.orderingKey!);
      const kind = random.pick(["ack", "ack", "release", "retry", "dead"] as const);
      await bench.settle(kind, [raw], "g", random.below(1_500));
    } else {
      await bench.clock.advance(random.below(800));
    }
  }
  for (let quiet = 0; quiet < 3;) {
    const raws = await bench.take();
    quiet = raws.length === 0 ? quiet + 1 : 0;
    await bench.settle("ack", raws);
    await bench.clock.advance(3_000);
  }
  const { dead: _, ...left } = await bench.depth();
  assert.deepEqual(left, { ready: 0, inFlight: 0, delayed: 0, blocked: 0 });
});

test("MemoryBroker expires a keyed message that one of two groups has settled", async () => {
  const bench = new MemoryBench();
  await bench.take(100, "slow"); // so that the group is there
  await bench.send(message({ n: 1 }, { orderingKey: "a", ttlMs: 500 }), message({ n: 2 }, { orderingKey: "a" }));
  await bench.send(message({ n: 3 }, { orderingKey: "b", ttlMs: 500 }), message({ n: 4 }, { orderingKey: "a" }));
  await bench.settle("ack", await bench.take());
  const second = await bench.take(100, "g", 60_000);
  assert.deepEqual(ns(second), [2]);
  await bench.clock.advance(500);
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 1, delayed: 0, blocked: 1, dead: 0 });
  assert.deepEqual(await bench.depth("slow"), { ready: 1, inFlight: 0, delayed: 0, blocked: 1, dead: 0 });
  await bench.settle("ack", second);
  assert.deepEqual([ns(await bench.take()), ns(await bench.take(100, "slow"))], [[4], [2]]);
});

test("MemoryBroker keeps the rest of a key whose middle expires beside a replay", async () => {
  const bench = new MemoryBench();
  await bench.take(100, "slow"); // so that the group is there
  const keyed = (n: number, ttlMs?: number) => message({ n }, { orderingKey: "a", ttlMs });
  await bench.send(keyed(1), keyed(2, 500), keyed(3, 500), keyed(4));
  await bench.settle("dead", await bench.take());
  await bench.replay();
  const came: unknown[] = [];
  for (let raws = await bench.take(); raws.length > 0; raws = await bench.take()) {
    came.push(...ns(raws));
    await bench.settle("ack", raws);
  }
  assert.deepEqual(came, [2, 3, 4, 1]);
  await bench.clock.advance(500);
  const first = await bench.take(100, "slow");
  await publish(bench, "a", 5);
  await bench.settle("ack", first, "slow");
  const second = await bench.take(100, "slow");
  assert.deepEqual([ns(first), ns(second)], [[1], [4]]);
  await bench.settle("ack", second, "slow");
  assert.deepEqual(ns(await bench.take(100, "slow")), [5]);
  assert.deepEqual(ns(await bench.take()), [5]);
});

test("MemoryBroker delivers what was freed in the order of the log, old places first", async () => {
  const bench = new MemoryBench();
  for (const [n, key] of ["a", "a", "b", "b", "a", "c", "b", "c"].entries()) await publish(bench, key, n);
  const came: unknown[] = [];
  const passed = await bench.take(3); // the cursor passes 1, 3 and 4
  assert.deepEqual(ns(passed), [0, 2, 5]);
  for (let raws = passed; raws.length > 0; raws = await bench.take()) {
    came.push(...ns(raws));
    await bench.settle("ack", [...raws].reverse());
  }
  assert.deepEqual(came, [0, 2, 5, 1, 3, 7, 4, 6]);
});

test("MemoryBroker delivers what stands behind thousands of heads that expired", async () => {
  const bench = new MemoryBench();
  const keys = Array.from({ length: 3_000 }, (_, n) => `key-${n}`);
  for (const orderingKey of keys) await bench.send(message({ n: 1 }, { orderingKey, ttlMs: 500 }));
  await bench.settle("release", await bench.take(3_000));
  await publish(bench, undefined, 0);
  for (const orderingKey of keys.slice(1_000)) await publish(bench, orderingKey, 2);
  assert.deepEqual(await bench.depth(), { ready: 3_001, inFlight: 0, delayed: 0, blocked: 2_000, dead: 0 });
  await bench.clock.advance(500);
  assert.deepEqual(await bench.depth(), { ready: 2_001, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
  const raws = await bench.take(3_000);
  assert.deepEqual(ns(raws), [0, ...keys.slice(1_000).map(() => 2)]);
  assert.deepEqual(raws.slice(1).map(({ orderingKey }) => orderingKey), keys.slice(1_000));
});
