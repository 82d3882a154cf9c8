// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { Cluster, Redis } from "ioredis";
import { RedisBackend } from "../../backends/redis/mod.ts";
import { startRedis } from "../servers/redis_server.ts";
import { startProxy } from "../servers/tcp_proxy.ts";
import { hasCode, KEY, open, roundTrip } from "./support/redis_backend.ts";
import { requires } from "../runner/services.ts";

const test = requires("redis-server", "openssl");

test("redis: a connection that hangs is given up and made anew", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using backend = open(redis, { url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 4_000, maxRetries: 0 });
  await roundTrip(backend);
  proxy.delayMs = 60_000;
  await assert.rejects(backend.publish(KEY, { a: 1 }), hasCode("unknown-outcome"));
  proxy.delayMs = 0;
  // Until the old connection is given up, its replies come as late as all others on it.
  // Its end is an event, and promises alone let no event happen: hence a turn between two looks.
  while (!(await backend.health()).ok) await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal((await backend.publish(KEY, { n: 2 })).outcome, "added");
});

test("redis: one connection sends and one waits, however many queues are waited for", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using backend = open(redis, { url: `redis://127.0.0.1:${proxy.port}` });
  const waiting = Array.from({ length: 30 }, (_, i) => backend.receive(`key${i}`).next());
  for (const [i, next] of waiting.entries()) {
    await backend.publish(`key${i}`, { i });
    const { value } = await next;
    assert.deepEqual(value!.payload, { i });
    await value!.ack();
  }
  assert.equal(proxy.connections, 2);
});

test("redis: a client that is given is used and left open", async () => {
  await using redis = await startRedis();
  const client = new Redis(redis.url);
  try {
    const backend = new RedisBackend({ client });
    await roundTrip(backend);
    await backend.close();
    assert.equal(await client.ping(), "PONG");
    assert.equal(client.listenerCount("error"), 0, "no listener is left behind");
  } finally {
    client.disconnect();
  }
});

test("redis: a client that is given survives a restart of the server", async () => {
  await using redis = await startRedis({ appendonly: "always" });
  const client = new Redis(redis.url);
  client.on("error", () => undefined);
  try {
    await using backend = new RedisBackend({ client, timeoutMs: 120_000, maxRetries: 1_000, leaseMs: 5_000 });
    await roundTrip(backend);
    const next = backend.receive(KEY).next();
    await redis.kill();
    await redis.restart();
    await backend.publish(KEY, { n: 2 });
    assert.deepEqual((await next).value!.payload, { n: 2 });
    await (await next).value!.ack();
  } finally {
    client.disconnect();
  }
});

test("redis: a cluster, with keys in its slots", async () => {
  await using redis = await startRedis({ cluster: true });
  await redis.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  while (!String(await redis.call("CLUSTER", "INFO")).includes("cluster_state:ok")) await redis.call("PING");
  const client = new Cluster([{ host: "127.0.0.1", port: redis.port }]);
  try {
    await using backend = new RedisBackend({ client });
    for (const key of [KEY, "{tenant}:events", "slack:message"]) {
      const deliveries = backend.receive(key);
      const first = deliveries.next(); // a blocking read, and below what wakes it
      await backend.publish(key, { n: 1 }, { id: "Ev1" });
      await (await first).value!.deadLetter(new Error("no"));
      const second = deliveries.next();
      assert.equal(await backend.deadLetters.replay(key), 1);
      await (await second).value!.ack();
      const third = deliveries.next();
      await backend.publish(key, { n: 3 }, { delayMs: 10 });
      const { value } = await third;
      assert.deepEqual(value!.payload, { n: 3 });
      assert.equal(await value!.ack(), true);
      await deliveries.return!();
      assert.deepEqual(await backend.depth(key), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
    }
    await assert.rejects(backend.publish("a}b", { a: 1 }, { id: "x" }), hasCode("invalid"));
    assert.throws(() => new RedisBackend({ client, replicas: 1 }), /replicas must be 0 on a cluster, found 1/);
  } finally {
    client.disconnect();
  }
});
