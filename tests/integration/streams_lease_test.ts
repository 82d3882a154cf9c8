// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { groupKeys } from "../../backends/streams/keys.ts";
import type { Lease } from "../../backends/streams/lease_groups.ts";
import { SETTLE } from "../../backends/streams/scripts.ts";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { startProxy } from "../servers/tcp_proxy.ts";
import { GROUP, KEY, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

const CAUSE = { name: "Error", message: "no" };

test("StreamsDriver.receive gives a leased message to nobody else until its lease ends", async () => {
  await using redis = await startRedis();
  await using first = new TestDriver(redis);
  await using second = new TestDriver(redis);
  await first.put(0, 3);
  assert.deepEqual(numbers(await first.take(2)), [0, 1]);
  assert.deepEqual(numbers(await second.take(10)), [2]);
  await first.endLeases();
  const again = await second.take(10);
  assert.deepEqual(numbers(again), [0, 1, 2]);
  assert.deepEqual(again.map(({ attempts }) => attempts), [2, 2, 2]);
});

test("StreamsDriver.receive waits for the end of a lease, and no longer", async () => {
  await using redis = await startRedis();
  await using first = new TestDriver(redis);
  await using second = new TestDriver(redis);
  await first.put(0, 1);
  const leaseMs = 150;
  const leasedAt = Date.now();
  await first.take(1, { leaseMs });
  const again = await second.take(1, { waitMs: 10_000 });
  assert.deepEqual(numbers(again), [0]);
  assert.ok(Date.now() - leasedAt >= leaseMs, "it came before the lease had ended");
});

test("StreamsDriver.settle returns false for a late settlement, which changes nothing", async () => {
  await using redis = await startRedis();
  await using first = new TestDriver(redis);
  await using second = new TestDriver(redis);
  await first.put(0, 4);
  const late = await first.take(4);
  await first.endLeases();
  const now = await second.take(4);
  assert.equal(now.length, 4);
  const [a, b, c, d] = late.map(({ lease }) => lease);
  const answers = await first.settle(
    KEY,
    GROUP,
    [
      { kind: "ack", lease: a },
      { kind: "retry", delayMs: 0, cause: undefined, lease: b },
      { kind: "release", lease: c },
      { kind: "dead", cause: CAUSE, lease: d },
    ],
    NEVER,
  );
  assert.deepEqual(answers, [false, false, false, false]);
  assert.deepEqual(await second.counts(), [0, 4, 0, 0]);
  assert.deepEqual(await first.renew(late), [false, false, false, false]);
  assert.deepEqual(await second.all(now), [true, true, true, true]);
  assert.deepEqual(await second.counts(), [0, 0, 0, 0]);
});

test("StreamsDriver.settle takes what an ended lease holds and nobody else took", async () => {
  await using redis = await startRedis();
  await using first = new TestDriver(redis);
  await using second = new TestDriver(redis);
  await first.put(0, 3);
  const late = await first.take(3);
  await first.endLeases();
  const [taken] = await second.take(1);
  assert.deepEqual(await first.all(late), [false, true, true]);
  assert.deepEqual(await second.all([taken!]), [true]);
});

test("StreamsDriver.receive does not revive a lease that ended unnoticed", async () => {
  await using redis = await startRedis();
  await using first = new TestDriver(redis);
  await using second = new TestDriver(redis);
  await first.put(0, 2);
  const late = await first.take(2);
  await first.endLeases();
  const [taken] = await second.take(1);
  await first.put(2, 3);
  const more = await first.take(1, { waitMs: 1_000 });
  assert.deepEqual(numbers(more), [1], "what is oldest comes first");
  assert.deepEqual(await first.all(late), [false, false]);
  assert.deepEqual(await second.all([taken!]), [true]);
  assert.deepEqual(await first.all(more), [true]);
});

test("StreamsDriver.extend renews a part of a lease and lets the rest end", async () => {
  await using redis = await startRedis();
  await using first = new TestDriver(redis);
  await using second = new TestDriver(redis);
  await first.put(0, 4);
  const held = await first.take(4, { leaseMs: 1_000 });
  assert.deepEqual(await first.renew(held), [true, true, true, true]);
  assert.deepEqual(await first.renew(held.slice(0, 2), 120_000), [true, true]);
  const { leases } = groupKeys(KEY, GROUP);
  const ends = await redis.call("ZRANGE", leases, "0", "-1", "WITHSCORES") as string[];
  assert.equal(ends.length, 4, "the renewed part has a lease of its own");
  await redis.call("ZADD", leases, "1", ends[0]!);
  const again = await second.take(10);
  assert.deepEqual(numbers(again), [2, 3]);
  assert.deepEqual(again.map(({ attempts }) => attempts), [2, 2]);
  assert.deepEqual(await first.all(held), [true, true, false, false]);
});

test("StreamsDriver.extend makes one lease shorter than the others", async () => {
  await using redis = await startRedis();
  await using first = new TestDriver(redis);
  await using second = new TestDriver(redis);
  await first.put(0, 2);
  const held = await first.take(2);
  assert.deepEqual(await first.renew([held[1]!], 50), [true]);
  assert.deepEqual(numbers(await second.take(5, { waitMs: 10_000 })), [1]);
  assert.deepEqual(await first.all(held), [true, false]);
});

test("RawDelivery.attempts counts deliveries and lost leases, not releases", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 1);
  const attempts: number[] = [];
  const take = async () => {
    const [delivery] = await driver.take(1, { waitMs: 10_000 });
    attempts.push(delivery!.attempts);
    return [delivery!];
  };
  await driver.all(await take(), { kind: "release" });
  await driver.all(await take(), { kind: "retry", delayMs: 0, cause: undefined } as { kind: "retry" });
  await take();
  await driver.endLeases();
  await driver.all(await take(), { kind: "release" });
  await driver.all(await take(), { kind: "retry", delayMs: 20, cause: undefined } as { kind: "retry" });
  await driver.all(await take());
  assert.deepEqual(attempts, [1, 1, 2, 3, 3, 4]);
});

test("StreamsDriver.settle returns released messages to their order", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 30);
  const held = await driver.take(25);
  await driver.all([...held].reverse(), { kind: "release" });
  assert.deepEqual(numbers(await driver.take(100)), Array.from({ length: 30 }, (_, i) => i));
});

test("StreamsDriver.settle delays a retry beyond the lease, for its group alone", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 2);
  const [short, long] = await driver.take(2, { leaseMs: 20 });
  const retriedAt = Date.now();
  const retry = (delayMs: number) =>
    ({ kind: "retry", delayMs, cause: undefined }) as { kind: string } as { kind: "ack" };
  await driver.all([long!], retry(600_000));
  await driver.all([short!], retry(120));
  const [again] = await driver.take(2, { waitMs: 10_000, leaseMs: 600_000 });
  assert.ok(Date.now() - retriedAt >= 120, "it came early");
  assert.deepEqual([again!.body, again!.attempts], ['{"n":0}', 2]);
  assert.deepEqual(await driver.counts(), [0, 1, 1, 0]);
  assert.deepEqual(await driver.counts("others"), [2, 0, 0, 0]);
});

test("StreamsDriver.settle does nothing twice where its answer was lost", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using first = new TestDriver(redis, {}, proxy.port);
  await using second = new TestDriver(redis);
  await first.put(0, 3);
  const held = await first.take(3);
  const again = held.map(({ lease }) => lease);
  const settle = () =>
    first.settle(
      KEY,
      GROUP,
      [
        { kind: "ack", lease: again[0] },
        { kind: "retry", delayMs: 0, cause: undefined, lease: again[1] },
        { kind: "dead", cause: CAUSE, lease: again[2] },
      ],
      NEVER,
    );
  await first.all([]); // so that the server knows the script
  const lost = proxy.loseNextReply(SETTLE.sha);
  await assert.rejects(settle(), (error) => first.classify(error) === "unknown-outcome");
  await lost;
  const taken = await second.take(3);
  assert.deepEqual(numbers(taken), [1]);
  assert.deepEqual(await settle(), [true, true, true]);
  assert.deepEqual(await second.counts(), [0, 1, 0, 1]);
  assert.deepEqual(await second.all(taken), [true]);
});

test("StreamsDriver.receive takes over what a foreign consumer left in the group", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 2);
  await redis.call("XGROUP", "CREATE", KEY, GROUP, "0");
  await redis.call("XREADGROUP", "GROUP", GROUP, "python", "COUNT", "1", "STREAMS", KEY, ">");
  assert.deepEqual(numbers(await driver.take(5, { leaseMs: 60_000 })), [1], "it may still be at work");
  await redis.call("XREADGROUP", "GROUP", GROUP, "other", "COUNT", "1", "STREAMS", KEY, ">");
  const found = await driver.take(5, { leaseMs: 1, waitMs: 10_000 });
  assert.deepEqual(found.map(({ body, attempts }) => [body, attempts]), [['{"n":0}', 2]]);
});

test("StreamsDriver.receive finds what was given back where the list of it is gone", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 2);
  await driver.all(await driver.take(2), { kind: "retry", delayMs: 600_000, cause: undefined } as { kind: "retry" });
  await redis.call("DEL", groupKeys(KEY, GROUP).again);
  await using other = new TestDriver(redis);
  assert.deepEqual(numbers(await other.take(5)), [0, 1]);
});

test("StreamsDriver.receive spreads a large prefetch over leases of 900 entries", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  for (let from = 0; from < 3_000; from += 1_000) await driver.put(from, from + 1_000);
  let taken = 0;
  while (taken < 3_000) taken += (await driver.take(400)).length;
  const consumers = await redis.call("XINFO", "CONSUMERS", KEY, GROUP) as (string | number)[][];
  const most = Math.max(...consumers.map((fields) => Number(fields[3])));
  assert.ok(most <= 900, `${most} are pending for one consumer`);
});

test("StreamsDriver.receive uses a lease again whose messages are settled", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const leaseMs = 36_000_000; // an eighth of it is longer than this test takes
  const leases = async () => Number(await redis.call("ZCARD", groupKeys(KEY, GROUP).leases));
  for (let from = 0; from < 3_000; from += 300) {
    await driver.put(from, from + 300);
    const some = await driver.take(900, { leaseMs });
    assert.equal(some.length, 300);
    const [letter, ...rest] = some;
    await driver.all([letter!], { kind: "dead", cause: CAUSE } as { kind: "dead" });
    await driver.all(rest);
  }
  assert.equal(await leases(), 1);
  await driver.put(3_000, 3_300);
  await driver.all((await driver.take(900, { leaseMs })).slice(0, 100));
  await driver.put(3_300, 4_000);
  await driver.take(700, { leaseMs });
  assert.equal(await leases(), 1, "200 and 700 are no more than 900");
  await driver.put(4_000, 4_001);
  await driver.take(1, { leaseMs });
  assert.equal(await leases(), 2);
});

test("StreamsDriver.receive never uses a lease again that gave a message back", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const leaseMs = 36_000_000;
  for (const kind of ["release", "retry"] as const) {
    await driver.put(0, 3);
    const [first, second, third] = await driver.take(900, { leaseMs });
    await driver.all([second!]);
    await driver.all([first!], { kind, delayMs: 0, cause: undefined } as { kind: "retry" });
    await driver.all([third!]);
    const [again] = await driver.take(900, { leaseMs });
    assert.notEqual((again!.lease as Lease).group, (first!.lease as Lease).group, kind);
    await driver.all([again!]);
  }
});

test("StreamsDriver.receive leaves nothing behind of leases that have ended", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  for (let i = 0; i < 10; i++) {
    await using one = new TestDriver(redis);
    await driver.put(i, i + 1);
    await one.all(await one.take(1));
  }
  await driver.endLeases();
  await driver.take(1);
  const consumers = await redis.call("XINFO", "CONSUMERS", KEY, GROUP) as unknown[][];
  assert.ok(consumers.length <= 1, `${consumers.length} consumers are left`);
  assert.equal(await redis.call("ZCARD", groupKeys(KEY, GROUP).leases), 0);
});

test("StreamsDriver.extend leaves out what a lost answer of receive had leased", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using first = new TestDriver(redis, {}, proxy.port);
  await using second = new TestDriver(redis);
  await first.put(0, 3);
  const leaseMs = 400; // within which what follows is one lease to the consumer
  const known = await first.take(1, { leaseMs });
  const lost = proxy.loseNextReply("EVALSHA");
  await assert.rejects(first.take(1, { leaseMs }), (error) => first.classify(error) === "unknown-outcome");
  await lost;
  assert.deepEqual(await first.renew(known, 60_000), [true]);
  assert.deepEqual(numbers(await second.take(5)), [2]);
  const again = await second.take(5, { waitMs: 10_000 });
  assert.deepEqual(again.map(({ body, attempts }) => [body, attempts]), [['{"n":1}', 2]]);
  assert.deepEqual(await first.all(known), [true]);
});
