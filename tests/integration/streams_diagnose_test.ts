// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { createDriver } from "../../backends/redis/driver.ts";
import { RedisBackend } from "../../backends/redis/mod.ts";
import type { Finding } from "../../core/protocol.ts";
import { diagnoseStream } from "../../backends/streams/diagnose.ts";
import { systemClock } from "../../core/util/clock.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, type RedisServerOptions, startRedis } from "../servers/redis_server.ts";
import { KEY, NEVER, TestDriver, transportTo } from "./support/streams.ts";

const test = requires("redis-server");

/** An entry that was added long ago. */
const OLD = "1700000000000-0";
const SAFE = { appendonly: "everysec" } as const;

async function found(options: RedisServerOptions, prepare: (redis: RedisServer) => Promise<unknown> = async () => {}) {
  await using redis = await startRedis(options);
  await prepare(redis);
  await using backend = new RedisBackend({ url: `redis://127.0.0.1:${redis.port}` });
  return await backend.diagnose!(KEY);
}

function settings(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, setting }) => `${severity} ${setting}`);
}

test("RedisBackend.diagnose finds nothing on a server that keeps what it confirms", async () => {
  assert.deepEqual(await found(SAFE), []);
  assert.deepEqual(
    await found(SAFE, async (redis) => {
      await using driver = new TestDriver(redis);
      await driver.put(0, 100);
      await driver.take(50);
      await driver.all(await driver.take(10));
    }),
    [],
    "messages wait, and somebody reads",
  );
});

test("StreamsDriver.diagnose changes nothing on the server", async () => {
  await using redis = await startRedis(SAFE);
  await using driver = new TestDriver(redis);
  await driver.put(0, 5);
  await driver.take(2);
  await redis.call("XADD", KEY, "*", "data", "not JSON");
  await redis.call("XGROUP", "CREATE", KEY, "other", "0");
  const everything = async () => {
    const keys = (await redis.call("KEYS", "*") as string[]).sort();
    const held = await Promise.all(keys.map((key) => redis.call("OBJECT", "ENCODING", key)));
    const state = await redis.call("XINFO", "STREAM", KEY, "FULL");
    // Times that pass by themselves: since a delivery, and since a consumer was seen.
    return JSON.stringify([keys, held, state]).replace(/\d{13}(?=[,\]])/g, "time");
  };
  const before = await everything();
  for (const group of ["bots", "other", "new"]) await driver.diagnose(KEY, group, NEVER);
  await driver.diagnose("another", "bots", NEVER);
  assert.equal(await everything(), before);
});

const servers: readonly [string, RedisServerOptions, string, RegExp][] = [
  ["keeps nothing", { args: ["--save", ""] }, "error appendonly", /a restart loses every event/],
  ["keeps snapshots alone", { args: ["--save", "60 1"] }, "warning appendonly", /last snapshot \(save 60 1\)/],
  ["never syncs", { ...SAFE, args: ["--appendfsync", "no"] }, "warning appendfsync", /appendfsync no/],
  [
    "evicts queues",
    { ...SAFE, args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"] },
    "error maxmemory-policy",
    /maxmemory-policy allkeys-lru.*whole queues/,
  ],
  [
    "evicts ids",
    { ...SAFE, args: ["--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"] },
    "warning maxmemory-policy",
    /the ids by which duplicates/,
  ],
];
for (const [what, options, setting, problem] of servers) {
  test(`RedisBackend.diagnose finds a server that ${what}`, async () => {
    const findings = await found(options);
    assert.deepEqual(settings(findings), [setting]);
    assert.match(findings[0]!.problem, problem);
  });
}

test("RedisBackend.diagnose finds a server whose memory is nearly full", async () => {
  const findings = await found(SAFE, async (redis) => {
    const used = Number(/used_memory:(\d+)/.exec(String(await redis.call("INFO", "memory")))![1]);
    await redis.call("CONFIG", "SET", "maxmemory", String(used + 100_000), "maxmemory-policy", "noeviction");
  });
  assert.deepEqual(settings(findings), ["warning maxmemory"]);
});

test("RedisBackend.diagnose finds unawaited replicas, and too few of them", async () => {
  await using redis = await startRedis(SAFE);
  const few = new RedisBackend({ url: `redis://127.0.0.1:${redis.port}`, replicas: 1 });
  assert.match((await few.diagnose!(KEY).finally(() => few.close()))[0]!.problem, /has 0 replicas: no publish/);
  await using _replica = await startRedis({ replicaOf: redis.port });
  while (!/connected_slaves:1/.test(String(await redis.call("INFO", "replication")))) await redis.call("PING");
  await using backend = new RedisBackend({ url: `redis://127.0.0.1:${redis.port}` });
  assert.deepEqual(settings(await backend.diagnose!(KEY)), ["warning REDIS_REPLICAS"]);
});

test("RedisBackend.diagnose says what a user without INFO may not ask", async () => {
  await using redis = await startRedis(SAFE);
  await redis.call("ACL", "SETUSER", "app", "on", ">p", "~*", "&*", "+@all", "-info", "-config");
  await using backend = new RedisBackend({ url: `redis://app:p@127.0.0.1:${redis.port}` });
  assert.deepEqual(settings(await backend.diagnose!(KEY)), ["warning REDIS_USERNAME"]);
});

test("StreamsDriver.diagnose finds groups that nobody reads, ours and others'", async () => {
  const findings = await found(SAFE, async (redis) => {
    await redis.call("XADD", KEY, OLD, "data", "{}");
    await redis.call("XGROUP", "CREATE", KEY, "left behind", "0");
    await redis.call("XADD", KEY, "1700000000001-0", "data", "{}");
    await redis.call("XGROUP", "CREATE", KEY, "up to date", "$");
    const readAs = async (consumer: string, group: string) => {
      await redis.call("XGROUP", "CREATE", KEY, group, "0");
      await redis.call("XREADGROUP", "GROUP", group, consumer, "COUNT", 1, "STREAMS", KEY, ">");
    };
    await readAs("given-back", "nobody but the one that holds retries");
    await readAs("somebody", "slow");
    await using driver = new TestDriver(redis);
    await driver.take(1, { group: "reads" });
    await driver.put(0, 1);
  });
  assert.deepEqual(settings(findings).sort(), [
    "warning group left behind",
    "warning group nobody but the one that holds retries",
  ]);
  const { problem } = findings.find(({ setting }) => setting === "group left behind")!;
  assert.match(problem, /nobody reads the group "left behind" of slack:events: .* waited for \d+ days$/);
});

test("diagnoseStream finds what was taken and left, and nothing that is not due", async () => {
  await using redis = await startRedis(SAFE);
  await using driver = new TestDriver(redis);
  const transport = transportTo(redis.port);
  try {
    const look = async () =>
      settings(await diagnoseStream(transport, KEY, { clock: systemClock, signal: NEVER, unreadMs: -1 }));
    await driver.put(0, 2);
    const [first, second] = await driver.take(2);
    assert.deepEqual(await look(), ["warning group bots"], "both are with a consumer that is gone");
    const retry = { kind: "retry", lease: first!.lease, delayMs: 600_000, cause: undefined } as const;
    await driver.settle(KEY, "bots", [retry], NEVER);
    assert.deepEqual(await look(), ["warning group bots"]);
    await driver.all([second!]);
    assert.deepEqual(await look(), [], "what was given back is with nobody until it is due");
  } finally {
    await transport.close();
  }
});

test("StreamsDriver.diagnose finds a key that no group has ever read", async () => {
  const findings = await found(SAFE, (redis) => redis.call("XADD", KEY, OLD, "data", "{}"));
  assert.deepEqual(settings(findings), [`warning key ${KEY}`]);
});

test("StreamsDriver.diagnose finds messages that were trimmed before settlement", async () => {
  await using redis = await startRedis(SAFE);
  await using driver = new TestDriver(redis);
  await driver.put(0, 10);
  await driver.take(10);
  await redis.call("XTRIM", KEY, "MAXLEN", "4");
  const findings = await driver.diagnose(KEY, "bots", NEVER);
  assert.deepEqual(settings(findings).slice(-1), ["error REDIS_STREAM_MAXLEN"]);
  assert.match(findings.at(-1)!.problem, /^6 messages of the group "bots" of slack:events are gone/);
});

test("StreamsDriver.diagnose compares the server's clock with this computer's", async () => {
  await using redis = await startRedis(SAFE);
  for (const [minutes, way] of [[10, "behind"], [-10, "ahead of"]] as const) {
    const clock = { now: () => Date.now() + minutes * 60_000, setTimeout, clearTimeout } as never;
    const driver = createDriver({ url: `redis://127.0.0.1:${redis.port}`, clock });
    const [finding] = await driver.diagnose(KEY, "bots", NEVER).finally(() => driver.close());
    assert.match(finding!.problem, new RegExp(`(5[5-9]\\d|60\\d) s ${way} this computer's$`));
  }
});

test("StreamsDriver.dropQueue leaves no key behind", async () => {
  await using redis = await startRedis(SAFE);
  await using driver = new TestDriver(redis, { maxLength: 1_000 });
  await driver.put(0, 5);
  const before = await redis.call("DBSIZE");
  const key = "{slack:events}:doctor:1";
  const some = { orderingKey: "C1", payload: {}, body: "{}", headers: { a: "b" }, ttlMs: 60_000 };
  await driver.send(key, [
    { ...some, id: "chosen", explicitId: true, delayMs: 0 },
    { ...some, id: "later", explicitId: true, delayMs: 60_000 },
    { ...some, id: `${crypto.randomUUID()}-1`, explicitId: false, delayMs: 0 },
  ], NEVER);
  const options = { group: "bots", max: 10, leaseMs: 60_000, waitMs: 0, signal: NEVER };
  const [first] = await driver.receive(key, options);
  const cause = { name: "Error", message: "no", at: 0 } as never;
  await driver.settle(key, "bots", [{ kind: "dead", lease: first!.lease, cause }], NEVER);
  const [second] = await driver.receive(key, options); // the next of its ordering key
  await driver.settle(key, "bots", [{ kind: "retry", lease: second!.lease, delayMs: 60_000, cause: undefined }], NEVER);
  assert.notEqual(await redis.call("DBSIZE"), before);
  await driver.dropQueue(key, "bots", NEVER);
  assert.equal(await redis.call("DBSIZE"), before, String(await redis.call("KEYS", "*")));
  assert.deepEqual(await driver.counts(), [5, 0, 0, 0], "and nothing of another key is gone");
});
