// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { RedisBackend } from "../../backends/redis/mod.ts";
import type { QueueError } from "../../core/errors.ts";
import type { Delivery } from "../../core/protocol.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { startProxy } from "../servers/tcp_proxy.ts";

const test = requires("redis-server");

const KEY = "slack_events";

/** Resolves when a server's INFO has a text. Each look is a round trip. */
async function until(server: RedisServer, section: string, what: string): Promise<void> {
  while (!String(await server.call("INFO", section)).includes(what)) await new Promise((go) => setTimeout(go, 10));
}

/** Acknowledges deliveries until `count` different numbers have come. */
async function numbersOf(deliveries: AsyncIterator<Delivery>, count: number): Promise<number[]> {
  const seen = new Set<number>();
  while (seen.size < count) {
    const { value } = await deliveries.next();
    seen.add(value.payload.n as number);
    await value.ack();
  }
  return [...seen];
}

test("redis: publisher and consumer follow a failover behind Sentinel", async () => {
  await using primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  await using replica = await startRedis({ replicaOf: primary.port });
  await until(replica, "replication", "master_link_status:up");
  await using sentinel = await startRedis({ sentinelOf: primary.port });
  while (!String(await sentinel.call("SENTINEL", "REPLICAS", "primary")).includes(String(replica.port))) {
    await new Promise((go) => setTimeout(go, 10));
  }
  const client = new Redis({
    sentinels: [{ host: "127.0.0.1", port: sentinel.port }],
    name: "primary",
    retryStrategy: () => 20,
    sentinelRetryStrategy: () => 20,
    lazyConnect: true,
  });
  client.on("error", () => undefined);
  try {
    const patience = { timeoutMs: 30_000, maxRetries: 1_000, retryDelayMs: 20 };
    await using backend = new RedisBackend({ client, ...patience });
    await using careful = new RedisBackend({ client, ...patience, replicas: 1 });
    const deliveries = backend.receive(KEY);
    const before = numbersOf(deliveries, 5);
    for (let n = 0; n < 5; n++) await backend.publish(KEY, { n });
    assert.deepEqual(await before, [0, 1, 2, 3, 4]);
    for (let n = 5; n < 10; n++) await careful.publish(KEY, { n }, { delayMs: 100 });
    const waiting = numbersOf(deliveries, 10);
    await primary.kill();
    for (let n = 10; n < 15; n++) await backend.publish(KEY, { n });
    assert.deepEqual((await waiting).sort((a, b) => a - b), [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    const promoted = await replica.connect(); // the Sentinel has cut the connection that was there before
    assert.match(String(await promoted.call("ROLE")), /^master/);
    promoted.close();
    await deliveries.return!();
  } finally {
    client.disconnect();
  }
});

test("redis: a publish that misses its replica is in doubt and added once", async () => {
  await using primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  await using backend = new RedisBackend({ url: primary.url, replicas: 1, timeoutMs: 4_000, maxRetries: 0 });
  await assert.rejects(backend.publish(KEY, { n: 1 }, { id: "Ev1" }), (error: QueueError) => {
    assert.equal(error.code, "unknown-outcome");
    assert.match(error.message, /0 of 1 replicas/);
    return true;
  });
  await using replica = await startRedis({ replicaOf: primary.port });
  await until(replica, "replication", "master_link_status:up");
  assert.equal((await backend.publish(KEY, { n: 1 }, { id: "Ev1" })).outcome, "duplicate");
  assert.equal((await backend.publish(KEY, { n: 2 })).outcome, "added");
  assert.equal(await replica.call("XLEN", KEY), 2);
});

test("redis: a demoted server is left for the new primary", async () => {
  await using primary = await startRedis();
  await using other = await startRedis();
  await using proxy = await startProxy(primary.port);
  const failures: QueueError[] = [];
  await using backend = new RedisBackend({
    url: `redis://127.0.0.1:${proxy.port}`,
    timeoutMs: 30_000,
    maxRetries: 1_000,
    retryDelayMs: 10,
    observer: { failed: ({ error }) => failures.push(error) },
  });
  const deliveries = backend.receive(KEY);
  await backend.publish(KEY, { n: 0 });
  assert.deepEqual(await numbersOf(deliveries, 1), [0]);
  const waiting = numbersOf(deliveries, 1);
  proxy.target = other.port; // new connections go there, as a name that is changed would lead them
  await primary.call("REPLICAOF", "127.0.0.1", String(other.port));
  await backend.publish(KEY, { n: 1 });
  assert.deepEqual(await waiting, [1]);
  assert.equal(await other.call("EXISTS", KEY), 1);
  assert.ok(failures.some(({ code }) => code === "unavailable"));
  assert.ok(failures.every(({ code, retryable }) => retryable || code === "unknown-outcome"));
  await deliveries.return!();
});
