// Servers that refuse some commands, clients with settings that cannot work, and the health that each reports.
// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { Cluster, Redis, type RedisOptions as ClientOptions } from "ioredis";
import { RedisBackend, type RedisOptions } from "../../backends/redis/mod.ts";
import type { QueueError } from "../../core/errors.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { startProxy } from "../servers/tcp_proxy.ts";

const test = requires("redis-server");

const KEY = "slack_events";

/** Creates a backend for a user with these rights, and collects the events of its observer. */
async function user(
  redis: RedisServer,
  rules: readonly string[],
  options: RedisOptions = {},
  port = redis.port,
): Promise<{ backend: RedisBackend; told: QueueError[] }> {
  await redis.call("ACL", "SETUSER", "app", "reset", "on", ">pw", ...rules);
  const told: QueueError[] = [];
  const backend = new RedisBackend({
    url: `redis://app:pw@127.0.0.1:${port}`,
    retryDelayMs: 5,
    closeDeadlineMs: 0,
    observer: { failed: ({ error }) => void told.push(error) },
    ...options,
  });
  return { backend, told };
}

for (const appendonly of ["no", "everysec"] as const) {
  test(`RedisBackend publishes for a user without INFO, appendonly ${appendonly}, and says so once`, async () => {
    await using redis = await startRedis({ appendonly });
    const { backend, told } = await user(redis, ["~*", "&*", "+@all", "-@dangerous"]);
    await using _ = backend;
    for (let n = 0; n < 3; n++) {
      assert.equal((await backend.publish(KEY, { n }, { id: `Ev${n}` })).outcome, "added");
      await redis.dropConnections();
    }
    assert.equal((await backend.publish(KEY, { n: 0 }, { id: "Ev0" })).outcome, "duplicate");
    const refusals = told.filter(({ message }) => message.startsWith("INFO is refused"));
    assert.equal(refusals.length, 1, told.join("\n"));
    const { ok, warnings } = await backend.health();
    assert.equal(ok, true);
    assert.match(String(warnings), /INFO is refused/);
  });
}

test("RedisBackend costs a user without CLIENT no more commands while it is idle", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  const { backend, told } = await user(redis, ["~*", "&*", "+@all", "-client"], {}, proxy.port);
  await using _ = backend;
  const waiting = ["a", "b", "c"].map((key) => backend.receive(key).next());
  // Each new queue ends the read for those before it; then all three wait in one.
  const blocked = async () => String(await redis.call("CLIENT", "LIST")).includes("cmd=xread");
  while (!await blocked()) await new Promise((resolve) => setTimeout(resolve, 10));
  let before = -1;
  for (let left = 20; left > 0 && before !== proxy.commands; left--) {
    before = proxy.commands;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  for (let i = 0; i < 20; i++) { // 28,800 commands an hour would be sixteen in this time
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(await blocked(), "nothing waits on the server");
  }
  assert.ok(proxy.commands - before <= 1, `${proxy.commands - before} commands while nothing happened`);
  for (const key of ["c", "b", "a"]) await redis.call("XADD", key, "*", "data", "{}");
  for (const next of waiting) assert.equal(await (await next).value!.ack(), true);
  assert.equal(told.filter(({ message }) => message.startsWith("CLIENT ID is refused")).length, 1);
});

test("RedisBackend polls as documented for a user without XREAD and says so once", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  const { backend, told } = await user(redis, ["~*", "&*", "+@all", "-xread"], {}, proxy.port);
  await using _ = backend;
  const next = backend.receive(KEY).next();
  while (told.length < 1) await new Promise((resolve) => setTimeout(resolve, 10));
  await redis.call("XADD", KEY, "*", "data", "{}");
  assert.equal(await (await next).value!.ack(), true);
  assert.match(told[0]!.message, /XREAD is refused/);
});

test("RedisBackend without WAIT permission is unauthorized before it writes", async () => {
  await using redis = await startRedis();
  const { backend } = await user(redis, ["~*", "&*", "+@all", "-wait"], { replicas: 1 });
  await using _ = backend;
  await assert.rejects(backend.publish(KEY, { n: 1 }), ({ code }: QueueError) => code === "unauthorized");
  assert.equal(await redis.call("EXISTS", KEY), 0);
});

test("RedisBackend never reports a refusal after the write as not sent", async () => {
  await using redis = await startRedis({ appendonly: "everysec" });
  const { backend } = await user(redis, ["~*", "&*", "+@all"], { maxRetries: 0 });
  await using _ = backend;
  await backend.publish(KEY, { n: 1 });
  await redis.call("ACL", "SETUSER", "app", "-info");
  await assert.rejects(backend.publish(KEY, { n: 2 }), ({ code }: QueueError) => code === "unknown-outcome");
  assert.equal(await redis.call("XLEN", KEY), 2);
});

test("RedisBackend refuses a client that changes keys or replies, in one sentence", () => {
  const options = [
    [{ keyPrefix: "app:" }, "client must be made without keyPrefix: it changes keys"],
    [{ stringNumbers: true }, "client must be made without stringNumbers: it changes replies"],
    [{ replyMapping: "resp3" }, 'client must be made without replyMapping: "resp3": it changes replies'],
  ] as const;
  for (const [wrong, message] of options) {
    const client = new Redis({ ...wrong, lazyConnect: true } as ClientOptions);
    assert.throws(() => new RedisBackend({ client }), { name: "ConfigError", message });
    client.disconnect();
  }
  const cluster = new Cluster([{ host: "127.0.0.1", port: 1 }], {
    lazyConnect: true,
    redisOptions: { keyPrefix: "a:" },
  });
  assert.throws(() => new RedisBackend({ client: cluster }), /keyPrefix/);
  cluster.disconnect();
});

/** Options of a client that must not end a read that waits. */
const LIMITS = [
  { commandTimeout: 300 },
  { socketTimeout: 300 },
  { blockingTimeout: 300 },
  { enableAutoPipelining: true },
];

test("RedisBackend waits on a connection without an injected client's time limits", async () => {
  // All at once: each waits five of its time limits.
  await Promise.all(LIMITS.map(async (limit) => {
    await using redis = await startRedis();
    await using proxy = await startProxy(redis.port);
    const client = new Redis({ host: "127.0.0.1", port: proxy.port, ...limit });
    client.on("error", () => undefined);
    try {
      await using backend = new RedisBackend({ client });
      const next = backend.receive(KEY).next();
      while (!String(await redis.call("CLIENT", "LIST")).includes("cmd=xread")) await backend.depth("other");
      const before = proxy.commands;
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      assert.ok(proxy.commands - before <= 1, `${JSON.stringify(limit)}: ${proxy.commands - before} commands`);
      await backend.publish(KEY, { n: 1 });
      assert.equal(await (await next).value!.ack(), true, JSON.stringify(limit));
    } finally {
      client.disconnect();
    }
  }));
});

test("RedisBackend tells once of a server that evicts, and health goes on telling", async () => {
  await using redis = await startRedis({ args: ["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"] });
  const told: string[] = [];
  await using backend = new RedisBackend({
    url: redis.url,
    observer: { failed: ({ error }) => void told.push(error.message) },
  });
  for (let n = 0; n < 3; n++) {
    await backend.publish(KEY, { n });
    await redis.dropConnections();
  }
  assert.equal(told.filter((text) => /evicts.*maxmemory-policy allkeys-lru/.test(text)).length, 1, told.join("\n"));
  const first = await backend.health();
  assert.equal(first.ok, true);
  assert.match(String(first.warnings), /allkeys-lru/);
  await redis.call("CONFIG", "SET", "maxmemory-policy", "noeviction");
  assert.equal((await backend.health()).warnings, undefined);
  await redis.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu");
  assert.match(String((await backend.health()).warnings), /allkeys-lfu/);
});

test("RedisBackend.health is not ok on a full server, and adds nothing to any", async () => {
  await using redis = await startRedis({ maxmemory: "100mb" });
  await using backend = new RedisBackend({ url: redis.url, retryDelayMs: 5 });
  assert.equal((await backend.health()).ok, true);
  assert.equal(await redis.call("DBSIZE"), 0);
  await redis.call("CONFIG", "SET", "maxmemory", "1kb");
  await assert.rejects(backend.publish(KEY, { n: 1 }), ({ code }: QueueError) => code === "queue-full");
  const { ok, error } = await backend.health();
  assert.equal(ok, false);
  assert.equal((error as QueueError).code, "queue-full");
});

test("RedisBackend.health is not ok on a read-only replica", async () => {
  await using primary = await startRedis();
  await using replica = await startRedis({ replicaOf: primary.port });
  await using backend = new RedisBackend({ url: replica.url });
  const { ok, error } = await backend.health();
  assert.equal(ok, false);
  assert.equal((error as QueueError).code, "unavailable");
  assert.match(error!.message, /read-only replica/);
});

test("RedisBackend.health tries the key that was used last, and healthKey before that", async () => {
  await using redis = await startRedis();
  const none = await user(redis, ["~other", "~{other}:*", "&*", "+@all"]);
  await using _ = none.backend;
  const before = await none.backend.health();
  assert.equal((before.error as QueueError | undefined)?.code, "unauthorized");
  await none.backend.publish("other", { n: 1 });
  assert.equal((await none.backend.health()).ok, true, "a key that this user may use");
  const told = await user(redis, ["~other", "~{other}:*", "&*", "+@all"], { healthKey: "other" });
  await using __ = told.backend;
  assert.equal((await told.backend.health()).ok, true, "healthKey");
  await assert.rejects(told.backend.publish(KEY, { n: 1 }), ({ code }: QueueError) => code === "unauthorized");
  assert.equal((await told.backend.health()).ok, false, "the key that was refused");
  await redis.call("LPUSH", "other", "x").catch(() => redis.call("DEL", "other"));
});
