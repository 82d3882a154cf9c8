// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import type { Settlement } from "../../core/driver.ts";
import { groupKeys, queueKeys } from "../../backends/streams/keys.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { GROUP, KEY, message, messages, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

type Retry = { kind: "retry" };
const later = { kind: "retry", delayMs: 600_000, cause: undefined } as Retry;
const keys = groupKeys(KEY, GROUP);

/** The helper keys of the queue that do not go by themselves. */
async function lastingKeys(redis: RedisServer): Promise<string[]> {
  const lasting: string[] = [];
  for (const name of await redis.call("KEYS", "*") as string[]) {
    if (name !== KEY && Number(await redis.call("PTTL", name)) < 0) lasting.push(name);
  }
  return lasting.sort();
}

function refusals(results: readonly object[]): unknown[] {
  return results.map((result) => "error" in result ? (result.error as { code: string }).code : "added");
}

async function cycle(driver: TestDriver, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    assert.deepEqual(refusals(await driver.send(KEY, [message(n)], NEVER)), ["added"], `message ${n}`);
    await driver.all(await driver.take(1));
  }
}

test("StreamsDriver.send counts unsettled messages alone, however old one of them is", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 10 });
  await driver.put(0, 3);
  const [retried, held, acked] = await driver.take(3);
  await driver.all([retried!], later);
  await driver.all([acked!]);
  await cycle(driver, 3, 60);
  assert.equal(await redis.call("XLEN", KEY), 2, "what is settled has left, though older messages have not");
  assert.deepEqual(await driver.counts(), [0, 1, 1, 0]);
  const results = await driver.send(KEY, messages(60, 70), NEVER);
  assert.deepEqual(refusals(results), [...Array(8).fill("added"), "queue-full", "queue-full"]);
  await driver.all([held!]);
  assert.deepEqual(refusals(await driver.send(KEY, messages(70, 72), NEVER)), ["added", "queue-full"]);
});

test("StreamsDriver.settle removes what the last group has settled, wherever it stands", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 6);
  const [first, ...rest] = await driver.take(6);
  const [, ...others] = await driver.take(6, { group: "others" });
  await driver.all(rest);
  assert.equal(await redis.call("XLEN", KEY), 6, "the other group has them in hand");
  await driver.settle(KEY, "others", others.map(({ lease }) => ({ kind: "ack", lease }) as const), NEVER);
  assert.equal(await redis.call("XLEN", KEY), 1);
  await driver.all([first!]);
  assert.equal(await redis.call("XLEN", KEY), 1, "the other group has not settled it");
});

test("StreamsDriver.send finds room behind a waiting message a foreign group settled", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 5 });
  await driver.put(0, 5);
  await redis.call("XGROUP", "CREATE", KEY, "python", "0");
  await redis.call("XREADGROUP", "GROUP", "python", "worker", "STREAMS", KEY, ">");
  const rows = await redis.call("XPENDING", KEY, "python", "-", "+", "10") as string[][];
  await redis.call("XACK", KEY, "python", ...rows.slice(1).map(([id]) => id!));
  assert.deepEqual(refusals(await driver.send(KEY, messages(5, 10), NEVER)), [
    ...Array(4).fill("added"),
    "queue-full",
  ]);
});

test("keepSettled keeps the newest settled messages and never counts them", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 4, keepSettled: 7 });
  const waiting = [message(-1)];
  await driver.send(KEY, waiting, NEVER);
  const held = await driver.take(1);
  await cycle(driver, 0, 40);
  const kept = async () =>
    (await redis.call("XRANGE", KEY, "-", "+") as [string, string[]][]).map(([, [, body]]) => JSON.parse(body!).n);
  assert.deepEqual(await kept(), [-1, 33, 34, 35, 36, 37, 38, 39], "one that waits and the newest seven settled");
  assert.deepEqual(refusals(await driver.send(KEY, messages(40, 44), NEVER)), [
    ...Array(3).fill("added"),
    "queue-full",
  ]);
  await driver.all(await driver.take(10));
  await driver.all(held);
  assert.deepEqual(await kept(), [36, 37, 38, 39, 40, 41, 42]);
  assert.deepEqual(await driver.counts(), [0, 0, 0, 0]);
  assert.deepEqual(numbers(await driver.take(20, { group: "late" })), [36, 37, 38, 39, 40, 41, 42]);
  assert.deepEqual(refusals(await driver.send(KEY, [message(50)], NEVER)), ["queue-full"], "they wait for that group");
});

test("keepSettled keeps what a foreign group settles, for readers without a group", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 300, keepSettled: 1_000 });
  await redis.call("XGROUP", "CREATE", KEY, "python", "0", "MKSTREAM");
  for (let n = 0; n < 400; n++) {
    assert.deepEqual(refusals(await driver.send(KEY, [message(n)], NEVER)), ["added"], `message ${n}`);
    await driver.all(await driver.take(1));
    const [[, [[id]]]] = await redis.call("XREADGROUP", "GROUP", "python", "w", "STREAMS", KEY, ">") as [
      [string, [[string]]],
    ];
    await redis.call("XACK", KEY, "python", id);
  }
  assert.equal(await redis.call("XLEN", KEY), 400);
});

test("overflow drop-oldest bounds delayed messages together with the others", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 10, overflow: "drop-oldest" });
  for (let n = 0; n < 40; n++) await driver.send(KEY, [message(n, { delayMs: 600_000 + n })], NEVER);
  assert.deepEqual(await driver.counts(), [0, 0, 10, 0]);
  await driver.send(KEY, messages(40, 44), NEVER);
  assert.deepEqual(await driver.counts(), [4, 0, 6, 0]);
  await driver.send(KEY, messages(44, 60), NEVER);
  assert.deepEqual(await driver.counts(), [10, 0, 0, 0]);
  assert.deepEqual(numbers(await driver.take(20)), [50, 51, 52, 53, 54, 55, 56, 57, 58, 59]);
});

test("overflow drop-oldest drops waiting messages, not the settled ones that are kept", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 3, overflow: "drop-oldest", keepSettled: 5 });
  await cycle(driver, 0, 5);
  await driver.put(5, 10);
  assert.equal(await redis.call("XLEN", KEY), 8);
  assert.deepEqual(numbers(await driver.take(20)), [7, 8, 9]);
});

test("the index of what expires holds nothing that is settled, dead or removed", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.send(KEY, messages(0, 20, { ttlMs: 600_000 }), NEVER);
  const held = await driver.take(20);
  await driver.all(held.slice(5, 15));
  assert.equal(await redis.call("ZCARD", keys.expiring), 10);
  await driver.all(held.slice(0, 2), { kind: "dead", cause: { name: "Error", message: "no" } } as { kind: "dead" });
  await driver.all([...held.slice(2, 5), ...held.slice(15)]);
  assert.equal(await redis.call("EXISTS", keys.expiring), 0);
});

test("expired messages leave a queue that nobody consumes with the next publishes", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.send(KEY, messages(0, 50, { ttlMs: 1 }), NEVER);
  await driver.send(KEY, messages(50, 60, { ttlMs: 1, delayMs: 2 }), NEVER);
  await passed(redis, queueKeys(KEY).delayed);
  for (let n = 0; n < 5; n++) await driver.send(KEY, [message(n, { headers: { a: "b" } })], NEVER);
  assert.equal(await redis.call("XLEN", KEY), 5);
  assert.deepEqual(await driver.counts(), [5, 0, 0, 0]);
  assert.deepEqual(await lastingKeys(redis), []);
});

test("expired messages leave a group whose consumers are gone, however it held them", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.send(KEY, messages(0, 9, { ttlMs: 400 }), NEVER);
  const abandoned = await driver.take(6, { group: "abandoned", leaseMs: 1 });
  const settle = (kind: object, from: number, to: number) =>
    driver.settle(
      KEY,
      "abandoned",
      abandoned.slice(from, to).map(({ lease }) => ({ lease, ...kind }) as Settlement),
      NEVER,
    );
  await settle({ kind: "retry", delayMs: 600_000 }, 0, 2);
  await settle({ kind: "release" }, 2, 4);
  const live = await driver.take(1, { group: "live" });
  assert.equal(live.length, 1);
  await passed(redis, keys.expiring);
  await driver.send(KEY, [message(9)], NEVER);
  await driver.take(1, { group: "live" });
  assert.equal(await redis.call("XLEN", KEY), 2, "the one in hand and the one that lives");
  await driver.settle(KEY, "live", live.map(({ lease }) => ({ kind: "ack", lease }) as const), NEVER);
  assert.equal(await redis.call("XLEN", KEY), 2, "the other group has yet to settle it");
});

test("no helper key outlives its subject", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.send(KEY, [
    ...messages(0, 5, { ttlMs: 600_000 }),
    message(5, { id: "Ev5", delayMs: 1 }),
    message(6, { id: "Ev6", headers: { a: "b" } }),
  ], NEVER);
  for (let round = 0, left = 7; left > 0; round++) {
    const held = await driver.take(10, { waitMs: 10_000 });
    const how = [{ kind: "dead", cause: { name: "Error", message: "no" } }, { kind: "release" }, { kind: "ack" }][
      round % 3
    ] as { kind: "ack" };
    await driver.all(held, how);
    if (how.kind as string !== "release") left -= held.length;
  }
  const all = { group: GROUP, ids: undefined, limit: Infinity };
  assert.ok(await driver.deadLetters.replay!(KEY, all, NEVER) > 0);
  await driver.all(await driver.take(10));
  assert.deepEqual(await driver.counts(), [0, 0, 0, 0]);
  assert.deepEqual(await lastingKeys(redis), []);
});

/** Resolves when the server's clock has passed every time in a sorted set. */
async function passed(redis: RedisServer, key: string): Promise<void> {
  const [, last] = await redis.call("ZREVRANGE", key, "0", "0", "WITHSCORES") as string[];
  for (;;) {
    const [seconds, micros] = await redis.call("TIME") as string[];
    if (Number(seconds) * 1_000 + Number(micros) / 1_000 > Number(last) + 1) return;
  }
}
