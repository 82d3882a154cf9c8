// Connections that are accepted and silent, slow, or lead to the wrong place.
// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { Cluster, Redis } from "ioredis";
import { fromEnv, RedisBackend, type RedisOptions } from "../../backends/redis/mod.ts";
import { createConsumer } from "../../core/consume/consumer.ts";
import type { QueueError } from "../../core/errors.ts";
import type { QueueObserver } from "../../core/observer.ts";
import { requires } from "../runner/services.ts";
import { startCluster } from "../servers/redis_cluster.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { startProxy, type TcpProxy } from "../servers/tcp_proxy.ts";

const test = requires("redis-server");

const KEY = "slack_events";

function through(proxy: TcpProxy, options: RedisOptions = {}): RedisBackend {
  return new RedisBackend({ url: `redis://127.0.0.1:${proxy.port}`, retryDelayMs: 5, closeDeadlineMs: 0, ...options });
}

async function failure(promise: Promise<unknown>): Promise<QueueError> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}

test("RedisBackend replaces a connection that is accepted and never answered", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  proxy.swallowNext(1);
  await using backend = through(proxy, { timeoutMs: 12_000 });
  assert.equal((await backend.publish(KEY, { n: 1 })).outcome, "added");
  assert.equal(proxy.accepted, 2);
});

test("RedisBackend gives up a silent first connection on a client that is handed in", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  proxy.swallowNext(1);
  const client = new Redis({ port: proxy.port, host: "127.0.0.1", lazyConnect: true });
  client.on("error", () => undefined);
  try {
    await using backend = new RedisBackend({ client, timeoutMs: 12_000, closeDeadlineMs: 0 });
    assert.equal((await backend.publish(KEY, { n: 1 })).outcome, "added");
  } finally {
    client.disconnect();
  }
});

test("RedisBackend waits for the next connection while the last one is ending", async () => {
  await using redis = await startRedis();
  const client = new Redis({ port: redis.port, host: "127.0.0.1", enableOfflineQueue: false, retryStrategy: () => 1 });
  client.on("error", () => undefined);
  try {
    await using backend = new RedisBackend({ client, closeDeadlineMs: 0 });
    await backend.publish(KEY, { n: 1 });
    const delivery = (await backend.receive(KEY).next()).value!;
    for (
      const call of [
        () => delivery.extend(60_000),
        () => backend.depth(KEY),
        () => backend.health(),
        () => delivery.ack(),
        () => backend.publish(KEY, { n: 2 }),
      ]
    ) {
      client.stream.end();
      assert.deepEqual([client.status, client.stream.writable], ["ready", false]);
      assert.ok(await call());
    }
  } finally {
    client.disconnect();
  }
});

test("RedisBackend replaces a waiting connection that is never answered", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using backend = through(proxy, { timeoutMs: 5_000 });
  const deliveries = backend.receive(KEY);
  await backend.publish(KEY, { n: 1 });
  await (await deliveries.next()).value!.ack();
  const next = deliveries.next();
  while (proxy.connections < 2) await backend.depth(KEY);
  proxy.swallowNext(2);
  proxy.dropConnections();
  const blocked = async () => String(await redis.call("CLIENT", "LIST")).includes("cmd=xread");
  while (!await blocked()) await new Promise((resolve) => setTimeout(resolve, 20));
  await redis.call("XADD", KEY, "*", "data", '{"n":2}');
  assert.deepEqual((await next).value!.payload, { n: 2 });
  await (await next).value!.ack();
});

test("RedisBackend takes arriving bytes of a long reply for a sign of life", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using near = new RedisBackend({ url: redis.url });
  for (let n = 0; n < 3; n++) await near.publish(KEY, { n, image: "x".repeat(500_000) });
  const failures: string[] = [];
  await using far = through(proxy, {
    timeoutMs: 3_000,
    leaseMs: 60_000,
    observer: { failed: ({ operation, error }) => failures.push(`${operation}: ${error.message}`) },
  });
  await far.health();
  proxy.bytesPerSecond = 200_000; // more than seven seconds for the reply, where silence is given up after three
  const seen: unknown[] = [];
  await createConsumer({ handler: ({ payload }) => void seen.push(payload.n) }).drain(far, KEY);
  assert.deepEqual(seen, [0, 1, 2]);
  assert.deepEqual(failures.filter((text) => text.startsWith("receive")), []);
});

test("RedisBackend refuses a missing database and publishes to no other", async () => {
  await using redis = await startRedis();
  for (const options of [{ timeoutMs: 30_000 }, { timeoutMs: 30_000, maxRetries: 0 }]) {
    await using backend = new RedisBackend({ url: `${redis.url}/99`, ...options });
    for (const call of [backend.publish(KEY, { n: 1 }), backend.depth(KEY), backend.receive(KEY).next()]) {
      const error = await failure(call);
      assert.equal(error.code, "not-found", String(error));
      assert.match(error.message, /database cannot be selected/);
    }
    assert.equal((await backend.health()).ok, false);
  }
  assert.equal(await redis.call("DBSIZE"), 0);
});

test("RedisBackend refuses a database that this user may not select", async () => {
  await using redis = await startRedis();
  await redis.call("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-select");
  await using own = new RedisBackend({ url: `redis://app:pw@127.0.0.1:${redis.port}/3`, timeoutMs: 30_000 });
  const client = new Redis({ port: redis.port, username: "app", password: "pw", db: 3 });
  client.on("error", () => undefined);
  try {
    await using given = new RedisBackend({ client, timeoutMs: 30_000 });
    for (const backend of [own, given]) {
      assert.equal((await failure(backend.publish(KEY, { n: 1 }))).code, "unauthorized");
      assert.equal((await backend.health()).ok, false);
    }
    assert.equal(await redis.call("DBSIZE"), 0);
  } finally {
    client.disconnect();
  }
});

test("RedisBackend checks the database of a client that is connected already", async () => {
  await using redis = await startRedis({ args: ["--databases", "4"] });
  for (const [db, code] of [[3, "added"], [7, "not-found"]] as const) {
    const client = new Redis({ port: redis.port, db });
    client.on("error", () => undefined);
    const ready = new Promise((resolve) => client.once("ready", resolve));
    try {
      await ready;
      await using backend = new RedisBackend({ client, timeoutMs: 30_000 });
      const outcome = await backend.publish(KEY, { n: 1 }).then(({ outcome }) => outcome, ({ code }) => code);
      assert.equal(outcome, code);
    } finally {
      client.disconnect();
    }
  }
  assert.equal(await redis.call("EXISTS", KEY), 0, "database 0");
});

test("RedisBackend that starts on a demoted server finds the one that took its place", async () => {
  await using primary = await startRedis();
  await using demoted = await startRedis({ replicaOf: primary.port });
  await using proxy = await startProxy(demoted.port);
  const told: string[] = [];
  await using backend = through(proxy, {
    timeoutMs: 30_000,
    maxRetries: 1_000,
    retryDelayMs: 20,
    observer: { failed: ({ error }) => void told.push(error.code) },
  });
  const next = backend.receive(KEY).next();
  const publishing = backend.publish(KEY, { n: 1 });
  while (!told.includes("unavailable")) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await backend.health()).ok, false);
  proxy.target = primary.port; // the name leads to the new primary now
  assert.equal((await publishing).outcome, "added");
  assert.deepEqual((await next).value!.payload, { n: 1 });
  await (await next).value!.ack();
});

test("RedisBackend asks a loading server four times a second whether it is ready", async () => {
  await using redis = await startRedis({
    args: [
      "--enable-debug-command",
      "yes",
      "--key-load-delay",
      "200",
      "--loading-process-events-interval-bytes",
      "1024",
    ],
  });
  await redis.call("DEBUG", "POPULATE", "6000");
  await redis.call("SAVE");
  await redis.kill();
  const up = redis.restart(); // loads for some seconds, and takes connections meanwhile
  await using backend = new RedisBackend({ url: redis.url, timeoutMs: 60_000, maxRetries: 1_000, retryDelayMs: 10 });
  assert.equal((await backend.publish(KEY, { n: 1 })).outcome, "added");
  await up;
  const asked = /cmdstat_info:calls=(\d+)/.exec(String(await redis.call("INFO", "commandstats")))?.[1];
  assert.ok(Number(asked) > 4, `asked ${asked} times`);
});

test("RedisBackend gives its observer the caller's reason at a deadline", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  const told: QueueError[] = [];
  const observer: QueueObserver = { failed: ({ error }) => void told.push(error) };
  await using backend = through(proxy, { timeoutMs: 3_000, maxRetries: 0, observer, leaseMs: 60_000 });
  await backend.publish(KEY, { n: 1 });
  const { value } = await backend.receive(KEY).next();
  for (const use of [() => backend.publish(KEY, { n: 2 }), () => value!.extend(60_000)]) {
    proxy.silence();
    const error = await failure(use());
    assert.match(error.message, /no reply came in time/);
    while (!(await backend.health()).ok) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(told.length > 0);
  for (const error of told) {
    assert.doesNotMatch(`${error} ${error.cause}`, /signal has been aborted|operation was aborted/);
  }
});

test("RedisBackend gives up one silent node of a cluster while the others answer", async () => {
  await using cluster = await startCluster();
  const [first, second] = cluster.nodes as [RedisServer, RedisServer];
  await using proxy = await startProxy(first.port);
  const client = new Cluster([{ host: "127.0.0.1", port: second.port }], {
    natMap: { [`127.0.0.1:${first.port}`]: { host: "127.0.0.1", port: proxy.port } },
  });
  client.on("error", () => undefined);
  let busy = true;
  try {
    await using backend = new RedisBackend({ client, timeoutMs: 4_000, retryDelayMs: 20, closeDeadlineMs: 0 });
    const [sick, well] = [await cluster.keyOn(first), await cluster.keyOn(second)];
    for (const key of [sick, well]) await backend.publish(key, { n: 1 });
    const deliveries = backend.receive(sick);
    await (await deliveries.next()).value!.ack();
    const next = deliveries.next();
    const others = (async () => {
      while (busy) await backend.publish(well, { n: 2 });
    })();
    proxy.silence();
    // Requests on their way are lost; the next request goes over a new connection.
    while (await backend.publish(sick, { n: 3 }, { id: "Ev3" }).then(() => false, () => true));
    assert.equal((await backend.publish(sick, { n: 3 }, { id: "Ev3" })).outcome, "duplicate");
    assert.deepEqual((await next).value!.payload, { n: 3 });
    await (await next).value!.ack();
    busy = false;
    await others;
  } finally {
    busy = false;
    client.disconnect();
  }
});

test("RedisBackend waits on a cluster with one connection for each key", async () => {
  await using cluster = await startCluster();
  const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })));
  try {
    await using backend = new RedisBackend({ client, closeDeadlineMs: 0 });
    for (let n = 0; n < 20; n++) await backend.publish(`k${n}`, { n });
    const connections = async () => {
      const lists = await Promise.all(cluster.nodes.map((node) => node.call("CLIENT", "LIST")));
      return String(lists).split("\n").filter((line) => line.includes("cmd=") && !line.includes("cmd=client")).length;
    };
    const before = await connections();
    const waiting = [];
    for (let n = 0; n < 20; n++) {
      const deliveries = backend.receive(`k${n}`);
      await (await deliveries.next()).value!.ack();
      waiting.push(deliveries.next());
    }
    const blocked = async () => {
      const lists = await Promise.all(cluster.nodes.map((node) => node.call("CLIENT", "LIST")));
      return String(lists).split("cmd=xread").length - 1;
    };
    while (await blocked() < 20) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(await connections() - before <= 20, `${await connections() - before} further connections for 20 keys`);
    for (let n = 0; n < 20; n++) await backend.publish(`k${n}`, { n });
    for (const next of waiting) assert.equal(await (await next).value!.ack(), true);
  } finally {
    client.disconnect();
  }
});

test("fromEnv shows no part of a URL whose password is not percent-encoded", () => {
  const secret = "12/8Kxsecret";
  for (const password of [secret, "12?8Kxsecret", "12#8Kxsecret", "12/8Kxse@cret", "1%zz8Kxsecret", "x/8Kxsecret"]) {
    for (
      const make of [
        () => fromEnv({ REDIS_URL: `redis://app:${password}@host/0` }),
        () => new RedisBackend({ url: `rediss://app:${password}@host/0` }),
      ]
    ) {
      assert.throws(make, (error: QueueError) => {
        assert.equal(error.code, "config", `${password}: ${error}`);
        assert.match(error.message, /percent-encode/);
        assert.doesNotMatch(error.message, /8Kx|secret|cret|app/);
        return true;
      });
    }
  }
  assert.throws(() => fromEnv({ REDIS_URL: "redis://host/8Kxsecret" }), (error: QueueError) => {
    assert.doesNotMatch(error.message, /8Kx/);
    return error.message.startsWith("REDIS_URL must end with the number of a database");
  });
  assert.throws(() => new RedisBackend({ url: "redis://host?db=3" }), /found a query with db/);
});
