// not on workerd: keeps its messages in a file
import { test } from "node:test";
import assert from "node:assert/strict";
import { LEASE_MS, message, numbers, ordered, TestQueue } from "./support/sqlite.ts";

const CAUSE = { name: "Error", message: "no" };

test("SqlDriver leases one message of an ordering key at a time, to whatever consumer", async () => {
  await using queue = new TestQueue();
  const other = queue.connect();
  await queue.send([...ordered("a", 1, 2), ...ordered("b", 3), message(4), ...ordered("a", 5)]);
  const first = await queue.receive();
  assert.deepEqual(numbers(first), [1, 3, 4]);
  assert.deepEqual(first.map(({ orderingKey }) => orderingKey), ["a", "b", undefined]);
  assert.deepEqual(await other.take(), []);
  assert.deepEqual(await queue.settle(first), [true, true, true]);
  const second = await other.receive();
  assert.deepEqual(numbers(second), [2]);
  await other.settle(second);
  assert.deepEqual(await queue.take(), [5]);
});

test("SqlDriver keeps the order of an ordering key that grows while its head is out", async () => {
  await using queue = new TestQueue();
  await queue.send(ordered("a", 1));
  const head = await queue.receive();
  for (const n of [2, 3, 4]) await queue.send(ordered("a", n));
  await queue.send([message(5)]);
  assert.deepEqual(await queue.take(), [5]);
  await queue.settle(head);
  for (const n of [2, 3, 4]) {
    const next = await queue.receive();
    assert.deepEqual(numbers(next), [n]);
    await queue.settle(next);
  }
});

test("SqlDriver holds an ordering key back during the delay of its head's retry", async () => {
  await using queue = new TestQueue();
  await queue.send([...ordered("a", 1, 2), ...ordered("b", 3, 4)]);
  const [a, b] = await queue.receive();
  await queue.settle([a!], { kind: "retry", delayMs: 60_000, cause: undefined });
  await queue.settle([b!]);
  assert.deepEqual(await queue.take(), [4]);
  await queue.clock.advance(59_999);
  assert.deepEqual(await queue.take(), [4], "its lease has ended; the other key waits on");
  await queue.clock.advance(1);
  const again = await queue.receive();
  assert.deepEqual([numbers(again), again[0]!.attempts], [[1], 2]);
});

test("SqlDriver returns a released head of an ordering key to its place", async () => {
  await using queue = new TestQueue();
  await queue.send(ordered("a", 1, 2));
  const head = await queue.receive();
  await queue.settle(head, { kind: "release" });
  const again = await queue.receive();
  assert.deepEqual([numbers(again), again[0]!.attempts], [[1], 1]);
});

test("SqlDriver delivers a head again after a lost lease, and refuses the late ack", async () => {
  await using queue = new TestQueue();
  const other = queue.connect();
  await queue.send(ordered("a", 1, 2));
  const lost = await queue.receive();
  await queue.clock.advance(LEASE_MS - 1);
  assert.deepEqual(await other.take(), []);
  await queue.clock.advance(1);
  const again = await other.receive();
  assert.deepEqual([numbers(again), again[0]!.attempts], [[1], 2]);
  assert.deepEqual(await queue.settle(lost), [false]);
  assert.deepEqual(await queue.take(), [], "the refused ack must not free the ordering key");
  assert.deepEqual(await other.settle(again), [true]);
  assert.deepEqual(await queue.take(), [2]);
});

test("SqlDriver frees an ordering key at a dead letter; a replay joins at the end", async () => {
  await using queue = new TestQueue();
  await queue.send(ordered("a", 1, 2, 3));
  await queue.settle(await queue.receive(), { kind: "dead", cause: CAUSE });
  const second = await queue.receive();
  assert.deepEqual(numbers(second), [2]);
  const query = { group: "bots", ids: undefined, limit: Infinity };
  assert.equal(await queue.driver.deadLetters!.replay!("slack_events", query, new AbortController().signal), 1);
  await queue.send(ordered("a", 4));
  await queue.settle(second);
  for (const n of [3, 1, 4]) {
    const next = await queue.receive();
    assert.deepEqual([numbers(next), next[0]!.orderingKey], [[n], "a"]);
    await queue.settle(next);
  }
});

test("SqlDriver replays behind messages of the key that the group has not reached", async () => {
  await using queue = new TestQueue();
  await queue.send(ordered("a", 1));
  await queue.settle(await queue.receive(), { kind: "dead", cause: CAUSE });
  await queue.send(ordered("a", 2, 3));
  const query = { group: "bots", ids: undefined, limit: Infinity };
  await queue.driver.deadLetters!.replay!("slack_events", query, new AbortController().signal);
  for (const n of [2, 3, 1]) {
    const next = await queue.receive();
    assert.deepEqual(numbers(next), [n]);
    await queue.settle(next);
  }
});

test("SqlDriver frees an ordering key when its waiting head expires", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1, { orderingKey: "a", ttlMs: 10_000 }), ...ordered("a", 2)]);
  await queue.settle(await queue.receive(), { kind: "retry", delayMs: 50_000, cause: undefined });
  assert.deepEqual(await queue.take(), []);
  await queue.clock.advance(10_000);
  assert.deepEqual(await queue.take(), [2]);
});

test("SqlDriver keeps an ordering key while its head expires under a lease", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1, { orderingKey: "a", ttlMs: 10_000 }), ...ordered("a", 2)]);
  const head = await queue.receive();
  await queue.clock.advance(20_000);
  assert.deepEqual(await queue.take(), [], "its handler runs, and may still be acknowledged");
  assert.deepEqual(await queue.settle(head), [true]);
  assert.deepEqual(await queue.take(), [2]);
});

test("SqlDriver frees an ordering key when the lease of its expired head runs out", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1, { orderingKey: "a", ttlMs: 10_000 }), ...ordered("a", 2)]);
  await queue.receive();
  await queue.clock.advance(LEASE_MS);
  assert.deepEqual(await queue.take(), [2]);
});

test("SqlDriver frees an ordering key when its waiting head is dropped", async () => {
  await using queue = new TestQueue({ maxLength: 2, overflow: "drop-oldest" });
  await queue.send(ordered("a", 1, 2));
  await queue.settle(await queue.receive(), { kind: "retry", delayMs: 60_000, cause: undefined });
  await queue.send([message(3)]);
  assert.deepEqual(await queue.take(), [2, 3]);
});

test("SqlDriver gives a delayed message its place in its ordering key when it is due", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1, { orderingKey: "a", delayMs: 5_000 }), ...ordered("a", 2, 3)]);
  const head = await queue.receive();
  assert.deepEqual(numbers(head), [2], "it holds nothing up before");
  await queue.clock.advance(5_000);
  await queue.send(ordered("a", 4));
  await queue.settle(head);
  for (const n of [3, 1, 4]) {
    const next = await queue.receive();
    assert.deepEqual(numbers(next), [n]);
    await queue.settle(next);
  }
});

test("SqlDriver keeps each group's ordering keys apart", async () => {
  await using queue = new TestQueue();
  await queue.send(ordered("a", 1, 2));
  const bots = await queue.receive();
  const audit = await queue.receive(100, { group: "audit" });
  assert.deepEqual([numbers(bots), numbers(audit)], [[1], [1]]);
  await queue.settle(audit, { kind: "ack" }, "audit");
  assert.deepEqual(await queue.take(100, { group: "audit" }), [2]);
  assert.deepEqual(await queue.take(), []);
});

test("SqlDriver keeps an ordering key of one key apart from the same of another", async () => {
  await using queue = new TestQueue();
  await queue.send(ordered("a", 1), "orders");
  await queue.send(ordered("a", 2), "refunds");
  assert.deepEqual(await queue.take(100, { key: "orders" }), [1]);
  assert.deepEqual(await queue.take(100, { key: "refunds" }), [2]);
});

test("SqlDriver carries ordering keys of any length and with any characters", async () => {
  await using queue = new TestQueue();
  const keys = ["x", "k".repeat(1_024), "ä😀", "'; drop table mq_delivery; --", "a\u0000b", "a\u0000c", "%_\\\n", "-1"];
  await queue.send(keys.flatMap((key, n) => ordered(key, 2 * n, 2 * n + 1)));
  const heads = await queue.receive();
  assert.deepEqual(heads.map(({ orderingKey }) => orderingKey), keys);
  await queue.settle(heads);
  const rest = await queue.receive();
  assert.deepEqual(rest.map(({ orderingKey }) => orderingKey), keys);
});

test("SqlDriver is not starved by an ordering key with 20,000 waiting", async () => {
  await using queue = new TestQueue();
  for (let n = 0; n < 20_000; n += 1_000) {
    await queue.send(ordered("hot", ...Array.from({ length: 1_000 }, (_, i) => n + i)));
  }
  await queue.send(Array.from({ length: 500 }, (_, i) => message(100_000 + i, { orderingKey: `k${i}` })));
  const first = await queue.receive(10);
  assert.deepEqual(numbers(first), [0]);
  const others: number[] = [];
  while (others.length < 500) {
    const some = await queue.take(100);
    assert.ok(some.length > 0, `only ${others.length} of the others came`);
    others.push(...some);
  }
  assert.deepEqual(others, Array.from({ length: 500 }, (_, i) => 100_000 + i));
  await queue.settle(first);
  assert.deepEqual(await queue.take(), [1]);
});

test("SqlDriver leaves nothing behind of ordering keys that are settled", async () => {
  await using queue = new TestQueue();
  for (let n = 0; n < 5_000; n += 500) {
    await queue.send(Array.from({ length: 500 }, (_, i) => message(n + i, { orderingKey: `thread ${n + i}` })));
    await queue.settle(await queue.receive(500));
  }
  const [row] = queue.query("select (select count(*) from mq_message) + (select count(*) from mq_delivery) as n");
  assert.equal(row?.n, 0);
});

test("SqlDriver delivers messages without an ordering key beside those with one", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1), message(2)]);
  await queue.send(ordered("a", 3));
  const all = await queue.receive();
  assert.deepEqual([numbers(all), all[0]!.orderingKey], [[1, 2, 3], undefined]);
});
