// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { groupKeys } from "../../backends/streams/keys.ts";
import { EXTEND, SETTLE } from "../../backends/streams/scripts.ts";
import type { RawDelivery } from "../../core/driver.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { startProxy } from "../servers/tcp_proxy.ts";
import { GROUP, KEY, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

type Settle = { kind: "ack" };
const LATER = { kind: "retry", delayMs: 600_000, cause: undefined } as { kind: string } as Settle;
const DEAD = { kind: "dead", cause: { name: "Error", message: "no" } } as { kind: string } as Settle;
const { leases } = groupKeys(KEY, GROUP);

/** Two messages in hand, and a renewal of the first whose answer is lost after the server has moved it. */
async function afterLostRenewal(
  step: (held: RawDelivery[], ours: TestDriver, others: TestDriver, redis: RedisServer) => Promise<void>,
): Promise<void> {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using ours = new TestDriver(redis, {}, proxy.port);
  await using others = new TestDriver(redis);
  await others.put(0, 2);
  const held = await ours.take(2);
  await ours.renew(held); // so that the server knows the script
  const lost = proxy.loseNextReply(EXTEND.sha);
  await assert.rejects(ours.renew(held.slice(0, 1)));
  await lost;
  assert.equal(await redis.call("ZCARD", leases), 2, "the server has moved it");
  await step(held, ours, others, redis);
}

test("StreamsDriver.extend finds what its first run did, where the answer was lost", () =>
  afterLostRenewal(async (held, ours, others, redis) => {
    assert.deepEqual(await ours.renew(held), [true, true]);
    assert.deepEqual(await ours.renew(held.slice(0, 1)), [true], "a part of them again");
    assert.equal(Number(await redis.call("ZCARD", leases)), 2, "repetitions make no further leases");
    assert.deepEqual(await others.take(5), []);
    assert.deepEqual(await ours.all(held), [true, true]);
    assert.deepEqual(await others.counts(), [0, 0, 0, 0]);
  }));

test("StreamsDriver.settle retries, releases and buries what a lost renewal has moved", async () => {
  for (
    const [how, counts] of [[LATER, [0, 1, 1, 0]], [DEAD, [0, 1, 0, 1]], [{ kind: "release" }, [1, 1, 0, 0]]] as const
  ) {
    await afterLostRenewal(async (held, ours, others) => {
      assert.deepEqual(await ours.all(held.slice(0, 1), how as Settle), [true]);
      assert.deepEqual(await others.counts(), counts);
    });
  }
});

test("StreamsDriver.settle refuses what was taken after a lost renewal ran out", () =>
  afterLostRenewal(async (held, ours, others, redis) => {
    for (const [i, name] of (await redis.call("ZRANGE", leases, "0", "-1") as string[]).entries()) {
      await redis.call("ZADD", leases, String(i + 1), name);
    }
    const taken = await others.take(5);
    assert.deepEqual(numbers(taken).sort(), [0, 1]);
    for (const how of [{ kind: "ack" } as Settle, LATER, DEAD, { kind: "release" } as unknown as Settle]) {
      assert.deepEqual(await ours.all(held, how), [false, false], how.kind);
    }
    assert.deepEqual(await ours.renew(held), [false, false]);
    assert.deepEqual(await others.all(taken), [true, true]);
  }));

test("StreamsDriver.settle refuses what was taken while the old lease still lasts", () =>
  afterLostRenewal(async (held, ours, others, redis) => {
    await redis.call("ZADD", leases, "1", await holderOf(redis, held[0]!.id));
    const taken = await others.take(5);
    assert.deepEqual(numbers(taken), [0]);
    for (const how of [{ kind: "ack" } as Settle, LATER, DEAD, { kind: "release" } as unknown as Settle]) {
      assert.deepEqual(await ours.all(held.slice(0, 1), how), [false], how.kind);
    }
    assert.deepEqual(await ours.all(held.slice(1)), [true]);
    assert.deepEqual(await others.all(taken), [true]);
  }));

test("StreamsDriver.settle refuses what a foreign consumer of the group has claimed", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 3);
  const held = await driver.take(3);
  await redis.call("XAUTOCLAIM", KEY, GROUP, "python", "0", "0", "COUNT", "2");
  assert.deepEqual(await driver.all(held.slice(0, 1)), [false]);
  assert.deepEqual(await driver.all(held.slice(1, 2), LATER), [false]);
  assert.deepEqual(await driver.all(held.slice(2)), [true], "what is ours is settled beside it");
  const pending = await redis.call("XPENDING", KEY, GROUP, "-", "+", "10") as string[][];
  assert.deepEqual(pending.map(([, consumer]) => consumer), ["python", "python"]);
});

test("StreamsDriver.extend resets the idle time that a foreign XAUTOCLAIM uses", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 2);
  const held = await driver.take(2);
  for (const { id } of held) {
    await redis.call("XCLAIM", KEY, GROUP, await holderOf(redis, id), "0", id, "IDLE", "90000");
  }
  assert.deepEqual(await driver.renew(held), [true, true]);
  const [, claimed] = await redis.call("XAUTOCLAIM", KEY, GROUP, "python", "60000", "0") as [string, unknown[]];
  assert.deepEqual(claimed, []);
  assert.deepEqual(await driver.all(held), [true, true]);
});

test("StreamsDriver.settle answers a repetition by what its first run did", async () => {
  for (const how of [{ kind: "ack" } as Settle, LATER, DEAD]) {
    await using redis = await startRedis();
    await using proxy = await startProxy(redis.port);
    await using driver = new TestDriver(redis, {}, proxy.port);
    await driver.put(0, 2);
    const held = await driver.take(2);
    await driver.all([]);
    const lost = proxy.loseNextReply(SETTLE.sha);
    await assert.rejects(driver.all(held, how));
    await lost;
    const counts = await driver.counts();
    assert.deepEqual(await driver.all(held, how), [true, true], how.kind);
    assert.deepEqual(await driver.counts(), counts, how.kind);
    await redis.call("XGROUP", "DESTROY", KEY, GROUP).catch(() => undefined); // it may be gone already
    assert.deepEqual(await driver.all(held, how), [false, false], "nothing is there to be settled");
  }
});

test("StreamsDriver.receive puts at most 900 entries under one lease", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  for (let from = 0; from < 5_000; from += 1_000) await driver.put(from, from + 1_000);
  const some = await Promise.all(Array.from({ length: 8 }, () => driver.take(500)));
  const many = await driver.take(4_000);
  assert.ok(some.flat().length + many.length > 2_000);
  const consumers = await redis.call("XINFO", "CONSUMERS", KEY, GROUP) as (string | number)[][];
  const most = Math.max(...consumers.map((fields) => Number(fields[3])));
  assert.ok(most <= 900, `${most} are pending for one consumer`);
});

test("StreamsDriver.receive takes over at once where the list of leases is gone", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 2);
  await driver.take(2);
  await redis.call("DEL", leases);
  assert.deepEqual(await driver.counts(), [2, 0, 0, 0]);
  await using other = new TestDriver(redis);
  const again = await other.take(5);
  assert.deepEqual(again.map(({ attempts }) => attempts), [2, 2]);
  assert.ok(Number(await redis.call("PTTL", leases)) > 0, "the list goes by itself");
});

test("StreamsDriver.settle does all but the settlement that the server refuses", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 4);
  const held = await driver.take(4);
  const { dead } = groupKeys(KEY, GROUP);
  await redis.call("SET", dead, "a key of another type");
  const settlements = held.map(({ lease }, n) => n === 1 ? { ...DEAD, lease } : { kind: "ack" as const, lease });
  const [first, refused, ...rest] = await driver.settle(KEY, GROUP, settlements, NEVER);
  assert.deepEqual([first, ...rest], [true, true, true]);
  assert.equal(driver.classify((refused as { error: unknown }).error), "invalid");
  await redis.call("DEL", dead);
  assert.deepEqual(await driver.all([held[1]!], DEAD), [true], "it is still in hand");
  assert.deepEqual(await driver.counts(), [0, 0, 0, 1]);
});

async function holderOf(redis: RedisServer, id: string): Promise<string> {
  const [[, consumer]] = await redis.call("XPENDING", KEY, GROUP, id, id, "1") as [[string, string]];
  return consumer;
}
