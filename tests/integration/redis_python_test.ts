// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { join } from "node:path";
import { fromEnv, RedisBackend } from "../../backends/redis/mod.ts";
import { UpstashBackend } from "../../backends/upstash/mod.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { run } from "../runner/child.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { startUpstash } from "../fakes/upstash_server.ts";
import { ROOT } from "../runner/suites.ts";

const test = requires("redis-server", "python3");
const KEY = "slack:message";

/** Runs the plugin; its output is the payloads that it consumed. */
async function python(redis: RedisServer, args: readonly string[], input = ""): Promise<unknown[]> {
  const script = join(ROOT, "tests/integration/support/python_plugin.py");
  const result = await run("python3", [script, String(redis.port), ...args], { input });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Returns our helper keys of a stream. */
async function leaveAllKinds(backend: LeasingBackend): Promise<void> {
  const deliveries = backend.receive(KEY, { group: "ours" });
  await backend.publish(KEY, { kind: "id and headers" }, { id: "Ev1", headers: { a: "b" } });
  await backend.publish(KEY, { kind: "delayed" }, { delayMs: 600_000 });
  await backend.publish(KEY, { kind: "lives a while" }, { ttlMs: 600_000 });
  await (await deliveries.next()).value!.deadLetter(new Error("no"));
  await backend.deadLetters.replay(KEY, { group: "ours" });
  await (await deliveries.next()).value!.retry({ delayMs: 600_000 });
  await (await deliveries.next()).value!.deadLetter(new Error("no"));
  await deliveries.return!();
}

const TEXT = 'ünï😀 "\\ \u2028 1700000000.123456';

test("python: consumes what the plugin publishes, dead letters included", async () => {
  await using redis = await startRedis();
  await using backend = new RedisBackend({ url: redis.url });
  const sent = Array.from(
    { length: 50 },
    (_, n) => ({ n, text: TEXT, ts: "1700000000.123456", nested: [{ a: null }] }),
  );
  await python(redis, ["publish", KEY], sent.map((payload) => JSON.stringify(payload)).join("\n"));
  const got: unknown[] = [];
  for await (const delivery of backend.receive(KEY)) {
    got.push(delivery.payload);
    assert.ok(delivery.publishedAt instanceof Date);
    await delivery.ack();
    if (got.length === sent.length) break;
  }
  assert.deepEqual(got, sent);
});

test("python: the plugin reads what we publish, while all that is ours lies beside it", async () => {
  await using redis = await startRedis();
  await using backend = new RedisBackend({ url: redis.url });
  await redis.call("XGROUP", "CREATE", KEY, "python", "0", "MKSTREAM"); // it was there before, so all is kept for it
  await leaveAllKinds(backend);
  await backend.publish(KEY, { text: TEXT });
  const got = await python(redis, ["consume", "python", "3"]);
  assert.deepEqual(got, [
    { key: KEY, payload: { kind: "id and headers" } },
    { key: KEY, payload: { kind: "lives a while" } },
    { key: KEY, payload: { text: TEXT } },
  ]);
});

test("python: the plugin shares a group with us: each message goes to one of the two", async () => {
  await using redis = await startRedis();
  await using backend = new RedisBackend({ url: redis.url });
  await backend.publishBatch(KEY, Array.from({ length: 60 }, (_, n) => ({ payload: { n } })));
  const ours = new Set<unknown>();
  const deliveries = backend.receive(KEY, { group: "shared", prefetch: 20 });
  for (let i = 0; i < 20; i++) {
    const { value } = await deliveries.next();
    ours.add(value!.payload.n);
    await value!.ack();
  }
  await deliveries.return!();
  // An entry that our consumer got and released stays with our consumers: the plugin asks for new entries alone.
  const fields = (await redis.call("XINFO", "GROUPS", KEY) as unknown[][])[0]!;
  const unread = Number(fields[fields.indexOf("lag") + 1]);
  assert.ok(unread > 0 && unread <= 40);
  const theirs = await python(redis, ["consume", "shared", String(unread)]) as { payload: { n: number } }[];
  for await (const delivery of backend.receive(KEY, { group: "shared", stopWhenEmpty: true })) {
    ours.add(delivery.payload.n);
    await delivery.ack();
  }
  const all = [...ours, ...theirs.map(({ payload }) => payload.n)].sort((a, b) => Number(a) - Number(b));
  assert.deepEqual(all, Array.from({ length: 60 }, (_, n) => n));
});

test("python: what the plugin cannot read and what it leaves behind stops nobody", async () => {
  await using redis = await startRedis();
  await using backend = new RedisBackend({ url: redis.url, leaseMs: 5_000 });
  await redis.call("XGROUP", "CREATE", KEY, "python", "0", "MKSTREAM");
  await redis.call("XADD", KEY, "*", "event", "no data");
  await redis.call("XADD", KEY, "*", "data", "{broken");
  await redis.call("XADD", KEY, "*", "data", "[1]");
  await redis.call("XADD", KEY, "*", "data", '{"n":1}', "data", '{"n":2}');
  // An entry that a plugin took in our group before it died.
  await redis.call("XGROUP", "CREATE", KEY, "slack-mcp", "0");
  await redis.call("XREADGROUP", "GROUP", "slack-mcp", "python", "COUNT", "1", "STREAMS", KEY, ">");
  const deliveries = backend.receive(KEY);
  const { value } = await deliveries.next();
  assert.deepEqual(value!.payload, { n: 1 });
  await value!.ack();
  await deliveries.return!();
  while ((await backend.depth(KEY)).inFlight > 0) await backend.receive(KEY, { stopWhenEmpty: true }).next();
  const letters = [];
  for await (const { body, cause, attempts } of backend.deadLetters.list(KEY)) {
    letters.push([body, cause.name, attempts]);
  }
  assert.deepEqual(letters.sort(), [
    ["[1]", "ConsumeError", 1],
    ['{"event":"no data"}', "ConsumeError", 2],
    ["{broken", "ConsumeError", 1],
  ]);
  assert.deepEqual(await python(redis, ["consume", "python", "2"]), [
    { key: KEY, payload: [1] },
    { key: KEY, payload: { n: 2 } },
  ]);
});

test("python: the plugin, TCP and HTTP backends share one queue", async () => {
  await using redis = await startRedis();
  await using server = await startUpstash({ redis });
  await using tcp = new RedisBackend({ url: redis.url });
  await using http = new UpstashBackend({ url: server.url, token: server.token });
  const overTcp = tcp.receive(KEY, { group: "tcp" });
  const overHttp = http.receive(KEY, { group: "http" });
  const [a, b] = [overTcp.next(), overHttp.next()];
  await server.until(() => server.subscriptions === 1);
  await tcp.publish(KEY, { from: "tcp" });
  for (const next of [a, b]) assert.deepEqual((await next).value!.payload, { from: "tcp" });
  await (await a).value!.ack();
  const again = overHttp.next();
  await (await b).value!.retry({ delayMs: 10 });
  assert.equal((await again).value!.attempts, 2);
  await (await again).value!.ack();
  const [c, d] = [overTcp.next(), overHttp.next()];
  await http.publish(KEY, { from: "http" });
  for (const next of [c, d]) {
    const { value } = await next;
    assert.deepEqual(value!.payload, { from: "http" });
    await value!.ack();
  }
  assert.deepEqual(await python(redis, ["consume", "python", "0"]), []);
  assert.deepEqual(await tcp.depth(KEY, { group: "http" }), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
});

/** Resolves when a client waits in a read of the key's stream without a group. */
async function followed(redis: RedisServer): Promise<void> {
  while (!String(await redis.call("CLIENT", "LIST")).includes("cmd=xread ")) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const keepSettled of [1_000, 0]) {
  const gets = keepSettled > 0 ? "gets every message" : "misses messages";
  test(`A Python consumer without a group ${gets} beside ours with keepSettled ${keepSettled}`, async () => {
    await using redis = await startRedis();
    await using backend = new RedisBackend({ url: redis.url, keepSettled });
    await redis.call("XADD", KEY, "*", "data", '{"warm":true}'); // the stream is there, so that the plugin finds it
    const following = python(redis, ["follow", "0.02", keepSettled > 0 ? "41" : "1"]);
    await followed(redis);
    await backend.publish(KEY, { n: -1 });
    const ours = backend.receive(KEY);
    const take = async () => {
      const { value } = await ours.next();
      assert.equal(await value!.ack(), true);
    };
    await take();
    await take();
    for (let n = 0; n < 40; n++) {
      await backend.publish(KEY, { n });
      await take();
    }
    const numbers = (await following as { payload: { n: number } }[]).map(({ payload }) => payload.n);
    if (keepSettled > 0) assert.deepEqual(numbers, Array.from({ length: 41 }, (_, n) => n - 1));
    else assert.equal(await redis.call("XLEN", KEY), 0, "what all groups have settled is gone for readers without one");
    await ours.return!();
  });
}

test("A Python consumer never sees the default key, which its pattern does not match", async () => {
  await using redis = await startRedis();
  await using backend = new RedisBackend({ url: redis.url, keepSettled: 100 });
  await backend.publish("slack_events", { n: 1 });
  await backend.publish(KEY, { n: 2 });
  assert.deepEqual(await python(redis, ["consume", "python", "1"]), [{ key: KEY, payload: { n: 2 } }]);
  assert.deepEqual(await redis.call("KEYS", "slack:*"), [KEY]);
});

test("fromEnv reads REDIS_STREAM_MAXLEN as keepSettled, never as a limit", async () => {
  await using redis = await startRedis();
  await using backend = fromEnv({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: "5" });
  for (let n = 0; n < 20; n++) assert.equal((await backend.publish(KEY, { n })).outcome, "added");
  const ours = backend.receive(KEY, { stopWhenEmpty: true });
  for await (const delivery of ours) assert.equal(await delivery.ack(), true);
  for (let n = 20; n < 40; n++) {
    await backend.publish(KEY, { n });
    for await (const delivery of backend.receive(KEY, { stopWhenEmpty: true })) await delivery.ack();
  }
  const kept = Number(await redis.call("XLEN", KEY));
  assert.ok(kept >= 5 && kept < 40, `${kept} entries are kept`);
  assert.equal((await backend.depth(KEY)).ready, 0, "what is kept is not counted");
});
