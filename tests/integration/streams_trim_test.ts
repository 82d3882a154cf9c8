// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { GROUP, KEY, message, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

test("StreamsDriver.settle removes what every group has settled, and nothing else", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const length = () => redis.call("XLEN", KEY);
  await driver.put(0, 10);
  const others = await driver.take(3, { group: "others" });
  const held = await driver.take(10);
  await driver.all(held.slice(5));
  assert.equal(await length(), 10, "the first of this group is still in hand");
  await driver.all(held.slice(0, 5));
  assert.equal(await length(), 10, "the other group holds three and has not been given the rest");
  const settlements = others.map(({ lease }) => ({ kind: "ack", lease }) as const);
  await driver.settle(KEY, "others", settlements.slice(0, 2), NEVER);
  assert.equal(await length(), 8);
  await driver.settle(KEY, "others", settlements.slice(2), NEVER);
  assert.equal(await length(), 7);
  assert.deepEqual(numbers(await driver.take(10, { group: "others" })), [3, 4, 5, 6, 7, 8, 9]);
});

test("StreamsDriver.settle keeps retried and dead messages while others leave", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 5);
  const held = await driver.take(5);
  await driver.all([held[1]!], { kind: "retry", delayMs: 50, cause: undefined } as { kind: "retry" });
  await driver.all([held[3]!], { kind: "dead", cause: { name: "Error", message: "no" } } as { kind: "dead" });
  await driver.all([held[0]!, held[2]!, held[4]!]);
  assert.equal(await redis.call("XLEN", KEY), 1, "the one that waits");
  const again = await driver.take(5, { waitMs: 10_000 });
  assert.deepEqual(numbers(again), [1]);
  await driver.all(again);
  assert.equal(await redis.call("XLEN", KEY), 0);
  assert.deepEqual(await driver.counts(), [0, 0, 0, 1]);
});

test("StreamsDriver.settle waits for a foreign group too", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 4);
  await redis.call("XGROUP", "CREATE", KEY, "python", "0");
  await redis.call("XREADGROUP", "GROUP", "python", "worker", "COUNT", "2", "STREAMS", KEY, ">");
  await driver.all(await driver.take(10));
  assert.equal(await redis.call("XLEN", KEY), 4);
  const pending = await redis.call("XPENDING", KEY, "python", "-", "+", "10") as string[][];
  await redis.call("XACK", KEY, "python", ...pending.map(([id]) => id!));
  await driver.put(4, 5);
  await driver.all(await driver.take(10));
  assert.equal(await redis.call("XLEN", KEY), 3);
});

test("StreamsDriver.send removes what foreign consumers have settled", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await redis.call("XGROUP", "CREATE", KEY, "python", "0", "MKSTREAM");
  for (let i = 0; i < 200; i++) {
    await driver.send(KEY, [message(i)], NEVER);
    const [[, entries]] = await redis.call("XREADGROUP", "GROUP", "python", "w", "STREAMS", KEY, ">") as [
      [string, [string, string[]][]],
    ];
    await redis.call("XACK", KEY, "python", ...entries.map(([id]) => id));
  }
  const length = Number(await redis.call("XLEN", KEY));
  assert.ok(length < 130, `${length} entries are kept`);
});

test("StreamsDriver.settle takes settlements of entries that were trimmed meanwhile", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 3);
  const held = await driver.take(3);
  await redis.call("XTRIM", KEY, "MAXLEN", "0");
  assert.deepEqual(await driver.all([held[0]!]), [true]);
  assert.deepEqual(await driver.all([held[1]!], { kind: "retry", delayMs: 0, cause: undefined } as { kind: "retry" }), [
    true,
  ]);
  assert.deepEqual(
    await driver.all([held[2]!], { kind: "dead", cause: { name: "Error", message: "no" } } as { kind: "dead" }),
    [true],
  );
  assert.deepEqual(await driver.take(5), []);
  await driver.put(3, 4);
  assert.deepEqual(numbers(await driver.take(5)), [3]);
  assert.deepEqual(await driver.counts(), [0, 1, 0, 1]);
});

test("StreamsDriver.depth counts each state for each group and changes nothing", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  assert.deepEqual(await driver.counts(), [0, 0, 0, 0]);
  assert.equal(await redis.call("DBSIZE"), 0);
  await driver.put(0, 10);
  await driver.send(KEY, [message(10, { delayMs: 600_000 })], NEVER);
  assert.deepEqual(await driver.counts(), [10, 0, 1, 0]);
  const held = await driver.take(6);
  assert.deepEqual(await driver.counts(), [4, 6, 1, 0]);
  await driver.all(held.slice(0, 1));
  await driver.all(held.slice(1, 2), { kind: "release" });
  await driver.all(held.slice(2, 3), { kind: "retry", delayMs: 600_000, cause: undefined } as { kind: "retry" });
  await driver.all(held.slice(3, 4), { kind: "dead", cause: { name: "Error", message: "no" } } as { kind: "dead" });
  assert.deepEqual(await driver.counts(), [5, 2, 2, 1]);
  await driver.endLeases();
  assert.deepEqual(await driver.counts(), [7, 0, 2, 1]);
  assert.deepEqual(await driver.counts("others"), [8, 0, 1, 0], "what this group has settled is gone");
  assert.equal(await driver.deadLetters.replay!(KEY, { group: GROUP, ids: undefined, limit: Infinity }, NEVER), 1);
  assert.deepEqual(await driver.counts(), [8, 0, 2, 0]);
});

test("StreamsDriver.depth counts exactly after many reads and a foreign trim", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  let published = 0;
  const put = async (count: number) => {
    await driver.put(published, published + count);
    published += count;
  };
  await put(1_000);
  await put(1_000);
  await put(1_000);
  const held = [];
  for (let i = 0; i < 5; i++) held.push(...await driver.take(500));
  assert.deepEqual(await driver.counts(), [500, 2_500, 0, 0], "more than is counted one by one");
  for (let i = 0; i < 5; i++) await driver.all(held.slice(i * 500, i * 500 + 400));
  assert.deepEqual(await driver.counts(), [500, 500, 0, 0]);
  await redis.call("XTRIM", KEY, "MAXLEN", "100");
  assert.deepEqual((await driver.counts())[0], 100, "what somebody trims before it is read is not counted");
});
