// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import type { DriverMessage, SendResult } from "../../core/driver.ts";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";
import { startProxy, type TcpProxy } from "../servers/tcp_proxy.ts";
import { KEY, message, messages, NEVER, numbers, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

function outcomes(results: readonly SendResult[]): unknown[] {
  return results.map((result) => "outcome" in result ? result.outcome : result.error);
}

/** Sends a batch whose answer is lost, with or without the batch itself. */
async function lose(
  driver: TestDriver,
  proxy: TcpProxy,
  batch: readonly DriverMessage[],
  what: "reply" | "request",
): Promise<void> {
  const lost = what === "reply" ? proxy.loseNextReply("EVALSHA") : proxy.loseNextRequest("EVALSHA");
  await assert.rejects(driver.send(KEY, batch, NEVER), (error) => driver.classify(error) === "unknown-outcome");
  await lost;
}

/** The messages as their publisher sends them once more: under the ids that the error named. */
function repeated(batch: readonly DriverMessage[]): DriverMessage[] {
  return batch.map((one) => ({ ...one, explicitId: true }));
}

const BATCHES: Readonly<Record<string, () => DriverMessage[]>> = {
  "of bodies": () => messages(0, 40),
  "with ordering keys": () => messages(0, 40).map((one) => ({ ...one, orderingKey: crypto.randomUUID() })),
  "of any messages": () => [
    message(0, { headers: { a: "b" } }),
    message(1, { ttlMs: 600_000 }),
    message(2, { id: "Ev1" }),
    message(3),
    message(4, { delayMs: 1 }),
  ],
};

for (const [name, make] of Object.entries(BATCHES)) {
  test(`an id of an unanswered batch ${name} is safe to publish again after many others`, async () => {
    await using redis = await startRedis();
    await using proxy = await startProxy(redis.port);
    await using driver = new TestDriver(redis, {}, proxy.port);
    await using elsewhere = new TestDriver(redis);
    await driver.put(-1, 0);
    await driver.send(KEY, [message(-2, { headers: { a: "b" } })], NEVER);
    await driver.send(KEY, [message(-3, { orderingKey: "a" })], NEVER);
    const [first, second] = [make(), make().filter(({ explicitId }) => !explicitId)];
    await lose(driver, proxy, first, "reply");
    await lose(driver, proxy, second, "reply");
    for (let n = 0; n < 60; n++) await driver.send(KEY, [message(1_000 + n)], NEVER);
    const again = outcomes(await driver.send(KEY, repeated(first), NEVER));
    assert.deepEqual(again, first.map(() => "duplicate"), "by the publisher");
    assert.deepEqual(
      outcomes(await elsewhere.send(KEY, repeated(second), NEVER)),
      second.map(() => "duplicate"),
      "by another process",
    );
    const got: unknown[] = [];
    while (got.length < 3 + first.length + second.length + 60) {
      got.push(...numbers(await elsewhere.take(500, { waitMs: 10_000 })));
    }
    assert.deepEqual(await elsewhere.take(500), []);
  });
}

test("an id of a batch that never arrived is added when it is published again, once", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using driver = new TestDriver(redis, {}, proxy.port);
  await driver.put(-1, 0);
  const batch = messages(0, 3);
  await lose(driver, proxy, batch, "request");
  for (const outcome of ["added", "duplicate"]) {
    assert.deepEqual(outcomes(await driver.send(KEY, repeated(batch), NEVER)), Array(3).fill(outcome));
  }
  assert.deepEqual(numbers(await driver.take(10)), [-1, 0, 1, 2]);
});

test("a batch that arrives after its ids were published again brings nothing twice", async () => {
  await using redis = await startRedis();
  await using driver = new TestDriver(redis);
  for (const make of Object.values(BATCHES)) {
    const batch = make();
    const made = batch.filter(({ explicitId }) => !explicitId);
    const [early, ...rest] = made;
    assert.deepEqual(outcomes(await driver.send(KEY, repeated([early!]), NEVER)), ["added"]);
    const late = await driver.send(KEY, made, NEVER);
    assert.deepEqual(outcomes(late), ["duplicate", ...rest.map(() => "added")]);
  }
});

test("an id of a message that was refused is not taken for one that arrived", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using driver = new TestDriver(redis, { maxLength: 2 }, proxy.port);
  await driver.send(KEY, [message(0, { id: "Ev0" })], NEVER);
  const batch = messages(1, 4);
  await lose(driver, proxy, batch, "reply");
  await driver.all(await driver.take(5));
  const again = await driver.send(KEY, repeated(batch), NEVER);
  assert.deepEqual(outcomes(again.slice(0, 1)), ["duplicate"]);
  assert.deepEqual(outcomes(again.slice(1)), ["added", "added"]);
});

test("unanswered batches are kept for the id window, answered ones leave few traces", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using driver = new TestDriver(redis, { dedupWindowMs: 600_000 }, proxy.port);
  for (let n = 0; n < 200; n++) await driver.put(n, n + 1);
  const [key] = await redis.call("KEYS", "*:sent:*") as string[];
  assert.ok(Number(await redis.call("HLEN", key!)) <= 10, "fields are used again");
  for (let n = 0; n < 5; n++) await lose(driver, proxy, messages(n, n + 2), "reply");
  for (let n = 0; n < 50; n++) await driver.put(n, n + 1);
  const fields = Number(await redis.call("HLEN", key!));
  assert.ok(fields >= 6 && fields <= 15, `${fields} batches are remembered`);
  assert.ok(Number(await redis.call("PTTL", key!)) >= 600_000);
});
