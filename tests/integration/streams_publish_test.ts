// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { queueKeys } from "../../backends/streams/keys.ts";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { startProxy } from "../servers/tcp_proxy.ts";
import { KEY, message, messages, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

function outcomes(results: readonly object[]): unknown[] {
  return results.map((result) =>
    "outcome" in result ? result.outcome : (result as { error: { code: string } }).error.code
  );
}

test("StreamsDriver.send writes the payload as the field data, and no empty fields", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.send(KEY, [message(1)], NEVER);
  await driver.send(KEY, [message(2, { id: "Ev1" }), message(3, { headers: { a: "ü" } })], NEVER);
  await driver.send(KEY, [message(4, { orderingKey: "ü" }), message(5)], NEVER);
  const entries = await redis.call("XRANGE", KEY, "-", "+") as [string, string[]][];
  assert.deepEqual(entries.map(([, fields]) => fields), [
    ["data", '{"n":1}'],
    ["data", '{"n":2}', "id", "Ev1"],
    ["data", '{"n":3}', "headers", '{"a":"ü"}'],
    ["data", '{"n":4}', "orderingKey", "ü"],
    ["data", '{"n":5}'],
  ]);
});

test("SendResult.id is the id that consumers see", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const sent = [
    ...await driver.send(KEY, messages(0, 1_000), NEVER),
    ...await driver.send(
      KEY,
      [message(1_000), message(1_001, { id: "Ev1" }), message(1_002, { ttlMs: 60_000 })],
      NEVER,
    ),
  ].map((result, i) => "id" in result && result.id || i === 1_001 && "Ev1");
  const got = [...await driver.take(800), ...await driver.take(800)];
  assert.equal(got.length, 1_003);
  assert.deepEqual(sent, got.map(({ id }) => id));
});

test("StreamsDriver.send adds nothing for a batch that is sent again", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const batches = [
    messages(0, 100),
    [message(100, { headers: { a: "b" } }), message(101, { delayMs: 60_000 })],
    [message(102, { id: "Ev1" }), message(103, { id: "Ev2" })],
    [message(104, { id: "Ev3" }), message(105)],
    [message(106, { orderingKey: "a" }), message(107), message(108, { orderingKey: "b" })],
  ];
  for (const batch of batches) {
    const first = await driver.send(KEY, batch, NEVER);
    assert.deepEqual(await driver.send(KEY, batch, NEVER), first);
    await driver.send(KEY, [message(-1)], NEVER);
    assert.deepEqual(await driver.send(KEY, [...batch], NEVER), first, "also when another came in between");
  }
  assert.equal(await redis.call("XLEN", KEY), 108 + batches.length);
});

test("StreamsDriver.send remembers a chosen id for every publisher of the key", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  const twice = [message(1, { id: "Ev1" }), message(2, { id: "Ev1" }), message(3, { id: "Ev 2 =" })];
  assert.deepEqual(outcomes(await driver.send(KEY, twice, NEVER)), ["added", "duplicate", "added"]);
  assert.deepEqual(outcomes(await other.send(KEY, [message(4, { id: "Ev1" })], NEVER)), ["duplicate"]);
  assert.deepEqual(outcomes(await other.send("other", [message(4, { id: "Ev1" })], NEVER)), ["added"]);
  await driver.all(await driver.take(10));
  assert.deepEqual(outcomes(await other.send(KEY, [message(4, { id: "Ev1" })], NEVER)), ["duplicate"]);
});

test("StreamsDriver.send forgets ids after their window, a bounded number at a time", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { dedupWindowMs: 60_000 });
  const { ids } = queueKeys(KEY);
  for (let i = 0; i < 50; i++) await redis.call("ZADD", ids, String(i + 1), `old-${i}`);
  await driver.send(KEY, [message(1, { id: "new" })], NEVER);
  const left = Number(await redis.call("ZCARD", ids));
  assert.ok(left < 51 && left > 1, `${left} ids are left`);
  for (let i = 0; i < 5; i++) await driver.send(KEY, [message(1, { id: "new" })], NEVER);
  assert.equal(await redis.call("ZCARD", ids), 1);
  assert.ok(Number(await redis.call("PTTL", ids)) > 0);
});

test("StreamsDriver.send takes a made id of an unanswered batch once more", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using driver = new TestDriver(redis, {}, proxy.port);
  const lost = message(1);
  const gone = message(2);
  await driver.put(0, 1);
  for (
    const [sent, lose] of [[lost, proxy.loseNextReply("EVALSHA")], [gone, proxy.loseNextRequest("EVALSHA")]] as const
  ) {
    await assert.rejects(driver.send(KEY, [sent], NEVER), (error) => driver.classify(error) === "unknown-outcome");
    await lose;
  }
  const again = await driver.send(KEY, [message(1, { id: lost.id }), message(2, { id: gone.id })], NEVER);
  assert.deepEqual(outcomes(again), ["duplicate", "added"]);
  assert.deepEqual(numbers(await driver.take(10)), [0, 1, 2]);
});

test("maxLength refuses message by message and takes more once some are settled", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 3 });
  assert.deepEqual(outcomes(await driver.send(KEY, messages(0, 2), NEVER)), ["added", "added"]);
  assert.deepEqual(outcomes(await driver.send(KEY, [message(2, { delayMs: 60_000 }), message(3)], NEVER)), [
    "added",
    "queue-full",
  ]);
  const refused = message(3, { id: "Ev1" });
  assert.deepEqual(outcomes(await driver.send(KEY, [refused], NEVER)), ["queue-full"]);
  await driver.all(await driver.take(1));
  assert.deepEqual(
    outcomes(await driver.send(KEY, [message(3, { id: "Ev1" })], NEVER)),
    ["added"],
    "it was not remembered",
  );
});

test("maxLength takes more where the oldest messages have expired", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 2 });
  await driver.send(KEY, [message(0, { ttlMs: 1 }), message(1)], NEVER);
  const due = await redis.call("ZRANGE", queueKeys(KEY).expiring, "0", "0", "WITHSCORES") as string[];
  while (Date.now() <= Number(due[1])) await redis.call("PING");
  assert.deepEqual(outcomes(await driver.send(KEY, messages(2, 4), NEVER)), ["added", "queue-full"]);
  assert.deepEqual(numbers(await driver.take(10)), [1, 2]);
});

test("overflow drop-oldest keeps the newest messages", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis, { maxLength: 3, overflow: "drop-oldest" });
  await driver.put(0, 2);
  const held = await driver.take(1);
  assert.deepEqual(outcomes(await driver.send(KEY, messages(2, 6), NEVER)), ["added", "added", "added", "added"]);
  assert.deepEqual(numbers(await driver.take(10)), [3, 4, 5]);
  assert.deepEqual(await driver.all(held, { kind: "retry", delayMs: 0, cause: undefined } as { kind: "retry" }), [
    true,
  ]);
  assert.deepEqual(await driver.take(10), [], "what was dropped in hand does not come again");
  assert.deepEqual(await driver.counts(), [0, 3, 0, 0]);
});

test("delayMs delivers whole messages in the order of their due times", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const body = '{"n":"|a|{}|\\u0000"}';
  const sentAt = Date.now();
  await driver.send(KEY, [
    message(2, { delayMs: 5_000 }),
    message(0, { delayMs: 4_000, headers: { "|": "é|" }, id: "Ev|1", body }),
    message(1, { delayMs: 4_000.5 }),
  ], NEVER);
  assert.deepEqual(await driver.counts(), [0, 0, 3, 0]);
  const got = [];
  for (const delay of [4_000, 4_001, 5_000]) {
    const [delivery] = await driver.take(1, { waitMs: 10_000 });
    assert.ok(Date.now() - sentAt >= delay, "it came early");
    got.push(delivery!);
  }
  assert.deepEqual([got[0]!.id, got[0]!.body, got[0]!.headers], ["Ev|1", body, { "|": "é|" }]);
  assert.deepEqual(numbers(got.slice(1)), [1, 2]);
  assert.ok(
    got[1]!.publishedAt! <= sentAt + 1_000 && got[1]!.publishedAt! >= sentAt - 1,
    "the time of publishing is kept",
  );
});

test("StreamsDriver.receive wakes for a message that is due before the awaited one", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using publisher = new TestDriver(redis);
  await publisher.send(KEY, [message(1, { delayMs: 600_000 })], NEVER);
  const waiting = driver.take(1, { waitMs: 20_000 });
  await publisher.send(KEY, [message(2, { delayMs: 30 })], NEVER);
  assert.deepEqual(numbers(await waiting), [2]);
});

test("ttlMs keeps expired messages from consumers and removes them", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.send(KEY, [
    message(1, { ttlMs: 5 }),
    message(2, { ttlMs: 5, delayMs: 30 }),
    message(3, { ttlMs: 60_000 }),
  ], NEVER);
  const [third] = await driver.take(1, { group: "early" });
  assert.equal(third!.attempts, 1);
  await driver.send(KEY, [message(4, { delayMs: 40 })], NEVER);
  const first = await driver.take(10, { waitMs: 10_000 });
  const rest = await driver.take(10, { waitMs: 10_000 });
  assert.deepEqual(numbers([...first, ...rest].filter(({ body }) => body !== '{"n":1}')), [3, 4]);
  await driver.all([...first, ...rest]);
  assert.deepEqual(await driver.counts(), [0, 0, 0, 0]);
});

test("StreamsDriver.send refuses a key of another type and remembers no id for it", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await redis.call("SET", KEY, "text");
  for (const some of [[message(1)], [message(1, { id: "Ev1" })]]) {
    await assert.rejects(driver.send(KEY, some, NEVER), (error) => driver.classify(error) === "invalid");
  }
  await assert.rejects(driver.take(1), (error) => driver.classify(error) === "invalid");
  await redis.call("DEL", KEY);
  assert.deepEqual(outcomes(await driver.send(KEY, [message(1, { id: "Ev1" })], NEVER)), ["added"]);
});
