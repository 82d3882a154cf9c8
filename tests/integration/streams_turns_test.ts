// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { groupKeys } from "../../backends/streams/keys.ts";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";
import { GROUP, KEY, message, numbers, TestDriver } from "./support/streams.ts";
import { again, DEAD, inTurn, kept, leases, ordered, passDelays, send, settle } from "./support/streams_ordering.ts";

const test = requires("redis-server");
const HOUR = 3_600_000;

test("StreamsDriver leases a turn of an ordering key in one call", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3, 4), ...ordered("b", 5), message(6));
  const turn = await driver.take(10, { maxPerOrderingKey: 3 });
  assert.deepEqual(numbers(turn), [1, 2, 3, 5, 6]);
  await send(driver, ...ordered("a", 7));
  assert.deepEqual(numbers(await other.take(10, { maxPerOrderingKey: 3 })), [], "no other call while one is out");
  await driver.all([turn[0]!, turn[2]!, turn[3]!, turn[4]!]);
  assert.deepEqual(numbers(await other.take(10, { maxPerOrderingKey: 3 })), []);
  await driver.all([turn[1]!]);
  const next = await other.take(10, { maxPerOrderingKey: 3 });
  assert.deepEqual(numbers(next), [4, 7]);
  await other.all(next);
  assert.deepEqual(await kept(redis), [0, 0]);
});

test("StreamsDriver leases no more of a turn than a call has room for", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3, 4));
  const turn = await driver.take(2, { maxPerOrderingKey: 10 });
  assert.deepEqual(numbers(turn), [1, 2]);
  assert.deepEqual(numbers(await driver.take(2, { maxPerOrderingKey: 10 })), []);
  await driver.all(turn);
  const rest = await driver.take(5, { maxPerOrderingKey: 10 });
  assert.deepEqual(numbers(rest), [3, 4]);
});

test("StreamsDriver gives a turn back in order, however it is settled", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3, 4));
  const turn = await driver.take(10, { maxPerOrderingKey: 3 });
  await settle(driver, turn[2]!, { kind: "release" });
  await settle(driver, turn[0]!, again(0));
  await leases(driver);
  await settle(driver, turn[1]!, DEAD);
  const [head] = await leases(driver, 1);
  assert.equal(head!.attempts, 2);
  await settle(driver, head!, { kind: "ack" });
  const [third] = await leases(driver, 3);
  assert.equal(third!.attempts, 1, "it was released");
  await settle(driver, third!, { kind: "ack" });
  await inTurn(driver, 4);
});

test("StreamsDriver holds back a turn's rest while its first waits for a retry", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3));
  const turn = await driver.take(10, { maxPerOrderingKey: 2 });
  await settle(driver, turn[0]!, again(HOUR));
  await settle(driver, turn[1]!, again(0));
  assert.deepEqual(numbers(await driver.take(10, { maxPerOrderingKey: 3 })), []);
  await passDelays(redis);
  const whole = await driver.take(10, { maxPerOrderingKey: 3 });
  assert.deepEqual(numbers(whole), [1, 2, 3]);
  assert.deepEqual(whole.map(({ attempts }) => attempts), [2, 2, 1]);
});

test("StreamsDriver ends a turn before a message that waits for its retry", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3));
  const turn = await driver.take(10, { maxPerOrderingKey: 3 });
  await settle(driver, turn[1]!, again(HOUR));
  await settle(driver, turn[0]!, again(0));
  await settle(driver, turn[2]!, again(0));
  const head = await driver.take(10, { maxPerOrderingKey: 3 });
  assert.deepEqual(numbers(head), [1]);
  await driver.all(head);
  assert.deepEqual(numbers(await driver.take(10, { maxPerOrderingKey: 3 })), []);
  await passDelays(redis);
  assert.deepEqual(numbers(await driver.take(10, { maxPerOrderingKey: 3 })), [2, 3]);
});

test("StreamsDriver takes a lost turn over in one call alone", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3));
  const lost = await driver.take(10, { maxPerOrderingKey: 3 });
  await driver.endLeases();
  const head = await other.take(1);
  assert.deepEqual([numbers(head), head[0]!.attempts], [[1], 2]);
  await leases(driver);
  assert.deepEqual(await driver.all(lost), [false, false, false]);
  await leases(driver);
  await other.all(head);
  const rest = await driver.take(10, { maxPerOrderingKey: 3 });
  assert.deepEqual(numbers(rest), [2, 3]);
  assert.deepEqual(await driver.all(rest), [true, true]);
});

test("StreamsDriver takes nothing of a turn over whose lease is renewed in part", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  await send(driver, ...ordered("a", 1, 2, 3));
  const turn = await driver.take(10, { maxPerOrderingKey: 2 });
  await driver.renew([turn[0]!]); // moves to a lease of its own
  const { leases: set } = (await import("../../backends/streams/keys.ts")).groupKeys(KEY, "bots");
  const group = (turn[1]!.lease as { readonly group: { readonly name: string } }).group.name;
  await redis.call("ZADD", set, "1", group);
  await leases(other);
  assert.deepEqual(await driver.all([turn[0]!]), [true]);
  await inTurn(other, 2, 3);
  assert.deepEqual(await driver.all([turn[1]!]), [false]);
});

test("StreamsDriver leaves out of a turn what expired while it waited", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const ttlMs = 400;
  await send(driver, ...ordered("a", 1), message(2, { orderingKey: "a", ttlMs }), ...ordered("a", 3));
  const [head] = await leases(driver, 1); // the others are read, and wait
  const clock = async () => Number((await redis.call("TIME") as string[])[0]) * 1_000;
  // Nobody removes it: a call removes no more than some of what has expired.
  await redis.call("DEL", groupKeys(KEY, GROUP).expiring);
  const until = await clock() + 2_000 + ttlMs;
  while (await clock() < until) await new Promise((go) => setTimeout(go, 50));
  await settle(driver, head!, { kind: "release" });
  const turn = await driver.take(10, { maxPerOrderingKey: 3 });
  assert.deepEqual(numbers(turn), [1, 3]);
  await driver.all(turn);
  assert.deepEqual([await kept(redis), await driver.counts()], [[0, 0], [0, 0, 0, 0]]);
});
