// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import type { Redis } from "ioredis";
import { fromEnv, RedisBackend, type RedisOptions } from "../../backends/redis/mod.ts";
import { ConfigError, ConnectionError } from "../../core/errors.ts";
import { freePort } from "../servers/ports.ts";
import { startRedis } from "../servers/redis_server.ts";
import { hasCode, KEY, open, roundTrip } from "./support/redis_backend.ts";
import { requires } from "../runner/services.ts";

const test = requires("redis-server", "openssl");

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
  assert.equal((await backend.publish(KEY, { n: 2 }, { timeoutMs: 60_000 })).outcome, "added");
});

test("redis: a server killed within a batch loses and doubles nothing confirmed", async () => {
  await using redis = await startRedis({ appendonly: "always" });
  await using backend = open(redis, { timeoutMs: 120_000, maxRetries: 1_000 });
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
