// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { queueKeys } from "../../backends/streams/keys.ts";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";
import { GROUP, KEY, message, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

const AGAIN = { kind: "retry", delayMs: 0, cause: undefined } as { kind: string } as { kind: "retry" };
const RELEASE = { kind: "release" } as const;

/** Ids of a publisher that does not go by the time: in microseconds, in nanoseconds, far below, at the very end. */
const FOREIGN = ["1795665552395000-0", "1795665552395000000-7", "5-18446744073709551610", "18446744073709551614-1"];

test("StreamsDriver.settle returns a batch in the order of its ids, as numbers", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const expected = Array.from({ length: 120 }, (_, n) => n);
  await driver.put(0, 120);
  for (const how of [AGAIN, RELEASE, AGAIN]) {
    const held = await driver.take(200);
    assert.deepEqual(numbers(held), expected);
    await driver.all([...held].reverse(), how);
  }
  const held = await driver.take(200);
  await driver.all(held, { kind: "retry", delayMs: 1, cause: undefined } as { kind: string } as { kind: "retry" });
  const later: unknown[] = [];
  while (later.length < 120) later.push(...numbers(await driver.take(200, { waitMs: 10_000 })));
  assert.deepEqual(later, expected, "also where a delay is over for all at once");
});

test("StreamsDriver.settle makes a release due at once, whatever the entry's id is", async () => {
  for (const id of FOREIGN) {
    await using redis = await startRedis();
    await using driver = new TestDriver(redis);
    await redis.call("XADD", KEY, id, "data", '{"n":1}');
    for (const how of [RELEASE, AGAIN]) {
      const held = await driver.take(1);
      assert.deepEqual(await driver.all(held, how), [true]);
      assert.deepEqual(await driver.counts(), [1, 0, 0, 0], `${how.kind} of ${id}`);
    }
    const held = await driver.take(1);
    assert.equal(held[0]!.id, id);
    assert.equal(held[0]!.publishedAt, undefined, "an id that is no time is none");
    await driver.all(held, { kind: "dead", cause: { name: "Error", message: "no" } } as { kind: "dead" });
    const { letters } = await driver.deadLetters.list(
      KEY,
      { group: GROUP, ids: undefined, limit: 5 },
      undefined,
      NEVER,
    );
    assert.equal(letters[0]!.publishedAt, undefined);
    assert.ok(Math.abs(letters[0]!.diedAt!.getTime() - Date.now()) < 600_000, "it died today");
    assert.equal(await redis.call("XLEN", KEY), 0);
  }
});

test("StreamsDriver.settle removes entries with ids beyond 2^53 exactly, and no other", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  const ids = ["1795665552395000001-1", "1795665552395000001-2", "1795665552395000002-1", "1795665552395000003-9"];
  for (const [n, id] of ids.entries()) await redis.call("XADD", KEY, id, "data", `{"n":${n}}`);
  const held = await driver.take(4);
  await driver.all([held[0]!, held[2]!]);
  const left = await redis.call("XRANGE", KEY, "-", "+") as [string][];
  assert.deepEqual(left.map(([id]) => id), [ids[1], ids[3]]);
  await driver.all([held[1]!], RELEASE);
  await driver.all([held[3]!], RELEASE);
  assert.deepEqual(numbers(await driver.take(4)), [1, 3]);
});

test("StreamsDriver.send remembers each id for its own publisher's window", async () => {
  await using redis = await startRedis();
  await using long = new TestDriver(redis, { dedupWindowMs: 600_000 });
  await using short = new TestDriver(redis, { dedupWindowMs: 1 });
  const { ids } = queueKeys(KEY);
  await long.send(KEY, [message(1, { id: "Ev1" })], NEVER);
  for (let n = 0; n < 5; n++) await short.send(KEY, [message(2, { id: `short-${n}` })], NEVER);
  const again = await short.send(KEY, [message(1, { id: "Ev1" })], NEVER);
  assert.deepEqual(again, [{ outcome: "duplicate" }]);
  assert.ok(Number(await redis.call("PTTL", ids)) > 300_000, "the longest window counts for the key");
});
