// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { groupKeys } from "../../backends/streams/keys.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { GROUP, KEY, message, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

const DEAD = { kind: "dead", cause: { name: "Error", message: "no" } } as { kind: string } as { kind: "ack" };
const RETRY = { kind: "retry", delayMs: 1, cause: undefined } as { kind: string } as { kind: "ack" };

/** Leaves the server no memory, until `relieve`. */
async function fill(redis: RedisServer): Promise<void> {
  await redis.call("CONFIG", "SET", "maxmemory", "1");
  await assert.rejects(Promise.resolve(redis.call("SET", "more", "x")), /OOM/);
}

function relieve(redis: RedisServer): Promise<unknown> {
  return redis.call("CONFIG", "SET", "maxmemory", "0");
}

test("StreamsDriver receives, renews and settles on a server out of memory", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 6);
  await driver.send(KEY, [message(6, { delayMs: 1 }), message(7, { delayMs: 600_000 })], NEVER);
  const early = await driver.take(1);
  await fill(redis);
  await assert.rejects(driver.put(8, 9), (error) => driver.classify(error) === "queue-full");
  const held = await driver.take(5);
  assert.deepEqual([...numbers(early), ...numbers(held)].slice(0, 5), [0, 1, 2, 3, 4]);
  assert.deepEqual(await driver.renew([...early, ...held]), Array(1 + held.length).fill(true));
  assert.deepEqual(await driver.renew(held.slice(0, 1)), [true], "a part, to a lease of its own");
  assert.deepEqual(await driver.all(early), [true]);
  assert.deepEqual(await driver.all(held.slice(0, 1), RETRY), [true]);
  assert.deepEqual(await driver.all(held.slice(1, 2), { kind: "release" }), [true]);
  assert.deepEqual(await driver.all(held.slice(2, 3), DEAD), [true]);
  assert.deepEqual(await driver.all(held.slice(3)), [true, true]);
  const seen = new Set<unknown>();
  while (seen.size < 3) {
    const more = await driver.take(2, { waitMs: 10_000 });
    for (const n of numbers(more)) seen.add(n);
    await driver.all(more);
  }
  assert.equal((await driver.counts())[2], 1, "what is not due yet waits");
  await relieve(redis);
  await driver.put(9, 10);
  assert.deepEqual(numbers(await driver.take(5)), [9]);
});

test("StreamsDriver.receive makes a new group on a server without memory", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 3);
  await fill(redis);
  assert.deepEqual(numbers(await driver.take(5, { group: "new" })), [0, 1, 2]);
});

test("StreamsDriver.receive ends an answer before it is too large", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const text = "x".repeat(700_000);
  for (let n = 0; n < 12; n++) await driver.send(KEY, [message(n, { body: JSON.stringify({ n, text }) })], NEVER);
  const seen: number[] = [];
  while (seen.length < 12) {
    const some = await driver.take(12);
    assert.ok(some.length >= 1 && some.length <= 4, `${some.length} came at once`);
    for (const { body, attempts } of some) {
      seen.push((JSON.parse(String(body)) as { n: number }).n);
      assert.equal(attempts, 1, "what was too much went back uncounted");
    }
    await driver.all(some);
  }
  assert.deepEqual(seen, Array.from({ length: 12 }, (_, n) => n));
});

test("StreamsDriver.receive bounds the bytes of retried and abandoned messages", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const text = "x".repeat(700_000);
  for (let n = 0; n < 8; n++) await driver.send(KEY, [message(n, { body: JSON.stringify({ n, text }) })], NEVER);
  const held = [];
  while (held.length < 8) held.push(...await driver.take(8));
  await driver.all(held.slice(0, 4), { kind: "release" });
  await driver.endLeases();
  const seen: number[] = [];
  while (seen.length < 8) {
    const some = await driver.take(8);
    assert.ok(some.length >= 1 && some.length <= 4, `${some.length} came at once`);
    for (const { body } of some) seen.push((JSON.parse(String(body)) as { n: number }).n);
  }
  assert.deepEqual(seen.sort(), Array.from({ length: 8 }, (_, n) => n));
});

test("DriverDeadLetters.list ends a page before it is too large, and misses none", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const text = "x".repeat(400_000);
  for (let n = 0; n < 9; n++) {
    const body = n % 3 === 2 ? `{"n":${n}}` : JSON.stringify({ n, text });
    await driver.send(KEY, [message(n, { body })], NEVER);
    await driver.all(await driver.take(1), DEAD);
  }
  const query = { group: GROUP, ids: undefined, limit: Infinity };
  const ids: string[] = [];
  for (const only of [undefined, ids]) {
    const seen: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await driver.deadLetters.list(KEY, { ...query, ids: only && [...only] }, cursor, NEVER);
      assert.ok(page.letters.length >= 1 && page.letters.length <= 5, `${page.letters.length} on one page`);
      for (const { id, body } of page.letters) {
        seen.push((JSON.parse(String(body)) as { n: number }).n);
        if (only === undefined) ids.push(id);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  }
});

test("StreamsDriver.settle dead-letters and replays an entry of thousands of fields", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const fields = Array.from({ length: 9_000 }, (_, n) => [`field-${n}`, `ü${n}`]);
  await redis.call("XADD", KEY, "*", ...fields.flat());
  await redis.call("XADD", KEY, "*", "data", '{"n":2}', "headers", '{"a":"b"}', ...fields.flat());
  const query = { group: GROUP, ids: undefined, limit: 5 };
  for (let round = 0; round < 2; round++) {
    const held = await driver.take(5);
    assert.deepEqual(held.map(({ body, headers }) => [body, headers]), [[undefined, undefined], ['{"n":2}', {
      a: "b",
    }]]);
    assert.deepEqual(await driver.all(held, DEAD), [true, true]);
    const { letters } = await driver.deadLetters.list(KEY, query, undefined, NEVER);
    const whole = JSON.parse(String(letters[0]!.body)) as Record<string, string>;
    for (const [name, value] of fields) assert.equal(whole[name!], value);
    assert.deepEqual([letters[1]!.body, letters[1]!.headers], ['{"n":2}', { a: "b" }]);
    assert.equal(letters[0]!.messageId, held[0]!.id);
    assert.equal(await driver.deadLetters.replay!(KEY, query, NEVER), 2);
  }
  assert.equal(await redis.call("EXISTS", groupKeys(KEY, GROUP).dead), 0);
});
