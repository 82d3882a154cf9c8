// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import type { Lease } from "../../backends/streams/lease_groups.ts";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";
import { KEY, message, numbers, TestDriver } from "./support/streams.ts";
import { again, DEAD, inTurn, kept, leases, ordered, replay, send, settle } from "./support/streams_ordering.ts";

const test = requires("redis-server");

test("StreamsDriver frees no ordering key by the repetition of an acknowledgement", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2), ...ordered("b", 3, 4), ...ordered("c", 5));
  const heads = await leases(driver, 1, 3, 5);
  assert.deepEqual(await driver.all(heads), [true, true, true]);
  const second = await leases(other, 2, 4);
  for (const { lease } of heads) (lease as Lease).unanswered = true; // the answer was lost, so it is sent once more
  assert.deepEqual(await driver.all(heads), [true, true, true]);
  await send(driver, ...ordered("a", 6), ...ordered("b", 7));
  await leases(other);
  assert.deepEqual(await other.all(second), [true, true]);
  await other.all(await leases(other, 6, 7));
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver keeps ordering keys apart that have line breaks", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const keys = ["a", "b", "a\nb", "b\n", "\n", "a\n" + "b".repeat(100), "c"];
  const all = keys.map((_, n) => n);
  const batch = (from: number, some = keys) => some.map((orderingKey, n) => message(from + n, { orderingKey }));
  await driver.put(-1, 1);
  await send(driver, ...batch(0), ...batch(10));
  for (const key of keys) await redis.call("XADD", KEY, "*", "data", `{"n":20}`, "orderingKey", key);
  await send(driver, ...batch(30, ["a", "c"])); // a batch of single lines
  for (const round of [0, 10]) {
    const heads = await driver.take(100);
    const keyOf = new Map(heads.map((head) => [numbers([head])[0], head.orderingKey]));
    assert.deepEqual(all.map((n) => keyOf.get(n + round)), keys);
    assert.deepEqual(await driver.all(heads), heads.map(() => true));
  }
  const foreign = await driver.take(100);
  assert.deepEqual(new Set(foreign.map(({ orderingKey }) => orderingKey)), new Set(keys));
  assert.deepEqual(await driver.all(foreign), all.map(() => true));
  await driver.all(await leases(driver, 30, 31));
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver frees ordering keys of foreign publishers that are no UTF-8", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const script = "return redis.call('XADD', KEYS[1], '*', 'data', ARGV[1], 'orderingKey', ARGV[2] .. '\\255\\254')";
  const add = (n: number, key: string) => redis.call("EVAL", script, "1", KEY, JSON.stringify({ n }), key);
  for (const n of [1, 2, 3, 4, 5]) await add(n, "");
  await add(6, "k".repeat(100));
  await send(driver, ...ordered("\uFFFD\uFFFD", 7, 8));
  const [one, other, own] = await leases(driver, 1, 6, 7);
  await driver.all([one!, other!, own!]);
  const [two, eight] = await leases(driver, 2, 8);
  await settle(driver, two!, again(0));
  await settle(driver, (await leases(driver, 2))[0]!, DEAD);
  await driver.all([...await leases(driver, 3), eight!]);
  await settle(driver, (await leases(driver, 4))[0]!, { kind: "release" });
  assert.equal(await replay(driver), 1);
  await inTurn(driver, 4, 5, 2);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver tells ordering keys in hand from free ones, few and many of them", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  for (const many of [3, 300]) {
    const batch = (from: number) =>
      Array.from({ length: many }, (_, n) => message(from + n, { orderingKey: `${many} ${n}` }));
    await send(driver, ...batch(0));
    const heads = await driver.take(900);
    assert.equal(heads.length, many);
    await send(driver, ...batch(1_000), message(-1, { orderingKey: "free" }));
    const free = await driver.take(900);
    assert.deepEqual(numbers(free), [-1]);
    await driver.all([...heads, ...free]);
    const second = await driver.take(900);
    assert.deepEqual(new Set(numbers(second)), new Set(Array.from({ length: many }, (_, n) => 1_000 + n)));
    await driver.all(second);
  }
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver keeps ordering keys of which others of a turn are leased", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2), ...ordered("b", 3, 4), ...ordered("c", 5));
  const turns = await driver.take(100, { maxPerOrderingKey: 10 });
  assert.deepEqual(numbers(turns), [1, 2, 3, 4, 5]);
  await driver.all([turns[0]!, turns[2]!, turns[4]!]);
  await send(driver, ...ordered("a", 6), ...ordered("b", 7), ...ordered("c", 8));
  const free = await leases(driver, 8);
  await driver.all([turns[1]!, turns[3]!, ...free]);
  await driver.all(await leases(driver, 6, 7));
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver frees no ordering key by an acknowledgement that comes late", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2));
  const late = await leases(driver, 1);
  await driver.endLeases();
  const current = await leases(other, 1);
  assert.deepEqual(await driver.all(late), [false]);
  await settle(other, current[0]!, again(0));
  assert.deepEqual(await driver.all(late), [false], "it waits for its next delivery");
  const once = await leases(other, 1);
  await leases(driver);
  await other.all(once);
  await inTurn(other, 2);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver settles an ordered message and its follower in one call", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1), ...ordered("b", 2), ...ordered("k".repeat(100), 3));
  const heads = await leases(driver, 1, 2, 3);
  await driver.all(heads.slice(0, 1));
  await send(driver, ...ordered("a", 4), ...ordered("b", 5), ...ordered("k".repeat(100), 6));
  const next = await leases(driver, 4);
  // Of one call: an acknowledgement that was done before, one whose key nobody waits for, and two that others wait for.
  (heads[0]!.lease as Lease).unanswered = true;
  assert.deepEqual(await driver.all([...heads, ...next]), [true, true, true, true]);
  await inTurnAtOnce(driver, 5, 6);
  assert.deepEqual(await kept(redis), [0, 0]);
});

/** Takes these together, and acknowledges them. */
async function inTurnAtOnce(driver: TestDriver, ...expected: number[]): Promise<void> {
  await driver.all(await leases(driver, ...expected));
  await leases(driver);
}

test("StreamsDriver hands out messages of all kinds in the order of the stream", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1), ...ordered("b", 2), message(3), ...ordered("c", 4));
  await send(driver, message(5, { id: "Ev5", orderingKey: "d" }), message(6, { id: "Ev6" }));
  await send(driver, ...ordered("e", 7), message(8, { headers: { n: "8" }, orderingKey: "f" }), ...ordered("g", 9));
  const found = await driver.take(100);
  assert.deepEqual(numbers(found), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const keys = ["a", "b", undefined, "c", "d", undefined, "e", "f", "g"];
  assert.deepEqual(found.map(({ orderingKey }) => orderingKey), keys);
  assert.deepEqual([found[4]!.id, found[5]!.id, found[7]!.headers], ["Ev5", "Ev6", { n: "8" }]);
  assert.ok(found.every(({ attempts, publishedAt }) => attempts === 1 && typeof publishedAt === "number"));
  assert.ok((await driver.all(found)).every((done) => done === true));
  assert.deepEqual(await kept(redis), [0, 0]);
});
