// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import type { DeadLetter } from "../../core/protocol.ts";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { GROUP, KEY, message, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

const DEAD = { kind: "dead", cause: { name: "TypeError", message: "x is not a function: é\n" } } as { kind: "dead" };
const ALL = { group: GROUP, ids: undefined, limit: Infinity };

async function letters(driver: TestDriver, group = GROUP, limit = Infinity): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  let cursor: string | undefined;
  do {
    const page = await driver.deadLetters.list(KEY, { ...ALL, group, limit }, cursor, NEVER);
    found.push(...page.letters);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

test("DeadLetter holds the whole message with cause, attempts and times", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.send(KEY, [message(1, { id: "Ev1", headers: { trace: "abc" }, ttlMs: 600_000 })], NEVER);
  const [first] = await driver.take(1);
  await driver.all([first!], { kind: "retry", delayMs: 0, cause: undefined } as { kind: "retry" });
  await driver.all(await driver.take(1), DEAD);
  const [letter] = await letters(driver);
  const { id, publishedAt, diedAt, ...rest } = letter!;
  assert.deepEqual(rest, {
    messageId: "Ev1",
    key: KEY,
    group: GROUP,
    payload: undefined,
    body: '{"n":1}',
    headers: { trace: "abc" },
    attempts: 2,
    cause: DEAD.kind && { name: "TypeError", message: "x is not a function: é\n" },
  });
  assert.match(id, /^\d+-\d+$/);
  assert.equal(publishedAt!.getTime(), first!.publishedAt);
  assert.ok(diedAt!.getTime() >= publishedAt!.getTime());
  assert.deepEqual(await letters(driver, "others"), []);
});

test("DriverDeadLetters.replay returns a whole message to its group alone", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.send(KEY, [message(1, { headers: { trace: "abc" }, ttlMs: 600_000 }), message(2)], NEVER);
  await driver.take(10, { group: "others" });
  const held = await driver.take(2);
  await driver.all(held, DEAD);
  assert.equal(await driver.deadLetters.replay!(KEY, ALL, NEVER), 2);
  assert.deepEqual(await letters(driver), []);
  assert.deepEqual(await driver.take(10, { group: "others" }), []);
  const again = await driver.take(10);
  assert.deepEqual(numbers(again), [1, 2]);
  const shape = (
    { id, attempts, headers, publishedAt }: (typeof again)[number],
  ) => [id, attempts, headers, publishedAt];
  assert.deepEqual(again.map(shape), held.map(shape));
  const entries = JSON.stringify(await redis.call("XRANGE", `{${KEY}}:group:${GROUP}:replay`, "-", "+"));
  assert.ok(!entries.includes("expires"));
});

test("StreamsDriver leases, fences, retries and buries replayed messages like any", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await using other = new TestDriver(redis);
  await driver.put(0, 3);
  await driver.all(await driver.take(3), DEAD);
  assert.equal(await driver.deadLetters.replay!(KEY, ALL, NEVER), 3);
  const late = await driver.take(3);
  await driver.endLeases();
  const held = await other.take(3);
  assert.deepEqual(held.map(({ attempts }) => attempts), [2, 2, 2]);
  assert.deepEqual(await driver.all(late), [false, false, false]);
  assert.deepEqual(await other.renew(held.slice(0, 1)), [true]);
  assert.deepEqual(await other.renew(held.slice(1)), [true, true]);
  assert.deepEqual(await other.all([held[0]!], { kind: "release" }), [true]);
  assert.deepEqual(await other.all([held[1]!]), [true]);
  assert.deepEqual(await other.all([held[2]!], DEAD), [true]);
  assert.deepEqual(await driver.counts(), [1, 0, 0, 1]);
  const [again] = await driver.take(5);
  assert.deepEqual([again!.body, again!.attempts], ['{"n":0}', 2]);
  await driver.all([again!]);
  const [letter] = await letters(driver);
  assert.deepEqual([letter!.body, letter!.attempts], ['{"n":2}', 2]);
  assert.equal(await driver.deadLetters.replay!(KEY, ALL, NEVER), 1);
  await driver.all(await driver.take(5));
  assert.deepEqual(await driver.counts(), [0, 0, 0, 0]);
  assert.equal(await redis.call("XLEN", `{${KEY}}:group:${GROUP}:replay`), 0);
});

test("DriverDeadLetters handles hundreds of letters by page and by id", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await driver.put(0, 250);
  await driver.all(await driver.take(250), DEAD);
  const all = await letters(driver);
  assert.equal(all.length, 250);
  assert.deepEqual(all.map(({ body }) => body), Array.from({ length: 250 }, (_, n) => `{"n":${n}}`));
  const ids = [all[7]!.id, all[3]!.id, "none", "0-1"];
  const page = await driver.deadLetters.list(KEY, { ...ALL, ids }, undefined, NEVER);
  assert.deepEqual(page.letters.map(({ body }) => body), ['{"n":7}', '{"n":3}']);
  assert.equal(await driver.deadLetters.purge(KEY, { ...ALL, ids }, NEVER), 2);
  assert.equal(await driver.deadLetters.purge(KEY, { ...ALL, limit: 130 }, NEVER), 130);
  assert.equal(await driver.deadLetters.replay!(KEY, { ...ALL, ids: [all[200]!.id] }, NEVER), 1);
  assert.equal(await driver.deadLetters.replay!(KEY, { ...ALL, limit: 110 }, NEVER), 110);
  assert.deepEqual(await driver.counts(), [111, 0, 0, 7]);
  assert.deepEqual((await letters(driver)).map(({ body }) => body).at(-1), '{"n":249}');
});

test("StreamsDriver.settle buries a foreign entry whole", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  await redis.call("XADD", KEY, "*", "event", "x", "other", "ü");
  await redis.call("XADD", KEY, "*", "data", "not json");
  await redis.call("XADD", KEY, "*", "data", "{}", "headers", "[1]", "attempts", "99", "expires", "soon");
  const held = await driver.take(5);
  assert.deepEqual(held.map(({ body, headers, attempts }) => [body, headers, attempts]), [
    [undefined, undefined, 1],
    ["not json", undefined, 1],
    ["{}", undefined, 1],
  ]);
  await driver.all(held, DEAD);
  const found = await letters(driver);
  assert.deepEqual(found.map(({ body, attempts }) => [body, attempts]), [
    ['{"event":"x","other":"ü"}', 1],
    ["not json", 1],
    ["{}", 1],
  ]);
});
