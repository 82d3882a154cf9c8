// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import type { RawDelivery } from "../../core/driver.ts";
import type { Lease } from "../../backends/streams/lease_groups.ts";
import { groupKeys } from "../../backends/streams/keys.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { GROUP, KEY, message, NEVER, numbers, TestDriver } from "./support/streams.ts";
import { again, DEAD, inTurn, kept, leases, ordered, passDelays, send, settle } from "./support/streams_ordering.ts";

const test = requires("redis-server");
const { turns, wake } = groupKeys(KEY, GROUP);
/** The field of `turns` that is there while a reader waits. */
const LOOK = "look".repeat(16);
/** The field of `turns` that has the names of a run. */
const RUN_NAMES = "name".repeat(16);
const COUNT = 40;
const ALL = Array.from({ length: COUNT }, (_, n) => n);
const hasRun = async (redis: RedisServer) => await redis.call("HEXISTS", turns, RUN_NAMES) === 1;

/** One message of each ordering key, from `key 0` on. */
const round = (from: number) => ALL.map((n) => message(from + n, { orderingKey: `key ${n}` }));

/** The same of other ordering keys. */
const others = () => ALL.map((n) => message(n + 300, { orderingKey: `other ${n}` }));

/** Leases messages until there are no more. */
async function takeAll(driver: TestDriver): Promise<RawDelivery[]> {
  const all: RawDelivery[] = [];
  for (let some = await driver.take(COUNT); some.length > 0; some = await driver.take(COUNT)) all.push(...some);
  return all;
}

/** The numbers of deliveries, the lowest first. */
const sorted = (deliveries: readonly RawDelivery[]) => numbers(deliveries).map(Number).sort((a, b) => a - b);

/** A consumer that has looked for lost messages already. */
async function consumer(redis: RedisServer): Promise<TestDriver> {
  const driver = new TestDriver(redis);
  await driver.take(1);
  return driver;
}

/** Publishes one message of each ordering key, and leases them as a run. */
async function takeRun(driver: TestDriver, redis: RedisServer): Promise<RawDelivery[]> {
  for (let i = 0; i < 2; i++) { // a consumer that acknowledges all of them at once, twice
    await send(driver, ...round(1_000));
    await driver.all(await driver.take(COUNT));
  }
  await send(driver, ...round(0));
  const run = await driver.take(COUNT);
  assert.deepEqual(numbers(run), ALL);
  assert.deepEqual([await hasRun(redis), await kept(redis)], [true, [0, 2]]);
  return run;
}

test("StreamsDriver keeps a run as one for a consumer that acknowledges it at once", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = await consumer(redis);
  await send(driver, ...round(0));
  await driver.all(await driver.take(COUNT));
  await send(driver, ...round(0));
  const second = await driver.take(COUNT);
  assert.equal(await hasRun(redis), false, "not after one that was acknowledged at once");
  await driver.all(second);
  const run = await takeRun(driver, redis);
  assert.equal((await driver.depth(KEY, GROUP, NEVER)).inFlight, COUNT);
  await send(driver, ...ordered("key 7", 100), ...ordered("free", 101, 102), ...ordered("key 3", 103));
  assert.equal((await driver.depth(KEY, GROUP, NEVER)).blocked, 3);
  const free = await leases(other, 101);
  assert.equal((await driver.depth(KEY, GROUP, NEVER)).blocked, 3);
  assert.equal(await hasRun(redis), true);
  assert.deepEqual(await driver.all(run), ALL.map(() => true));
  assert.equal(await hasRun(redis), false);
  const next = await leases(driver, 100, 103);
  await driver.all([...free, ...next]);
  await driver.all(await leases(driver, 102));
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver frees those of a run that are acknowledged, and no others", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const run = await takeRun(driver, redis);
  await send(driver, ...round(100));
  const [two, others] = [[run[5]!, run[9]!], run.filter((_, n) => n !== 5 && n !== 9)];
  assert.deepEqual(await driver.all(two), [true, true]);
  assert.equal(await hasRun(redis), false, "a run of which a part is acknowledged is one no more");
  const next = await takeAll(driver);
  assert.deepEqual(numbers(next), [105, 109]);
  await driver.all(two); // once more
  await leases(driver);
  assert.deepEqual(await driver.all(others), others.map(() => true));
  const rest = await takeAll(driver);
  assert.deepEqual(sorted(rest), ALL.filter((n) => n !== 5 && n !== 9).map((n) => 100 + n));
  await driver.all([...next, ...rest]);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver frees those of a run for which others wait already", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = await consumer(redis);
  for (const part of [0, 20]) { // the run as a whole, or half of it
    const run = await takeRun(driver, redis);
    await send(driver, ...ordered("key 0", 100), ...ordered("key 39", 139), ...ordered("key 21", 121));
    await leases(other);
    assert.deepEqual([await hasRun(redis), await kept(redis)], [true, [3, 5]]);
    if (part > 0) {
      await driver.all(run.slice(part));
      const first = await leases(other, 139, 121);
      await driver.all(run.slice(0, part));
      await other.all([...await leases(other, 100), ...first]);
    } else {
      await driver.all(run);
      await other.all(await leases(other, 100, 139, 121));
    }
    assert.deepEqual(await kept(redis), [0, 0]);
  }
});

test("StreamsDriver gives messages of a run back, and keeps their places", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const run = await takeRun(driver, redis);
  await send(driver, ...round(100));
  await settle(driver, run[1]!, again(3_600_000));
  await settle(driver, run[2]!, { kind: "release" });
  await settle(driver, run[3]!, DEAD);
  const some = await takeAll(driver);
  assert.deepEqual(numbers(some), [2, 103]);
  await driver.all(some);
  await driver.all(run.filter((_, n) => n < 1 || n > 3));
  const next = await takeAll(driver);
  assert.deepEqual(sorted(next), ALL.filter((n) => n !== 1 && n !== 3).map((n) => n + 100));
  await driver.all(next);
  await leases(driver);
  await passDelays(redis);
  await inTurn(driver, 1, 101);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver takes over a run whose lease has ended", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = await consumer(redis);
  const run = await takeRun(driver, redis);
  await send(driver, ...round(100));
  await driver.endLeases();
  const taken = await other.take(COUNT);
  assert.deepEqual([numbers(taken), taken.map(({ attempts }) => attempts)], [ALL, ALL.map(() => 2)]);
  assert.equal(await hasRun(redis), false);
  assert.deepEqual(await takeAll(other), []);
  assert.deepEqual(await other.all(taken), ALL.map(() => true));
  const next = await takeAll(other);
  assert.deepEqual(sorted(next), ALL.map((n) => n + 100));
  assert.deepEqual(await driver.all(run), ALL.map(() => false));
  await send(driver, ...round(200));
  assert.deepEqual(await takeAll(driver), [], "a late acknowledgement frees nothing");
  await other.all(next);
  await driver.all(await takeAll(driver));
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver frees a whole run that is no longer kept as one, and no other", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = await consumer(redis);
  const [first, ...rest] = await takeRun(driver, redis);
  await send(driver, ...round(100));
  await settle(driver, first!, { kind: "release" }); // the run is spread
  await driver.all([...await leases(driver, 0), ...rest]);
  await driver.all(await takeAll(driver));
  const run = await takeRun(driver, redis);
  await consumer(redis).then((swept) => swept.close());
  assert.equal(await hasRun(redis), false);
  for (let i = 0; i < 2; i++) {
    await send(driver, ...others());
    await other.all(await other.take(COUNT));
  }
  await send(driver, ...others());
  const second = await other.take(COUNT);
  assert.equal(await hasRun(redis), true);
  await send(driver, ...round(200), ...others());
  assert.deepEqual(await driver.all(run), ALL.map(() => true));
  assert.deepEqual(sorted(await takeAll(driver)), ALL.map((n) => n + 200));
  await other.all(second);
  assert.deepEqual(sorted(await takeAll(driver)), ALL.map((n) => n + 300));
});

test("StreamsDriver frees none of a run by the repetition of an acknowledgement", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const old = await takeRun(driver, redis);
  await driver.all(old.slice(0, 20));
  await driver.all(old.slice(20));
  const run = await takeRun(driver, redis); // of the same ordering keys
  await send(driver, ...round(100));
  await driver.all(old.slice(0, 20));
  await driver.all(old);
  assert.deepEqual(await takeAll(driver), []);
  await driver.all(run);
  assert.deepEqual(sorted(await takeAll(driver)), ALL.map((n) => n + 100));
});

test("StreamsDriver frees a run beside a consumer of another kind", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const run = await takeRun(driver, redis);
  await driver.put(-1, 0);
  await redis.call("XREADGROUP", "GROUP", GROUP, "stranger", "COUNT", "1", "STREAMS", KEY, ">");
  await send(driver, ...round(100));
  assert.deepEqual(await driver.all(run.slice(0, 3)), [true, true, true]);
  assert.deepEqual(await driver.all(run.slice(3)), ALL.slice(3).map(() => true));
  assert.deepEqual(sorted(await takeAll(driver)), ALL.map((n) => n + 100));
  await driver.all(run);
});

test("StreamsDriver finds out that somebody else has settled a message of a run", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const run = await takeRun(driver, redis);
  await send(driver, ...round(100));
  const { member } = run[4]!.lease as Lease;
  await redis.call("XACK", KEY, GROUP, member);
  await using swept = new TestDriver(redis);
  assert.deepEqual(sorted(await takeAll(swept)), [104]);
  await driver.all(run);
  assert.deepEqual(sorted(await takeAll(driver)), ALL.filter((n) => n !== 4).map((n) => n + 100));
});

test("StreamsDriver wakes a reader that was put off when one of a run is free", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  for (const count of [COUNT, 1]) {
    const run = await takeRun(driver, redis);
    await redis.call("DEL", wake);
    await redis.call("HSET", turns, LOOK, String(new Date().getTime() + 3_600_000)); // as if one waited
    await driver.all(run.slice(0, count));
    assert.deepEqual([await redis.call("EXISTS", wake), await redis.call("HEXISTS", turns, LOOK)], [1, 0]);
    await driver.all(run.slice(count));
  }
});

test("StreamsDriver keeps no second run, and none of ids that are far apart", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const run = await takeRun(driver, redis);
  await send(driver, ...others());
  const second = await driver.take(COUNT);
  assert.deepEqual([numbers(second), await kept(redis)], [ALL.map((n) => n + 300), [0, COUNT + 2]]);
  await driver.all(second);
  await driver.all(run);
  assert.deepEqual(await kept(redis), [0, 0]);
  const many = Array.from({ length: 100 }, (_, n) => n);
  for (const n of many) {
    await redis.call("XADD", KEY, `${4e12 + 2 * n}-7`, "data", `{"n":${n}}`, "orderingKey", `k${n}`);
  }
  const apart = await driver.take(200);
  assert.deepEqual([numbers(apart), await hasRun(redis)], [many, false]);
  await driver.all(apart);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver names the messages of a run by their ids, of any milliseconds", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.all(await takeRun(driver, redis));
  const words = [[4e12, 9], [4e12 + 1, 50], [4e12 + 2, 60], [4e12 + 5, 1]] as const;
  const ids = words.flatMap(([ms, count]) => Array.from({ length: count }, (_, i) => `${ms}-${i + (ms % 2) * 1e14}`));
  const add = (id: string, n: number) =>
    redis.call("XADD", KEY, id, "data", `{"n":${n}}`, "orderingKey", `k${n % ids.length}`);
  for (const [n, id] of ids.entries()) await add(id, n);
  const run = await driver.take(ids.length);
  assert.deepEqual(run.map(({ id }) => id), ids);
  assert.equal(await hasRun(redis), true);
  for (const n of ids.keys()) await add("*", ids.length + n);
  await leases(driver); // some of them are held behind the run
  await driver.all(run);
  const next = await takeAll(driver);
  assert.deepEqual(sorted(next), Array.from(ids.keys(), (n) => ids.length + n));
  await driver.all(next);
  const far = [`${5e12}-18446744073709551613`, `${5e12}-18446744073709551614`]; // more than a number holds
  for (const [n, id] of far.entries()) await add(id, n);
  assert.deepEqual((await driver.take(1)).concat(await driver.take(1)).map(({ id }) => id), far);
});
