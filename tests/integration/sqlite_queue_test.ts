// not on workerd: keeps its messages in a file
import { test } from "node:test";
import assert from "node:assert/strict";
import { KEY, LEASE_MS, message, NEVER, numbers, ordered, TestQueue } from "./support/sqlite.ts";

const CAUSE = { name: "Error", message: "no" };
const ALL = { group: "bots", ids: undefined, limit: Infinity };

test("SqlDriver adds a mixed batch once when it is sent again", async () => {
  await using queue = new TestQueue({ maxLength: 3 });
  await queue.send([message(0, { id: "Ev0" })]);
  const plain = [message(1)];
  const mixed = [message(2, { id: "Ev2" }), message(3, { id: "Ev0" }), message(4, { delayMs: 1_000 })];
  assert.deepEqual(await queue.send(plain), ["added"]);
  assert.deepEqual(await queue.send(plain), ["added"]);
  assert.deepEqual(await queue.send(mixed), ["added", "duplicate", "full"]);
  assert.deepEqual(await queue.send(mixed), ["added", "duplicate", "full"]);
  const chosen = [message(5, { id: "Ev0" })];
  assert.deepEqual(await queue.send(chosen), ["duplicate"]);
  assert.deepEqual(await queue.take(), [0, 1, 2]);
});

test("SqlDriver adds a batch without ids and bounds once when it is sent again", async () => {
  await using queue = new TestQueue();
  const batch = [message(1), message(2)];
  assert.deepEqual(await queue.send(batch), ["added", "added"]);
  assert.deepEqual(await queue.send(batch), ["added", "added"]);
  assert.deepEqual(await queue.take(), [1, 2]);
});

test("SqlDriver tells a repeated batch of chosen ids from a new one with the same ids", async () => {
  await using queue = new TestQueue();
  const batch = [message(1, { id: "Ev1" }), message(2, { id: "Ev2" })];
  assert.deepEqual(await queue.send(batch), ["added", "added"]);
  assert.deepEqual(await queue.send(batch), ["added", "added"]);
  assert.deepEqual(await queue.connect().send([message(1, { id: "Ev1" })]), ["duplicate"]);
  assert.deepEqual(await queue.take(), [1, 2]);
});

test("SqlDriver adds the first of the same ids in one batch", async () => {
  await using queue = new TestQueue();
  const outcomes = await queue.send([1, 2, 3].map((n) => message(n, { id: "Ev1" })));
  assert.deepEqual(outcomes, ["added", "duplicate", "duplicate"]);
  assert.deepEqual(await queue.take(), [1]);
});

test("SqlDriver does not remember the id of a message that it refused", async () => {
  await using queue = new TestQueue({ maxLength: 1 });
  assert.deepEqual(await queue.send([message(1), message(2, { id: "Ev2" }), message(3, { id: "Ev2" })]), [
    "added",
    "full",
    "full",
  ]);
  await queue.settle(await queue.receive());
  assert.deepEqual(await queue.send([message(2, { id: "Ev2" })]), ["added"]);
});

test("SqlDriver forgets an id when its window is over, and the row with it", async () => {
  await using queue = new TestQueue({ dedupWindowMs: 60_000 });
  await queue.send([message(1, { id: "Ev1" })]);
  await queue.clock.advance(59_999);
  assert.deepEqual(await queue.send([message(1, { id: "Ev1" })]), ["duplicate"]);
  await queue.clock.advance(1);
  assert.deepEqual(await queue.send([message(1, { id: "Ev1" })]), ["added"]);
  await queue.clock.advance(60_000);
  await queue.send([message(2, { id: "Ev2" })]);
  assert.deepEqual(queue.query("select id from mq_id").map(({ id }) => id), ["Ev2"]);
});

test("SqlDriver forgets batches whose publishers gave up long ago", async () => {
  await using queue = new TestQueue();
  for (let n = 0; n < 50; n++) await queue.send([message(n)]);
  await queue.clock.advance(3_600_000);
  for (let n = 0; n < 20; n++) await queue.send([message(n)]);
  assert.equal(queue.query("select count(*) as n from mq_sent")[0]?.n, 20);
});

test("SqlDriver counts in-flight, delayed and replayed messages for maxLength", async () => {
  await using queue = new TestQueue({ maxLength: 3 });
  await queue.send([message(1), message(2, { delayMs: 60_000 })]);
  const [held] = await queue.receive();
  assert.deepEqual(await queue.send([message(3), message(4)]), ["added", "full"]);
  await queue.settle([held!], { kind: "dead", cause: CAUSE });
  assert.deepEqual(await queue.send([message(5), message(6)]), ["added", "full"]);
  await queue.driver.deadLetters!.replay!(KEY, ALL, NEVER);
  assert.deepEqual(await queue.send([message(7)]), ["full"]);
  await queue.settle(await queue.receive());
  assert.deepEqual(await queue.send([message(8), message(9), message(10)]), ["added", "added", "full"]);
});

test("SqlDriver takes what has expired for room", async () => {
  await using queue = new TestQueue({ maxLength: 2 });
  await queue.send([message(1, { ttlMs: 1_000 }), message(2, { ttlMs: 1_000, delayMs: 5_000 })]);
  assert.deepEqual(await queue.send([message(3)]), ["full"]);
  await queue.clock.advance(1_000);
  assert.deepEqual(await queue.send([message(4), message(5), message(6)]), ["added", "added", "full"]);
});

test("SqlDriver drops the oldest that nobody holds, delayed or not, for what is new", async () => {
  await using queue = new TestQueue({ maxLength: 3, overflow: "drop-oldest" });
  await queue.send([message(1), message(2), message(3, { delayMs: 60_000 })]);
  const held = await queue.receive(1);
  await queue.send([message(4)]);
  assert.deepEqual(await queue.settle(held, { kind: "retry", delayMs: 0, cause: undefined }), [true]);
  assert.deepEqual(await queue.take(), [1, 4]);
  await queue.send([message(5), message(6)]);
  await queue.clock.advance(60_000);
  assert.deepEqual(await queue.take(), [1, 4, 6]);
  await queue.send([message(7), message(8)]);
  assert.deepEqual(await queue.take(), [], "what is in flight is kept beyond the bound");
  await queue.clock.advance(LEASE_MS);
  assert.deepEqual(await queue.take(), [1, 4, 6]);
});

test("SqlDriver keeps the last messages of a batch that is longer than maxLength", async () => {
  await using queue = new TestQueue({ maxLength: 3, overflow: "drop-oldest" });
  await queue.send([1, 2, 3, 4, 5, 6, 7].map((n) => message(n)));
  assert.deepEqual(await queue.take(), [5, 6, 7]);
});

test("SqlDriver delivers nothing expired to a group while another still holds it", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1, { ttlMs: 10_000 }), message(2)]);
  const held = await queue.receive(100, { group: "slow" });
  await queue.settle(await queue.receive(1), { kind: "release" });
  await queue.clock.advance(15_000);
  assert.deepEqual(await queue.take(100, { group: "new" }), [2], "not to a group that had not reached it");
  assert.deepEqual(await queue.take(), [2], "nor to one that had given it back");
  assert.deepEqual(await queue.settle(held, { kind: "ack" }, "slow"), [true, true]);
});

test("SqlDriver delivers nothing expired, even more than one step removes", async () => {
  await using queue = new TestQueue();
  for (let n = 0; n < 3_000; n += 1_000) {
    await queue.send(Array.from({ length: 1_000 }, (_, i) => message(n + i, { ttlMs: 10_000 })));
  }
  for (let left = 3_000; left > 0; left -= 1_000) {
    const some = await queue.receive(1_000);
    await queue.settle(some, { kind: "retry", delayMs: 5_000, cause: undefined });
  }
  await queue.clock.advance(5_000);
  await queue.settle(await queue.receive(1), { kind: "release" });
  await queue.clock.advance(5_000);
  assert.deepEqual(await queue.take(3_000), []);
});

test("SqlDriver lets a group settle a message that expired under its lease", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1, { ttlMs: 10_000 })]);
  const held = await queue.receive(1, { group: "slow" });
  await queue.settle(await queue.receive(), { kind: "retry", delayMs: 60_000, cause: undefined });
  await queue.clock.advance(20_000);
  assert.deepEqual(await queue.take(), []);
  assert.deepEqual(await queue.settle(held, { kind: "ack" }, "slow"), [true]);
  await queue.take();
  assert.equal(queue.query("select count(*) as n from mq_message")[0]?.n, 0);
});

test("SqlDriver keeps a message until the last group has settled it", async () => {
  await using queue = new TestQueue();
  await queue.take();
  await queue.take(100, { group: "audit" });
  await queue.send([message(1)]);
  await queue.settle(await queue.receive());
  assert.deepEqual(await queue.take(100, { group: "late" }), [1]);
  await queue.settle(await queue.receive(100, { group: "audit" }), { kind: "ack" }, "audit");
  assert.equal(queue.query("select count(*) as n from mq_message")[0]?.n, 1, "the late group holds it");
  await queue.clock.advance(LEASE_MS);
  await queue.settle(await queue.receive(100, { group: "late" }), { kind: "ack" }, "late");
  assert.equal(queue.query("select count(*) as n from mq_message")[0]?.n, 0);
  assert.deepEqual(await queue.take(100, { group: "later still" }), []);
});

test("SqlDriver settles a message once when two of its leases are settled together", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1)]);
  const lost = await queue.receive();
  await queue.clock.advance(LEASE_MS);
  const held = await queue.receive();
  assert.deepEqual(await queue.settle([...lost, ...held]), [false, true]);
});

test("SqlDriver settles all kinds in one call, each as it says", async () => {
  await using queue = new TestQueue();
  await queue.send([1, 2, 3, 4, 5].map((n) => message(n)));
  const [a, b, c, d, e] = (await queue.receive()).map(({ lease }) => lease);
  const settled = await queue.driver.settle!(KEY, "bots", [
    { lease: a, kind: "retry", delayMs: 10_000, cause: undefined },
    { lease: b, kind: "ack" },
    { lease: c, kind: "dead", cause: { name: "Range\u0000Error", message: "no \u0000 such order" } },
    { lease: d, kind: "release" },
    { lease: e, kind: "retry", delayMs: 0, cause: undefined },
  ], NEVER);
  assert.deepEqual(settled, [true, true, true, true, true]);
  const depth = await queue.depth();
  assert.deepEqual({ ...depth }, { ready: 2, inFlight: 0, delayed: 1, blocked: 0, dead: 1 });
  const again = await queue.receive();
  assert.deepEqual([numbers(again), again.map(({ attempts }) => attempts)], [[4, 5], [1, 2]]);
  const { letters } = await queue.driver.deadLetters!.list(KEY, ALL, undefined, NEVER);
  assert.deepEqual(letters[0]?.cause, { name: "Range\u0000Error", message: "no \u0000 such order" });
});

test("SqlDriver carries ids, headers, keys and groups with any characters", async () => {
  await using queue = new TestQueue();
  for (const strange of ["a\u0000b", "'); drop table mq_message; --", "ä😀", '"\\', "%"]) {
    await queue.send([message(1, { id: strange, headers: { [strange]: strange } })], strange);
    const [delivery] = await queue.receive(1, { key: strange, group: strange });
    assert.deepEqual([delivery?.id, delivery?.headers], [strange, { [strange]: strange }]);
    assert.deepEqual(await queue.send([message(1, { id: strange })], strange), ["duplicate"]);
  }
  const [{ n } = { n: 0 }] = queue.query("select count(*) as n from mq_queue");
  assert.equal(n, 5);
});

test("SqlDriver keeps leases and delays their length when the clock is set back", async () => {
  let now = 1_700_000_000_000;
  // A clock without a monotonic reading: two processes that started before and after a step see the same times.
  const clock = { now: () => now, setTimeout: () => undefined, clearTimeout: () => undefined };
  await using queue = new TestQueue({ clock });
  const other = queue.connect({ clock });
  await queue.send([message(1), message(2), message(3, { delayMs: 60_000 })]);
  const [first, second] = await queue.receive();
  await queue.settle([second!], { kind: "retry", delayMs: 90_000, cause: undefined });
  now -= 86_400_000;
  assert.deepEqual(await other.take(), [], "nothing is early");
  assert.deepEqual(await queue.take(), []);
  now += LEASE_MS - 1;
  assert.deepEqual(await other.take(), []);
  now += 1;
  const again = await other.receive();
  assert.deepEqual(numbers(again), [1], "the lease ends when it is over, not a day later");
  assert.deepEqual(await queue.settle([first!]), [false]);
  await other.settle(again);
  now += 30_000;
  const delayed = await other.receive();
  assert.deepEqual(numbers(delayed), [3]);
  await other.settle(delayed);
  now += 30_000;
  assert.deepEqual(await other.take(), [2]);
});

test("SqlDriver.depth counts blocked messages before and after a group has come", async () => {
  await using queue = new TestQueue();
  await queue.send([...ordered("a", 1, 2, 3), message(4), message(5, { orderingKey: "a", delayMs: 60_000 })]);
  assert.deepEqual({ ...await queue.depth() }, { ready: 2, inFlight: 0, delayed: 1, blocked: 2, dead: 0 });
  const [a] = await queue.receive(1);
  assert.deepEqual({ ...await queue.depth() }, { ready: 1, inFlight: 1, delayed: 1, blocked: 2, dead: 0 });
  await queue.settle([a!], { kind: "retry", delayMs: 10_000, cause: undefined });
  assert.deepEqual({ ...await queue.depth() }, { ready: 1, inFlight: 0, delayed: 2, blocked: 2, dead: 0 });
  await queue.clock.advance(60_000);
  assert.deepEqual({ ...await queue.depth() }, { ready: 2, inFlight: 0, delayed: 0, blocked: 3, dead: 0 });
});

test("SqlDriver tells how long a message waited behind its ordering key", async () => {
  await using queue = new TestQueue();
  await queue.send(ordered("a", 1, 2));
  const [head] = await queue.receive();
  assert.equal(head?.blockedMs, undefined);
  await queue.clock.advance(7_000);
  await queue.settle([head!]);
  await queue.clock.advance(3_000);
  const [next] = await queue.receive();
  assert.equal(next?.blockedMs, 7_000);
  await queue.settle([next!], { kind: "release" });
});

test("SqlDriver lists dead letters in pages, and takes ids that name none for none", async () => {
  await using queue = new TestQueue();
  await queue.send(Array.from({ length: 250 }, (_, n) => message(n)));
  await queue.settle(await queue.receive(250), { kind: "dead", cause: CAUSE });
  const letters = queue.driver.deadLetters!;
  let cursor: string | undefined;
  let count = 0;
  do {
    const page = await letters.list(KEY, ALL, cursor, NEVER);
    count += page.letters.length;
    cursor = page.cursor;
  } while (cursor !== undefined);
  assert.equal(count, 250);
  for (const ids of [["1 or 1=1"], ["-1"], [""], ["99999"], ["1e3"]]) {
    assert.equal(await letters.purge(KEY, { ...ALL, ids }, NEVER), 0, ids[0]);
  }
  assert.equal(await letters.purge(KEY, { ...ALL, limit: 7 }, NEVER), 7);
  assert.equal(await letters.replay!(KEY, ALL, NEVER), 243);
});
