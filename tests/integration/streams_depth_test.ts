// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { KEY, message, NEVER, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

async function put(driver: TestDriver, count: number): Promise<void> {
  for (let from = 0; from < count; from += 1_000) await driver.put(from, from + 1_000);
}

async function take(driver: TestDriver, count: number, group: string): Promise<void> {
  for (let taken = 0; taken < count;) {
    const some = await driver.take(Math.min(500, count - taken), { group });
    await driver.settle(KEY, group, some.map(({ lease }) => ({ kind: "ack", lease }) as const), NEVER);
    taken += some.length;
  }
}

/** Rewrites the append-only file. */
async function rewrite(redis: RedisServer): Promise<void> {
  await redis.call("BGREWRITEAOF");
  while (/aof_rewrite_(in_progress|scheduled):1/.test(String(await redis.call("INFO", "persistence")))) {
    await redis.call("PING");
  }
}

test("StreamsDriver.depth counts unread entries between read and removed ones", async () => {
  await using redis = await startRedis({ appendonly: "always" });
  await using driver = new TestDriver(redis);
  await put(driver, 12_000);
  await driver.take(1, { group: "slow" });
  await take(driver, 5_000, "fast");
  const check = async (when: string, ready = 7_000) => {
    assert.deepEqual(await driver.counts("fast"), [ready, 0, 0, 0], when);
    assert.deepEqual(await driver.counts("slow"), [ready + 4_999, 1, 0, 0], when);
  };
  await check("more than one call counts stand on both sides");
  await rewrite(redis);
  await redis.kill();
  await redis.restart();
  await driver.put(0, 1).catch(() => undefined); // the first call finds the connection broken
  const [{ ready }] = [await driver.depth(KEY, "fast", NEVER)];
  assert.ok(ready === 7_000 || ready === 7_001, `${ready} are ready after a restart`);
  const rows = await redis.call("XREVRANGE", KEY, "+", "-", "COUNT", "100") as [string][];
  await redis.call("XDEL", KEY, ...rows.map(([id]) => id));
  await check("somebody has deleted the newest", ready - 100);
});

test("StreamsDriver.depth is right after an append-only rewrite and a restart", async () => {
  await using redis = await startRedis({ appendonly: "always" });
  await using driver = new TestDriver(redis);
  await put(driver, 3_000);
  const [stuck] = await driver.take(1, { group: "bots" });
  await take(driver, 999, "bots");
  await rewrite(redis);
  await put(driver, 3_000);
  await take(driver, 4_000, "bots");
  assert.deepEqual(await driver.counts(), [1_000, 1, 0, 0]);
  await redis.kill();
  await redis.restart(); // what the server says of lag now is wrong by thousands
  await driver.depth(KEY, "bots", NEVER).catch(() => undefined); // the first call finds the connection broken
  assert.deepEqual(await driver.counts(), [1_000, 1, 0, 0]);
  assert.deepEqual(await driver.all([stuck!]), [true]);
  await take(driver, 1_000, "bots");
  assert.deepEqual(await driver.counts(), [0, 0, 0, 0]);
});

test("StreamsDriver.depth counts neither expired nor delivered entries as ready", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const count = 3_000;
  for (let n = 0; n < count; n += 1_000) {
    const some = Array.from({ length: 1_000 }, (_, i) => message(n + i, { ttlMs: 1 }));
    await driver.send(KEY, some, NEVER);
  }
  await driver.send(KEY, [message(count, { ttlMs: 600_000 })], NEVER);
  const startedAt = Date.now();
  while (Date.now() - startedAt < 5) await redis.call("PING");
  assert.deepEqual(await driver.counts(), [1, 0, 0, 0]);
  await driver.send(KEY, [message(count + 1)], NEVER);
  assert.deepEqual(await driver.counts(), [2, 0, 0, 0]);
});
