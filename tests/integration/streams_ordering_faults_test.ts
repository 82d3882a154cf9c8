// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import process from "node:process";
import { groupKeys } from "../../backends/streams/keys.ts";
import type { Lease } from "../../backends/streams/lease_groups.ts";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";
import { GROUP, KEY, message, NEVER, numbers, TestDriver } from "./support/streams.ts";
import { again, DEAD, inTurn, kept, leases, ordered, send, settle } from "./support/streams_ordering.ts";

/** ORDERING_KEYS=1000000 is the size that is promised. */
const KEYS = Number(process.env.ORDERING_KEYS ?? 10_000);
const DIGEST = createHash("sha1").update("k".repeat(1_024)).digest("hex");

const test = requires("redis-server");

test("StreamsDriver keeps the order of ordering keys over a SIGKILL of the server", async () => {
  await using redis = await startRedis({ appendonly: "always" });
  {
    await using driver = new TestDriver(redis);
    await send(driver, ...ordered("a", 1, 2, 3), ...ordered("b", 4, 5));
    const [head] = await leases(driver, 1, 4);
    await settle(driver, head!, { kind: "ack" });
    await redis.kill();
  }
  await redis.restart();
  await using driver = new TestDriver(redis);
  const [second] = await leases(driver, 2);
  await settle(driver, second!, { kind: "ack" });
  await driver.endLeases();
  const heads = await driver.take(10);
  assert.deepEqual(numbers(heads).sort(), [3, 4], "a lost lease keeps its place");
  await driver.all(heads);
  await inTurn(driver, 5);
});

test("StreamsDriver carries ordering keys of any length and with any characters", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const keys = [
    "x",
    "k".repeat(1_024),
    "ä😀",
    "a\u0000b",
    "a\u0000c",
    "a:",
    "a",
    "%_\\\n",
    "k1:a",
    "r",
    "@1",
    "-1-0",
    "g",
    "g".repeat(103),
    "k".repeat(60),
    "k".repeat(61),
    // As the digest of the one of 1,024 is, and as the server's keys hold it; and as fields of theirs are named.
    DIGEST,
    DIGEST + "#".repeat(21),
    "look".repeat(16),
    ".".repeat(100),
    "aN1700000000000-A0",
    "\u0001a",
  ];
  await send(driver, ...keys.flatMap((key, n) => ordered(key, 3 * n, 3 * n + 1, 3 * n + 2)));
  for (let round = 0; round < 3; round++) {
    const heads = await driver.take(100);
    heads.sort((one, other) => keys.indexOf(one.orderingKey!) - keys.indexOf(other.orderingKey!));
    assert.deepEqual(heads.map(({ orderingKey }) => orderingKey), keys);
    assert.deepEqual(numbers(heads), keys.map((_, n) => 3 * n + round));
    if (round === 1) {
      await driver.all(heads, DEAD);
      assert.equal(
        await driver.deadLetters.replay!(KEY, { group: GROUP, ids: undefined, limit: 100 }, NEVER),
        keys.length,
      );
    } else await driver.all(heads);
  }
  const replayed = await driver.take(100);
  assert.deepEqual(replayed.map(({ orderingKey }) => orderingKey).sort(), [...keys].sort());
  await driver.all(replayed);
  assert.deepEqual(await kept(redis), [0, 0]);
});

for (const kind of ["retry", "release"] as const) {
  test(`StreamsDriver repeats a ${kind} without touching the next delivery`, async () => {
    await using redis = await startRedis();
    await using driver = new TestDriver(redis);
    await using other = new TestDriver(redis);
    await send(driver, ...ordered("a", 1));
    const [first] = await leases(driver, 1);
    const lease = first!.lease as Lease;
    const how = kind === "retry" ? again(0) : { kind };
    assert.deepEqual(await settle(driver, first!, how), [true]);
    const [second] = await leases(driver, 1);
    lease.unanswered = true; // its answer was lost, so it is sent once more
    assert.deepEqual(await settle(driver, first!, how), [true]);
    await leases(other);
    assert.deepEqual(await settle(driver, second!, { kind: "ack" }), [true]);
    await inTurn(other);
  });
}

test("StreamsDriver leaves nothing behind of many ordering keys", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const keysNow = async () => (await redis.call("KEYS", "*") as string[]).sort();
  const used = async () => Number(/used_memory:(\d+)/.exec(String(await redis.call("INFO", "memory")))![1]);
  const round = async (from: number, count: number) => {
    for (let n = from; n < from + count; n += 500) {
      await send(driver, ...Array.from({ length: 500 }, (_, i) => message(n + i, { orderingKey: `thread ${n + i}` })));
      await driver.all(await driver.take(500));
    }
  };
  await round(0, 500);
  const [keys, bytes] = [await keysNow(), await used()];
  await round(500, KEYS);
  assert.deepEqual(await keysNow(), keys);
  assert.deepEqual(await driver.counts(), [0, 0, 0, 0]);
  // Leases go when they end, and the answers to batches are remembered for a while, whatever the number of keys.
  const grown = await used() - bytes;
  assert.ok(grown < 500_000 + 5 * KEYS, `${KEYS} ordering keys left ${grown} bytes behind`);
});

test("StreamsDriver is not starved by an ordering key with 20,000 waiting", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  for (let n = 0; n < 20_000; n += 1_000) {
    await send(driver, ...ordered("hot", ...Array.from({ length: 1_000 }, (_, i) => n + i)));
  }
  await send(driver, ...Array.from({ length: 500 }, (_, i) => message(100_000 + i, { orderingKey: `k${i}` })));
  const depth = await driver.depth(KEY, GROUP, NEVER);
  assert.deepEqual([depth.ready, depth.blocked], [501, 19_999]);
  const first = await driver.take(10);
  assert.equal(numbers(first)[0], 0);
  const others = first.slice(1);
  while (others.length < 500) {
    const some = await driver.take(100);
    assert.ok(some.length > 0, `only ${others.length} of the others came`);
    others.push(...some);
  }
  assert.deepEqual(numbers(others), Array.from({ length: 500 }, (_, i) => 100_000 + i));
  const after = await driver.depth(KEY, GROUP, NEVER);
  assert.deepEqual([after.ready, after.inFlight, after.blocked], [0, 501, 19_999]);
  const commands = async () => {
    await redis.call("CONFIG", "RESETSTAT");
    await driver.take(10);
    const stats = String(await redis.call("INFO", "commandstats"));
    return [...stats.matchAll(/cmdstat_[^:]*:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
  };
  assert.ok(await commands() < 40, "a receive does not go through the backlog");
  await driver.all([first[0]!]);
  assert.deepEqual(numbers(await driver.take(10)), [1]);
});

test("StreamsDriver counts ordered messages for maxLength, and adds an id once", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 3 });
  const batch = [message(1, { id: "Ev1", orderingKey: "a" }), ...ordered("a", 2, 3)];
  await send(driver, ...batch);
  const head = await leases(driver, 1);
  const [full] = await driver.send(KEY, ordered("a", 4), NEVER);
  assert.ok("error" in full!);
  await driver.all(head);
  const [repeated] = await driver.send(KEY, [message(9, { id: "Ev1", orderingKey: "a" })], NEVER);
  assert.deepEqual(repeated, { outcome: "duplicate" });
  await send(driver, ...ordered("a", 4));
  await inTurn(driver, 2, 3, 4);
});

test("StreamsDriver keeps settled ordered messages, and gives a late group their order", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { keepSettled: 10 });
  await send(driver, ...ordered("a", 1, 2, 3));
  await inTurn(driver, 1, 2, 3);
  assert.equal(await redis.call("XLEN", KEY), 3);
  const late: unknown[] = [];
  for (let n = 0; n < 3; n++) {
    const next = await driver.take(10, { group: "late" });
    late.push(...numbers(next));
    await driver.settle(KEY, "late", next.map(({ lease }) => ({ kind: "ack", lease })), NEVER);
  }
  assert.deepEqual(late, [1, 2, 3]);
});

test("StreamsDriver never trims ordered messages that wait", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3));
  await leases(driver, 1);
  await send(driver, ...Array.from({ length: 500 }, (_, i) => message(10 + i)));
  await driver.all(await driver.take(500));
  assert.equal(await redis.call("XLEN", KEY), 3);
});

test("StreamsDriver delivers entries of publishers without ordering keys as before", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await redis.call("XADD", KEY, "*", "data", '{"n":1}');
  await redis.call("XADD", KEY, "*", "data", '{"n":2}', "id", "Ev2");
  await redis.call("XADD", KEY, "*", "data", '{"n":3}', "headers", '{"a":"b"}');
  await redis.call("XADD", KEY, "*", "data", '{"n":4}', "orderingKey", "");
  await redis.call("XADD", KEY, "*", "orderingKey", "mine", "data", '{"n":5}');
  await redis.call("XADD", KEY, "*", "orderingKey", "mine", "data", '{"n":6}');
  const found = await leases(driver, 1, 2, 3, 4, 5);
  assert.deepEqual(found.map(({ orderingKey }) => orderingKey), [undefined, undefined, undefined, undefined, "mine"]);
  await driver.all(found);
  await inTurn(driver, 6);
});

test("StreamsDriver frees ordering keys whose messages somebody else trimmed away", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2), ...ordered("b", 3, 4), ...ordered("c", 5, 6));
  const [a] = await leases(driver, 1, 3, 5);
  const ids = (await redis.call("XRANGE", KEY, "-", "+") as [string][]).map(([id]) => id);
  await redis.call("XDEL", KEY, ids[1]!, ids[2]!); // one that waits, and one in hand
  await settle(driver, a!, { kind: "ack" });
  await leases(driver);
  await driver.endLeases();
  const heads = await driver.take(10);
  assert.deepEqual(numbers(heads).sort(), [4, 5]);
  await driver.all(heads);
  await inTurn(driver, 6);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver passes an ordered message that was trimmed away while it waited", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3));
  const head = await leases(driver, 1);
  const ids = (await redis.call("XRANGE", KEY, "-", "+") as [string][]).map(([id]) => id);
  await redis.call("XDEL", KEY, ids[1]!);
  await driver.all(head);
  await inTurn(driver, 3);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver keeps those in order that wait where the list of them is gone", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3));
  const head = await leases(driver, 1);
  await redis.call("DEL", groupKeys(KEY, GROUP).lanes);
  await using another = new TestDriver(redis); // looks for what is lost at its first receive
  await leases(another);
  await driver.all(head);
  await inTurn(another, 2, 3);
});

test("StreamsDriver frees ordering keys whose messages a consumer of another kind took", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2), ...ordered("b", 3, 4));
  const heads = await leases(driver, 1, 3);
  for (const { id } of heads) await redis.call("XCLAIM", KEY, GROUP, "stranger", "0", id);
  await redis.call("XACK", KEY, GROUP, heads[0]!.id);
  assert.deepEqual(await driver.all(heads), [false, false]);
  const second = await leases(driver, 2);
  await driver.all(second);
  await redis.call("XACK", KEY, GROUP, heads[1]!.id);
  await using another = new TestDriver(redis); // looks for what is lost at its first receive
  await inTurn(another, 4);
});

test("StreamsDriver finds ordered messages again where the lists of them are gone", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3), ...ordered("b", 4, 5));
  await leases(driver, 1, 4);
  const { lanes, turns, again } = groupKeys(KEY, GROUP);
  await redis.call("DEL", lanes, turns, again);
  await driver.endLeases();
  await using another = new TestDriver(redis);
  const all: unknown[] = [];
  for (let some = await another.take(10); some.length > 0; some = await another.take(10)) {
    all.push(...numbers(some));
    await another.all(some);
  }
  assert.deepEqual(all.sort(), [1, 2, 3, 4, 5], "none is lost");
});
