// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { groupKeys } from "../../backends/streams/keys.ts";
import { HandClock, turn } from "../doubles/hand_clock.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { StreamsDriver } from "../../backends/streams/driver.ts";
import { GROUP, KEY, message, NEVER, numbers, TestDriver, transportTo } from "./support/streams.ts";
import { kept, send } from "./support/streams_ordering.ts";

const test = requires("redis-server");
const KEYS = 100;
const { turns, wake } = groupKeys(KEY, GROUP);
/** The field of `turns` that is there while a reader waits. */
const LOOK = "look".repeat(16);

/** Rounds of one message of each key: what comes after the first round has to wait. */
async function sendRounds(driver: TestDriver, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await send(
      driver,
      ...Array.from({ length: KEYS }, (_, k) => message(round * KEYS + k, { orderingKey: `key ${k}` })),
    );
  }
}

/** How many entries the group has read and not settled. */
async function pending(redis: RedisServer): Promise<number> {
  return Number((await redis.call("XPENDING", KEY, GROUP) as [number])[0]);
}

test("StreamsDriver reads no further while those at the front wait", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await sendRounds(driver, 30);
  const first = await driver.take(900);
  assert.deepEqual(numbers(first), Array.from({ length: KEYS }, (_, n) => n));
  const second = driver.take(900, { waitMs: 10_000 });
  while (!await redis.call("HEXISTS", turns, LOOK)) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.ok(await pending(redis) < KEYS + 200, `${await pending(redis)} are read`);
  await driver.all(first);
  assert.ok((await second).length > 0);
});

test("StreamsDriver reads on after a settlement where the next message waits", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { clock: new HandClock() }); // no time passes
  await driver.put(-1, 0);
  await driver.all(await driver.take(1)); // the server knows the scripts from now on
  await sendRounds(driver, 2);
  const first = await driver.take(KEYS, { waitMs: 10_000 });
  assert.equal(first.length, KEYS);
  const second = driver.take(900, { waitMs: 10_000 });
  await turn();
  await driver.all(first);
  assert.equal((await second).length, KEYS);
  assert.equal(await redis.call("EXISTS", wake), 0, "nobody had to be woken");
});

test("StreamsDriver reads on at once where the next message is free", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { clock: new HandClock() }); // no time passes
  await sendRounds(driver, 1);
  await send(driver, message(-1, { orderingKey: "free" }), message(-2));
  assert.equal((await driver.take(KEYS, { waitMs: 10_000 })).length, KEYS);
  assert.deepEqual(numbers(await driver.take(1, { waitMs: 10_000 })), [-1]);
  assert.deepEqual(numbers(await driver.take(1, { waitMs: 10_000 })), [-2]);
});

test("StreamsDriver reads few messages to see that those at the front wait", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await sendRounds(driver, 2);
  await driver.take(KEYS);
  await redis.call("HSET", turns, LOOK, String(new Date().getTime() + 3_600_000)); // as if one waited, for long
  assert.deepEqual(await driver.take(900, { waitMs: 1 }), []);
  assert.ok(await pending(redis) < KEYS + 32, `${await pending(redis)} are read`);
});

test("StreamsDriver wakes a reader that was put off when an ordering key is free", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await sendRounds(driver, 1);
  const first = await driver.take(900);
  const later = new Date().getTime() + 3_600_000;
  await redis.call("HSET", turns, LOOK, String(later)); // as if one waited
  await driver.all(first.slice(0, 1));
  assert.equal(await redis.call("EXISTS", wake), 1);
  assert.equal(await redis.call("HEXISTS", turns, LOOK), 0, "once");
  await redis.call("DEL", wake);
  await driver.all(first.slice(1));
  assert.equal(await redis.call("EXISTS", wake), 0);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver looks ahead by and by while many ordering keys are in hand", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await sendRounds(driver, 30);
  await send(driver, message(-1, { orderingKey: "free" }), message(-2));
  assert.equal((await driver.take(KEYS)).length, KEYS);
  const found: unknown[] = [];
  while (found.length < 2) {
    const some = await driver.take(100, { waitMs: 10_000 });
    assert.ok(some.length > 0, "what is free comes although nothing is acknowledged");
    found.push(...numbers(some));
  }
  assert.deepEqual(found, [-1, -2]);
});

test("StreamsDriver looks through everything for a caller that does not wait", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await sendRounds(driver, 30);
  await send(driver, message(-1, { orderingKey: "free" }));
  assert.equal((await driver.take(KEYS)).length, KEYS);
  assert.deepEqual(numbers(await driver.take(100)), [-1]);
  const depth = await driver.depth(KEY, GROUP, NEVER);
  assert.deepEqual([depth.ready, depth.inFlight, depth.blocked], [0, KEYS + 1, 29 * KEYS]);
});

test("StreamsDriver knows that there is no more only where it has looked at all", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  let known = 0;
  const unchanged = () => ++known === 0; // asked where the look before took all there was
  const transport = Object.assign(transportTo(redis.port), { unchanged });
  const limits = { maxPayloadBytes: 1e6, maxBatchBytes: 1e6, maxWaitMs: 30_000, idleCostPerHour: 240 };
  const patient = new StreamsDriver(transport, { name: "streams", ...limits });
  const take = (max: number) =>
    patient.receive(KEY, { group: GROUP, max, leaseMs: 60_000, waitMs: 30_000, signal: NEVER });
  try {
    await driver.put(0, 3);
    assert.deepEqual([numbers(await take(2)), known], [[0, 1], 0]);
    assert.deepEqual([numbers(await take(2)), known], [[2], 0], "there was no room for more");
    await sendRounds(driver, 4);
    assert.deepEqual([(await take(900)).length, known], [KEYS, 1], "it had looked at all");
    await send(driver, message(-1));
    const rest: unknown[] = [];
    while (rest.length === 0) rest.push(...numbers(await take(900)));
    assert.deepEqual([rest, known], [[-1], 1], "it had stopped at those that wait");
  } finally {
    await patient.close();
  }
});
