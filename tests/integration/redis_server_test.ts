// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";

const test = requires("redis-server", "openssl");

test("a killed server comes back on the same port with what was on the disk", async () => {
  await using redis = await startRedis({ appendonly: "always" });
  await redis.call("SET", "kept", "yes");
  const { port } = redis;
  await redis.kill();
  assert.equal(redis.pid, undefined);
  assert.throws(() => redis.call("PING"), /not running/);
  await redis.restart();
  assert.equal(redis.port, port);
  assert.equal(await redis.call("GET", "kept"), "yes");
});

test("without the append-only file a killed server forgets", async () => {
  await using redis = await startRedis();
  await redis.call("SET", "kept", "no");
  await redis.kill();
  await redis.restart();
  assert.equal(await redis.call("GET", "kept"), null);
});

test("a password is asked for", async () => {
  await using redis = await startRedis({ requirepass: "s3cret" });
  assert.equal(await redis.call("PING"), "PONG");
  assert.match(redis.url, /^redis:\/\/:s3cret@127\.0\.0\.1:\d+$/);
});

test("TLS, a memory limit and a replica", async () => {
  await using redis = await startRedis({ tls: true });
  assert.equal(await redis.call("PING"), "PONG");
  await using small = await startRedis({ maxmemory: "1mb" });
  await assert.rejects(small.call("SET", "big", "x".repeat(2_000_000)).then(() => small.call("SET", "a", "b")), /OOM/);
  await using replica = await startRedis({ replicaOf: small.port });
  await assert.rejects(replica.call("SET", "a", "b"), /READONLY/);
});

test("binary bytes pass and connections can be cut", async () => {
  await using redis = await startRedis();
  const bytes = new Uint8Array([0, 255, 13, 10, 42]);
  await redis.call("SET", "b", bytes);
  const client = await redis.connect();
  assert.deepEqual(new Uint8Array(await client.raw("GET", "b") as Uint8Array), bytes);
  const closed = new Promise<void>((resolve) => client.onClose = resolve);
  await redis.dropConnections();
  await closed;
  await assert.rejects(client.call("PING"));
  assert.equal(await redis.call("PING"), "PONG");
});

test("disposing removes the directory", async () => {
  const redis = await startRedis();
  await redis[Symbol.asyncDispose]();
  await assert.rejects(stat(redis.dir), /ENOENT/);
});
