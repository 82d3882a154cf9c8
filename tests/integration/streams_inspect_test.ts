// What a look into a stream finds beyond the cases of the suite: other programs' groups, helper keys, bytes, clusters.
// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { Cluster } from "ioredis";
import { RedisBackend } from "../../backends/redis/mod.ts";
import { requires } from "../runner/services.ts";
import { startCluster } from "../servers/redis_cluster.ts";
import { startRedis } from "../servers/redis_server.ts";
import { GROUP, KEY, message, NEVER, TestDriver } from "./support/streams.ts";

const test = requires("redis-server");

/** The payload's number, the state and the attempts of what a peek finds. */
async function peeked(driver: TestDriver, limit = 10): Promise<unknown[]> {
  const found = await driver.inspect.peek!(KEY, { group: GROUP, limit }, NEVER);
  return found.map(({ body, state, attempts }) => [JSON.parse(body).n, state, attempts]);
}

async function keysOf(driver: Pick<TestDriver, "inspect">): Promise<string[]> {
  const all: string[] = [];
  for (let cursor: string | undefined, first = true; first || cursor; first = false) {
    const page = await driver.inspect.keys!(cursor, NEVER);
    all.push(...page.keys);
    cursor = page.cursor;
  }
  return all.sort();
}

test("StreamsInspection names every queue once, whatever else is on the server", async () => {
  await using redis = await startRedis();
  const driver = new TestDriver(redis);
  const names = ["slack_events", "slack:events", "{team}:orders", "a b", "with{tag}inside", "odd}key", "x:delayed"];
  for (const name of names) {
    await driver.send(name, [message(1), message(2, { delayMs: 60_000 })], NEVER);
    const leased = await driver.receive(name, { group: GROUP, max: 1, leaseMs: 60_000, waitMs: 0, signal: NEVER });
    const cause = { name: "Error", message: "no" };
    await driver.settle(name, GROUP, [{ kind: "dead", lease: leased[0]!.lease, cause }], NEVER);
    await driver.deadLetters.replay!(name, { group: GROUP, ids: undefined, limit: 1 }, NEVER);
  }
  await driver.send("only delayed", [message(1, { delayMs: 60_000 })], NEVER);
  await driver.send("{t}only delayed", [message(1, { delayMs: 60_000 })], NEVER);
  await redis.call("SET", "somebody's text", "1");
  await redis.call("ZADD", "somebody:delayed", "1", "x");
  for (let n = 0; n < 3_000; n++) void redis.call("SET", `filler:${n}`, "1");
  assert.deepEqual([...new Set(await keysOf(driver))].sort(), [...names, "only delayed", "{t}only delayed"].sort());
  await driver.close();
});

test("StreamsInspection finds the keys of all primaries of a cluster", async () => {
  await using cluster = await startCluster(3);
  const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })), { lazyConnect: true });
  client.on("error", () => undefined);
  try {
    await using backend = new RedisBackend({ client, closeDeadlineMs: 0 });
    const names = Array.from({ length: 12 }, (_, n) => `queue-${n}`);
    for (const name of names) await backend.publish(name, { n: 1 });
    assert.deepEqual((await Array.fromAsync(backend.inspect!.keys())).sort(), names.sort());
    assert.equal((await backend.inspect!.peek("queue-3"))[0]?.payload?.n, 1);
  } finally {
    client.disconnect();
  }
});

test("StreamsInspection sees what foreign publishers and consumers do", async () => {
  await using redis = await startRedis();
  const driver = new TestDriver(redis);
  for (const n of [1, 2, 3]) await redis.call("XADD", KEY, "*", "data", `{"n":${n}}`);
  await redis.call("XGROUP", "CREATE", KEY, GROUP, "0");
  await redis.call("XREADGROUP", "GROUP", GROUP, "python-consumer", "COUNT", "1", "STREAMS", KEY, ">");
  assert.deepEqual(await driver.inspect.groups!(KEY, NEVER), [GROUP]);
  assert.deepEqual(await peeked(driver), [[1, "inFlight", 1], [2, "ready", 0], [3, "ready", 0]]);
  await driver.close();
});

test("StreamsInspection tells ended leases, what was given back and replayed", async () => {
  await using redis = await startRedis();
  const driver = new TestDriver(redis);
  await driver.put(1, 6);
  const held = await driver.take(4);
  await driver.all(held.slice(0, 1), { kind: "retry", delayMs: 60_000, cause: undefined } as never);
  await driver.all(held.slice(1, 2), { kind: "release" });
  await driver.all(held.slice(2, 3), { kind: "dead", cause: { name: "Error", message: "no" } } as never);
  await driver.deadLetters.replay!(KEY, { group: GROUP, ids: undefined, limit: 9 }, NEVER);
  const rest = [[5, "ready", 0], [3, "ready", 0]];
  assert.deepEqual(await peeked(driver), [[1, "delayed", 1], [2, "ready", 0], [4, "inFlight", 1], ...rest]);
  await driver.endLeases();
  assert.deepEqual(await peeked(driver), [[1, "delayed", 1], [2, "ready", 0], [4, "ready", 1], ...rest]);
  assert.deepEqual(await peeked(driver, 2), [[1, "delayed", 1], [2, "ready", 0]]);
  await driver.close();
});

test("StreamsInspection passes over the expired and peeks a megabyte at most", async () => {
  await using redis = await startRedis();
  const driver = new TestDriver(redis);
  await driver.send(KEY, [message(1, { ttlMs: 1 }), message(2)], NEVER);
  while (String(await redis.call("ZCOUNT", `{${KEY}}:expiring`, "-inf", String(Date.now() - 2))) === "0");
  assert.deepEqual(await peeked(driver), [[2, "ready", 0]]);
  const text = "x".repeat(400_000);
  for (const n of [3, 4, 5, 6]) await driver.send(KEY, [{ ...message(n), body: JSON.stringify({ n, text }) }], NEVER);
  assert.deepEqual((await peeked(driver)).map((one) => (one as unknown[])[0]), [2, 3, 4]);
  await driver.close();
});

test("StreamsInspection shows bytes that are no text in base64, wherever they are", async () => {
  await using redis = await startRedis();
  const driver = new TestDriver(redis);
  await redis.call("XADD", KEY, "*", "data", new Uint8Array([0x7b, 0xff, 0x7d]));
  const [found] = await driver.inspect.peek!(KEY, { group: GROUP, limit: 1 }, NEVER);
  assert.deepEqual([found!.body, found!.bodyEncoding], ["e/99", "base64"]);
  await driver.close();
});
