// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";
import { GROUP, KEY, message, NEVER, numbers, TestDriver } from "./support/streams.ts";
import {
  again,
  DEAD,
  inTurn,
  kept,
  leases,
  ordered,
  passDelays,
  passTimeToLive,
  replay,
  send,
  settle,
} from "./support/streams_ordering.ts";

const test = requires("redis-server");
const HOUR = 3_600_000;

test("StreamsDriver leases one message of an ordering key at a time", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2), ...ordered("b", 3), message(4), ...ordered("a", 5));
  const first = await leases(driver, 1, 3, 4);
  assert.deepEqual(first.map(({ orderingKey }) => orderingKey), ["a", "b", undefined]);
  await leases(other);
  assert.deepEqual(await driver.all(first), [true, true, true]);
  await inTurn(other, 2, 5);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver keeps the place of an ordered message that is retried or released", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2), ...ordered("b", 3));
  const [head, other] = await leases(driver, 1, 3);
  await settle(driver, head!, again(HOUR));
  await settle(driver, other!, { kind: "ack" });
  await leases(driver);
  assert.deepEqual(await driver.counts(), [0, 0, 1, 0], "one is delayed, the other blocked");
  await passDelays(redis);
  const [retried] = await leases(driver, 1);
  assert.equal(retried!.attempts, 2);
  await settle(driver, retried!, { kind: "release" });
  const [released] = await leases(driver, 1);
  assert.equal(released!.attempts, 2, "a release does not count");
  await settle(driver, released!, { kind: "ack" });
  await inTurn(driver, 2);
});

test("StreamsDriver redelivers an ordered head after its lease, late acks refused", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2));
  const late = await leases(driver, 1);
  await driver.endLeases();
  const current = await leases(other, 1);
  assert.equal(current[0]!.attempts, 2);
  assert.deepEqual(await driver.all(late), [false]);
  await leases(driver);
  assert.deepEqual(await other.all(current), [true]);
  await inTurn(driver, 2);
});

test("StreamsDriver frees an ordering key at a dead letter; a replay joins at the end", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3));
  await settle(driver, (await leases(driver, 1))[0]!, DEAD);
  const second = await leases(driver, 2);
  assert.equal(await replay(driver), 1);
  await send(driver, ...ordered("a", 4));
  await driver.all(second);
  await inTurn(driver, 3, 1, 4);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver replays an ordered message to a group that has nothing else", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1));
  const [head] = await leases(driver, 1);
  await settle(driver, head!, DEAD);
  assert.deepEqual(await driver.counts(), [0, 0, 0, 1]);
  assert.equal(await replay(driver), 1);
  const [replayed] = await leases(driver, 1);
  await settle(driver, replayed!, { kind: "ack" });
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver replays behind ordered messages that the group has not read", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1));
  await settle(driver, (await leases(driver, 1))[0]!, DEAD);
  await send(driver, ...ordered("b", 10), ...ordered("a", 2, 3));
  await replay(driver);
  await send(driver, ...ordered("a", 4));
  const heads = await driver.take(1);
  assert.deepEqual(numbers(heads), [10], "the replayed one waits until the group has read so far");
  await driver.all(heads);
  await inTurn(driver, 2, 3, 1, 4);
});

test("StreamsDriver replays behind a delayed ordered message that is due", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1));
  await settle(driver, (await leases(driver, 1))[0]!, DEAD);
  await send(driver, message(2, { orderingKey: "a", delayMs: HOUR }));
  await passDelays(redis);
  await replay(driver);
  await inTurn(driver, 2, 1);
});

test("StreamsDriver gives a delayed ordered message its place when it is due", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, message(1, { orderingKey: "a", delayMs: HOUR }), ...ordered("a", 2, 3));
  const head = await leases(driver, 2);
  await passDelays(redis);
  await send(driver, ...ordered("a", 4));
  await driver.all(head);
  await inTurn(driver, 3, 1, 4);
});

test("StreamsDriver.send moves any number of due messages before an ordered one", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  for (let n = 0; n < 1_200; n += 600) {
    const batch = Array.from({ length: 600 }, (_, i) => message(n + i, { orderingKey: `k${n + i}`, delayMs: HOUR }));
    await send(driver, ...batch);
  }
  await passDelays(redis);
  const [result] = await driver.send(KEY, ordered("k1199", 5_000), NEVER);
  assert.deepEqual(result, { outcome: "added", id: (result as { id?: string }).id });
  assert.match(String((result as { id?: string }).id), /^\d+-\d+$/);
  const seen: unknown[] = [];
  for (let some = await driver.take(500); some.length > 0; some = await driver.take(500)) {
    seen.push(...numbers(some));
    await driver.all(some);
  }
  assert.deepEqual([seen.length, seen.at(-1)], [1_201, 5_000]);
});

test("StreamsDriver frees an ordering key when its waiting head expires", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, message(1, { orderingKey: "a", ttlMs: HOUR }), ...ordered("a", 2));
  const [head] = await leases(driver, 1);
  await settle(driver, head!, again(HOUR));
  await leases(driver);
  await passTimeToLive(redis, head!.id);
  await inTurn(driver, 2);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver forgets ordered messages that expire behind another", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const results = await driver.send(
    KEY,
    [...ordered("a", 1), message(2, { orderingKey: "a", ttlMs: HOUR }), ...ordered("a", 3)],
    NEVER,
  );
  const head = await leases(driver, 1);
  await passTimeToLive(redis, String((results[1] as { id?: string }).id));
  await leases(driver);
  assert.deepEqual(await kept(redis), [1, 1]);
  await driver.all(head);
  await inTurn(driver, 3);
});

test("StreamsDriver keeps an ordering key while its head expires under a lease", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, message(1, { orderingKey: "a", ttlMs: HOUR }), ...ordered("a", 2));
  const head = await leases(driver, 1);
  await passTimeToLive(redis, head[0]!.id);
  await leases(driver);
  assert.deepEqual(await driver.all(head), [true], "its handler ran, and may be acknowledged");
  await inTurn(driver, 2);
});

test("StreamsDriver frees an expired ordered head of every group, whoever looks", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, message(1, { orderingKey: "a", ttlMs: HOUR }), ...ordered("a", 2));
  const head = await leases(driver, 1);
  const others = await driver.take(10, { group: "audit" });
  await settle(driver, head[0]!, again(HOUR));
  await driver.settle(KEY, "audit", others.map(({ lease }) => ({ ...again(HOUR), lease })), NEVER);
  await passTimeToLive(redis, head[0]!.id);
  await leases(driver, 2);
  assert.deepEqual(await kept(redis, "audit"), [0, 1], "the second came up in the other group, too");
  assert.deepEqual(numbers(await driver.take(10, { group: "audit" })), [2]);
});

test("StreamsDriver frees an ordering key when its waiting head is dropped", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 3, overflow: "drop-oldest" });
  await send(driver, ...ordered("a", 1, 2), ...ordered("b", 3));
  const [head, other] = await leases(driver, 1, 3);
  await settle(driver, head!, again(HOUR));
  await send(driver, message(4));
  const freed = await leases(driver, 2, 4);
  await driver.all([other!, ...freed]);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver keeps the ordering keys of groups and of keys apart", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2));
  await driver.send("slack:others", ordered("a", 7), NEVER);
  const bots = await leases(driver, 1);
  const audit = await driver.take(10, { group: "audit" });
  assert.deepEqual(numbers(audit), [1], "a new group starts at the oldest");
  await driver.settle(KEY, "audit", audit.map(({ lease }) => ({ kind: "ack", lease })), NEVER);
  assert.deepEqual(numbers(await driver.take(10, { group: "audit" })), [2]);
  await leases(driver);
  const options = { group: GROUP, max: 10, leaseMs: 60_000, waitMs: 0, signal: NEVER };
  assert.deepEqual(numbers(await driver.receive("slack:others", options)), [7]);
  await driver.all(bots);
});

test("StreamsDriver tells at the first delivery how long a message was blocked", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2), ...ordered("b", 3));
  const [head, other] = await leases(driver, 1, 3);
  assert.deepEqual([head!.blockedMs, other!.blockedMs], [undefined, undefined]);
  const before = Date.now();
  while (Date.now() - before < 20);
  await driver.all([head!]);
  const [second] = await leases(driver, 2);
  assert.ok(second!.blockedMs! >= 20, `${second!.blockedMs} ms`);
  await settle(driver, second!, again(0));
  assert.equal((await leases(driver, 2))[0]!.blockedMs, undefined);
});
