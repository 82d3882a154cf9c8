// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { Cluster, Redis } from "ioredis";
import { fromEnv, RedisBackend, type RedisOptions } from "../../backends/redis/mod.ts";
import { ConfigError, ConnectionError, type ErrorCode, QueueError } from "../../core/errors.ts";
import { freePort, type RedisServer, startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { startProxy } from "../servers/tcp_proxy.ts";

const test = requires("redis-server", "openssl");

const KEY = "slack_events";

function open(redis: RedisServer, options: RedisOptions = {}): RedisBackend {
  return new RedisBackend({ url: redis.url, retryDelayMs: 5, ...options });
}

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof QueueError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** Publishes one message and consumes it. */
async function roundTrip(backend: RedisBackend, key = KEY): Promise<void> {
  await backend.publish(key, { n: 1 });
  for await (const delivery of backend.receive(key)) {
    assert.deepEqual(delivery.payload, { n: 1 });
    assert.equal(await delivery.ack(), true);
    break;
  }
}

test("redis: one error names every wrong variable and shows no secret", () => {
  const env = {
    REDIS_URL: "redis://user:p4ssw0rd@localhost:6379/abc",
    REDIS_SSL: "perhaps",
    REDIS_TIMEOUT: "-1",
    REDIS_MAX_CONNECTIONS: "1",
    REDIS_STREAM_MAXLEN: "many",
    REDIS_OVERFLOW: "explode",
    REDIS_REPLICAS: "-1",
  };
  assert.throws(() => fromEnv(env), (error) => {
    assert.ok(error instanceof ConfigError);
    for (const name of Object.keys(env)) assert.match(error.message, new RegExp(`${name} must`));
    assert.doesNotMatch(error.message, /p4ssw0rd/);
    return true;
  });
  assert.throws(() => fromEnv({}), /REDIS_URL is not set/);
  assert.throws(
    () => fromEnv({ REDIS_URL: "http://localhost" }),
    /REDIS_URL must start with redis:\/\/ or rediss:\/\//,
  );
  assert.throws(() => fromEnv({ REDIS_URL: "localhost:6379" }), ConfigError);
  assert.throws(() => fromEnv({ REDIS_URL: "redis://localhost:99999" }), ConfigError);
  assert.throws(() => fromEnv({ REDIS_URL: "rediss://localhost", REDIS_SSL: "false" }), /REDIS_SSL must not be false/);
});

test("redis: an option that is wrong is refused before anything is opened", () => {
  assert.throws(() => new RedisBackend({ url: "http://x" }), ConfigError);
  assert.throws(() => new RedisBackend({ url: "redis://x/abc" }), ConfigError);
  assert.throws(() => new RedisBackend({ client: {} as Redis }), TypeError);
  assert.throws(() => new RedisBackend({ maxConnections: 1 }), RangeError);
  assert.throws(() => new RedisBackend({ overflow: "drop" as "reject" }), RangeError);
  assert.throws(() => new RedisBackend({ maxLength: 0 }), RangeError);
  assert.throws(() => new RedisBackend({ uri: "redis://x" } as RedisOptions), /no option "uri"/);
});

test("redis: user, password and database of the environment are used, and never shown", async () => {
  const password = "s3cret/+@:ü";
  await using redis = await startRedis();
  await redis.call("ACL", "SETUSER", "app", "on", `>${password}`, "~*", "+@all");
  for (
    const env of [
      { REDIS_URL: `redis://app:${encodeURIComponent(password)}@127.0.0.1:${redis.port}/3` },
      { REDIS_URL: `redis://127.0.0.1:${redis.port}/3`, REDIS_USERNAME: "app", REDIS_PASSWORD: password },
    ]
  ) {
    await using backend = fromEnv(env);
    await roundTrip(backend);
    for (const shown of [inspect(backend, { depth: 10, showHidden: true }), JSON.stringify(backend), String(backend)]) {
      assert.ok(!shown.includes(password) && !shown.includes(encodeURIComponent(password)), shown);
    }
    await redis.call("SELECT", "3");
    assert.equal(await redis.call("EXISTS", KEY), 1);
    await redis.call("FLUSHALL");
    await redis.call("SELECT", "0");
  }
});

test("redis: credentials that are not accepted are told at once, without them", async () => {
  await using redis = await startRedis({ requirepass: "right" });
  for (const url of [`redis://:wr0ng-secret@127.0.0.1:${redis.port}`, `redis://127.0.0.1:${redis.port}`]) {
    await using backend = open(redis, { url });
    await assert.rejects(backend.publish(KEY, { a: 1 }), (error) => {
      hasCode("unauthorized")(error);
      assert.doesNotMatch(inspect(error), /wr0ng-secret/);
      return true;
    });
    await assert.rejects(backend.receive(KEY).next(), hasCode("unauthorized"));
    const { ok, error } = await backend.health();
    assert.equal(ok, false);
    assert.ok(error);
  }
});

test("redis: a missing permission is named, and channels are not needed to publish", async () => {
  await using redis = await startRedis();
  await redis.call(
    "ACL",
    "SETUSER",
    "reader",
    "on",
    ">x",
    "~*",
    "+@read",
    "+@connection",
    "+evalsha",
    "+eval",
    "+info",
  );
  await redis.call("ACL", "SETUSER", "writer", "on", ">x", "~*", "resetchannels", "+@all", "-client|unblock");
  await using reader = open(redis, { url: `redis://reader:x@127.0.0.1:${redis.port}` });
  await assert.rejects(reader.publish(KEY, { a: 1 }), hasCode("unauthorized"));
  await using writer = open(redis, { url: `redis://writer:x@127.0.0.1:${redis.port}` });
  await roundTrip(writer);
  const waiting = [writer.receive("one").next(), writer.receive("two").next()];
  await writer.publish("two", { n: 2 });
  await writer.publish("one", { n: 1 });
  for (const next of waiting) assert.equal(await (await next).value!.ack(), true);
});

test("redis: TLS by scheme and by REDIS_SSL, with the server's certificate checked", async () => {
  await using redis = await startRedis({ tls: true });
  const ca = readFileSync(redis.certificate, "utf8");
  await using backend = open(redis, { url: `rediss://localhost:${redis.port}`, tls: { ca, servername: "localhost" } });
  await roundTrip(backend);
  await using untrusting = fromEnv({
    REDIS_URL: `redis://localhost:${redis.port}`,
    REDIS_SSL: "true",
    REDIS_TIMEOUT: "1",
    REDIS_MAX_RETRIES: "0",
  });
  await assert.rejects(untrusting.publish(KEY, { a: 1 }), hasCode("connection"));
  await using plain = open(redis, { url: `redis://localhost:${redis.port}`, timeoutMs: 1_000, maxRetries: 0 });
  await assert.rejects(plain.publish(KEY, { a: 1 }), hasCode("connection"));
});

test("redis: a server down at the start is a connection error until it is there", async () => {
  const port = await freePort();
  await using backend = new RedisBackend({ url: `redis://127.0.0.1:${port}`, timeoutMs: 1_000, retryDelayMs: 5 });
  await assert.rejects(backend.publish(KEY, { a: 1 }), hasCode("connection"));
  const health = await backend.health();
  assert.ok(health.error instanceof ConnectionError, String(health.error));
  const next = backend.receive(KEY).next();
  await using redis = await startRedis({ port });
  assert.equal(redis.port, port);
  await using publisher = open(redis);
  await publisher.publish(KEY, { n: 1 });
  await (await next).value!.ack();
  assert.equal((await backend.publish(KEY, { n: 2 })).outcome, "added");
});

test("redis: a server killed within a batch loses and doubles nothing confirmed", async () => {
  await using redis = await startRedis({ appendonly: "always" });
  await using backend = open(redis, { maxRetries: 30 });
  const confirmed = new Set<number>();
  for (let round = 0; round < 3; round++) {
    const publishes = Array.from({ length: 2_000 }, async (_, i) => {
      const n = round * 2_000 + i;
      await backend.publish(KEY, { n });
      confirmed.add(n);
    });
    await publishes[0];
    await redis.kill();
    await redis.restart();
    await Promise.all(publishes);
  }
  const seen: unknown[] = [];
  for await (const delivery of backend.receive(KEY, { stopWhenEmpty: true })) {
    seen.push(delivery.payload.n);
    await delivery.ack();
  }
  assert.equal(confirmed.size, 6_000);
  assert.equal(seen.length, 6_000, "each was added once");
  assert.deepEqual(seen, [...seen].sort((a, b) => Number(a) - Number(b)), "in order");
});

test("redis: with appendfsync everysec a publish is confirmed after its write", async () => {
  await using redis = await startRedis({ appendonly: "everysec" });
  await using guarded = open(redis);
  await using trusting = open(redis, { durable: false });
  const infos = async () => {
    const stats = String(await redis.call("INFO", "commandstats"));
    return Number(/cmdstat_info:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  await guarded.publish(KEY, { n: 1 });
  await trusting.publish(KEY, { n: 1 });
  const before = await infos();
  await trusting.publish(KEY, { n: 1 });
  const between = await infos();
  await guarded.publish(KEY, { n: 1 });
  const after = await infos();
  assert.equal(between - before, 1, "only the test itself asked");
  assert.ok(after - between > 1, "nobody looked at the buffer");
});

test("redis: a server out of memory refuses with queue-full, consumers go on", async () => {
  await using redis = await startRedis({ maxmemory: "3mb" });
  await using backend = open(redis);
  const accepted: number[] = [];
  const fill = async () => {
    for (let n = 0;; n++) {
      await backend.publish(KEY, { n, filler: "x".repeat(50_000) }, n % 2 ? { id: `Ev${n}` } : {});
      accepted.push(n);
    }
  };
  await assert.rejects(fill(), hasCode("queue-full"));
  assert.ok(accepted.length > 0);
  const seen: unknown[] = [];
  for await (const { payload, ack } of drain(backend)) {
    seen.push(payload.n);
    assert.equal(await ack(), true);
  }
  assert.deepEqual(seen, accepted);
  assert.equal((await backend.publish(KEY, { n: -1 }, { id: `Ev${accepted.length}` })).outcome, "added");
});

async function* drain(backend: RedisBackend) {
  for await (const delivery of backend.receive(KEY, { stopWhenEmpty: true })) {
    yield { payload: delivery.payload, ack: () => delivery.ack() };
  }
}

test("RedisBackend names a key of another type and a payload over the limit", async () => {
  await using redis = await startRedis();
  await using backend = open(redis);
  await redis.call("LPUSH", "list", "x");
  await assert.rejects(backend.publish("list", { a: 1 }), hasCode("invalid"));
  await assert.rejects(backend.receive("list").next(), hasCode("invalid"));
  await assert.rejects(backend.depth("list"), hasCode("invalid"));
  await assert.rejects(backend.publish(KEY, { a: "x".repeat(16 * 1024 * 1024) }), RangeError);
  assert.equal(await redis.call("EXISTS", KEY), 0);
});

test("redis: a queue of some megabytes goes through whole", async () => {
  await using redis = await startRedis();
  await using backend = open(redis);
  const big = { text: "é".repeat(4_000_000) };
  await backend.publishBatch(KEY, [{ payload: big }, { payload: big }, { payload: { n: 1 } }]);
  const sizes: number[] = [];
  for await (const delivery of backend.receive(KEY, { stopWhenEmpty: true })) {
    sizes.push(JSON.stringify(delivery.payload).length);
    await delivery.ack();
  }
  assert.deepEqual(sizes, [4_000_011, 4_000_011, 7]);
});

test("redis: a connection that hangs is given up and made anew", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  await using backend = open(redis, { url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 1_000, maxRetries: 0 });
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
    await using backend = new RedisBackend({ client, maxRetries: 20, leaseMs: 1_000 });
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
