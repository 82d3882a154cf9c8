// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { RedisBackend } from "../../backends/redis/mod.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { KEY, open } from "./support/redis_backend.ts";

const test = requires("redis-server");

/** The bytes of the last commands of a batch: less than the whole of it, and more than its end. */
const CUT = 300;

const BATCH = [1, 2, 3, 4, 5];

/** Kills a server, takes the end of what it wrote from its file, as if it had been killed while it wrote, and starts it. */
async function cutLastBatch(redis: RedisServer, rewrites: boolean): Promise<void> {
  await redis.kill();
  const dir = join(redis.dir, "appendonlydir");
  const file = join(dir, (await readdir(dir)).find((name) => name.endsWith(".incr.aof"))!);
  await truncate(file, (await stat(file)).size - CUT);
  await redis.restart({ rewrites });
}

function publish(backend: RedisBackend, numbers: readonly number[]): Promise<unknown> {
  return backend.publishBatch(KEY, numbers.map((n) => ({ payload: { n } })));
}

async function drain(backend: RedisBackend): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const delivery of backend.receive(KEY, { stopWhenEmpty: true })) {
    seen.push(delivery.payload.n);
    assert.equal(await delivery.ack(), true);
  }
  return seen;
}

/** What comes after two restarts, where the first found a batch that was cut, and the second what came since. */
async function afterTwoRestarts(rewrites: boolean): Promise<unknown[]> {
  await using redis = await startRedis({ appendonly: "always" });
  await using backend = open(redis, { timeoutMs: 120_000, maxRetries: 1_000 });
  await backend.publish(KEY, { n: 0 });
  await publish(backend, BATCH);
  await cutLastBatch(redis, rewrites);
  assert.equal(await redis.call("XLEN", KEY), 1, "nothing of the batch counts");
  await publish(backend, BATCH);
  await backend.publish(KEY, { n: 6 });
  await redis.kill();
  await redis.restart({ rewrites });
  return await drain(backend);
}

test("redis: a batch that a crash has cut comes once where the file is rewritten", async () => {
  assert.deepEqual(await afterTwoRestarts(true), [0, ...BATCH, 6]);
});

test("redis: a file that a crash has cut loses nothing confirmed", async () => {
  const seen = await afterTwoRestarts(false);
  assert.deepEqual([...new Set(seen)].sort(), [0, ...BATCH, 6]);
});
