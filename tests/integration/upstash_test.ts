// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { Redis } from "@upstash/redis";
import { ConfigError, PublishError, QueueError } from "../../core/errors.ts";
import { UpstashBackend, type UpstashClient, type UpstashOptions } from "../../backends/upstash/mod.ts";
import { freePort } from "../servers/ports.ts";
import { requires } from "../runner/services.ts";
import { startUpstash, type UpstashServer } from "../fakes/upstash_server.ts";

const test = requires("redis-server");

const KEY = "slack_events";

function open(server: UpstashServer, options: UpstashOptions = {}): UpstashBackend {
  return new UpstashBackend({ url: server.url, token: server.token, retryDelayMs: 5, ...options });
}

test("upstash: a message goes through, whatever is in it", async () => {
  await using server = await startUpstash();
  await using backend = open(server);
  const payload = { ts: "1700000000.123456", n: 1e21, text: 'ünï😀 "\\\u0000\ud800', deep: [[{ a: null }]] };
  const receipt = await backend.publish(KEY, payload, { headers: { "x-ü": "1" } });
  for await (const delivery of backend.receive(KEY)) {
    assert.equal(delivery.id, receipt.id);
    assert.deepEqual(delivery.payload, payload);
    assert.deepEqual(delivery.headers, { "x-ü": "1" });
    assert.equal(await delivery.ack(), true);
    break;
  }
  assert.deepEqual(await backend.depth(KEY), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
});

test("upstash: batch, receive and settlement are one request each", async () => {
  await using server = await startUpstash();
  await using backend = open(server);
  await backend.publishBatch(KEY, Array.from({ length: 1_000 }, (_, n) => ({ payload: { n } })));
  assert.equal(server.requests, 1);
  server.reset();
  await Promise.all(Array.from({ length: 1_000 }, (_, n) => backend.publish(KEY, { n })));
  assert.ok(server.requests <= 10, `1,000 concurrent publishes took ${server.requests} requests`);
  server.reset();
  const deliveries = [];
  for await (const delivery of backend.receive(KEY, { prefetch: 1 })) {
    deliveries.push(delivery);
    break;
  }
  assert.equal(server.requests, 1);
  assert.equal(await deliveries[0]!.ack(), true);
  assert.equal(server.requests, 2);
  assert.equal(server.commands, 2);
});

test("upstash: a waiting consumer is woken by publish, release, delay and replay", async () => {
  await using server = await startUpstash();
  await using backend = open(server);
  await using other = open(server);
  const deliveries = backend.receive(KEY);
  const next = async () => {
    const waiting = deliveries.next();
    await server.until(() => server.subscriptions === 1);
    return waiting;
  };
  const take = async () => (await next()).value!;
  const first = take();
  await server.until(() => server.subscriptions === 1);
  await other.publish(KEY, { n: 1 });
  const delivery = await first;
  assert.deepEqual(delivery.payload, { n: 1 });
  const second = take();
  await delivery.retry({ delayMs: 20 });
  const again = await second;
  assert.equal(again.attempts, 2);
  const third = take();
  await again.deadLetter(new Error("no"));
  await other.deadLetters.replay(KEY);
  const replayed = await third;
  assert.equal(replayed.attempts, 1);
  const fourth = take();
  await replayed.ack();
  await other.publish(KEY, { n: 2 }, { delayMs: 20 });
  const last = await fourth;
  assert.deepEqual(last.payload, { n: 2 });
  await last.ack();
});

test("upstash: polls without a subscription, at once after one breaks", async () => {
  await using server = await startUpstash();
  await using backend = open(server);
  await using other = open(server);
  server.refuseSubscriptions();
  const deliveries = backend.receive(KEY);
  const first = deliveries.next();
  await server.until(() => server.seen.some(({ path }) => path.startsWith("/subscribe/")));
  await other.publish(KEY, { n: 1 });
  await (await first).value!.ack();
  server.refuseSubscriptions(false);
  const second = deliveries.next();
  await server.until(() => server.subscriptions === 1);
  server.refuseSubscriptions();
  await server.redis.call("XADD", KEY, "*", "data", '{"n":2}');
  server.dropSubscriptions();
  const { value } = await second;
  assert.deepEqual(value!.payload, { n: 2 });
  await value!.ack();
});

test("upstash: waits out a 429 for as long as the server says", async () => {
  await using server = await startUpstash();
  await using backend = open(server);
  await backend.health();
  server.reset();
  server.failNext({ status: 429, headers: { "retry-after": "0.3" }, times: 2 });
  const startedAt = Date.now();
  assert.equal((await backend.publish(KEY, { n: 1 })).outcome, "added");
  assert.ok(Date.now() - startedAt >= 600, "it came back early");
  assert.equal(server.requests, 3);
});

test("upstash: a server's failure is tried again, and nothing is added twice", async () => {
  await using server = await startUpstash();
  await using backend = open(server);
  for (const status of [500, 502, 503]) {
    server.failNext({ status, body: status === 502 ? "<html>bad gateway</html>" : undefined });
    assert.equal((await backend.publish(KEY, { status })).outcome, "added");
  }
  for (const fault of ["loseNextReply", "truncateNextReply", "cutNextRequest"] as const) {
    server[fault]();
    assert.equal((await backend.publish(KEY, { fault })).outcome, "added");
    server[fault]();
    assert.equal((await backend.publish(KEY, { fault }, { id: fault })).outcome, "added");
  }
  assert.equal(await server.redis.call("XLEN", KEY), 9);
  server.failNext({ status: 500, times: 10 });
  await assert.rejects(backend.publish(KEY, { n: 1 }), (error: PublishError) => error.code === "unknown-outcome");
  server.failNext({ status: 503, times: 4 });
  await assert.rejects(backend.publish("k2", { n: 1 }), (error: PublishError) => error instanceof PublishError);
});

test("UpstashBackend's consumer outlasts the limits of a plan, known and unknown", async () => {
  await using server = await startUpstash();
  const told: string[] = [];
  await using backend = open(server, { observer: { failed: ({ error }) => void told.push(error.code) } });
  const limits = [
    "ERR max daily request limit exceeded. Limit: 10000, Usage: 10000.",
    "ERR max concurrent connections exceeded",
    "ERR max daily bandwidth limit exceeded",
    "ERR max something new limit exceeded",
  ];
  const deliveries = backend.receive(KEY);
  for (const error of limits) {
    server.failNext({ status: 400, body: JSON.stringify({ error }) });
    const next = deliveries.next();
    await backend.publish(KEY, { error });
    const { value } = await next;
    assert.deepEqual(value!.payload, { error });
    await value!.ack();
  }
  assert.deepEqual([...new Set(told)], ["rate-limited"]);
  for (const error of ["ERR DB capacity quota exceeded", "ERR max single record size exceeded"]) {
    server.failNext({ status: 400, body: JSON.stringify({ error }) });
    await assert.rejects(backend.publish(KEY, { error }), ({ code }: PublishError) => code === "queue-full");
  }
});

test("UpstashBackend takes arriving bytes for a sign of life", async () => {
  await using server = await startUpstash();
  await using backend = open(server, { timeoutMs: 3_000, leaseMs: 60_000 });
  await using near = open(server);
  await near.publish(KEY, { text: "x".repeat(600_000) });
  server.bytesPerSecond = 80_000; // more than seven seconds for the answer, where silence is given up after three
  const { value } = await backend.receive(KEY).next();
  assert.equal(value!.attempts, 1);
  server.bytesPerSecond = Infinity;
  assert.equal(await value!.ack(), true);
});

test("UpstashBackend.health finds a full database and a read-only token", async () => {
  await using server = await startUpstash();
  await using backend = open(server);
  assert.equal((await backend.health()).ok, true);
  assert.equal(await server.redis.call("DBSIZE"), 0);
  for (
    const error of ["ERR DB capacity quota exceeded", "NOPERM this user has no permissions to run the 'eval' command"]
  ) {
    server.failNext({ status: 400, body: JSON.stringify({ error }) });
    assert.equal((await backend.health()).ok, false, error);
  }
});

test("upstash: a wrong token is a ConfigError at the first use, and is not shown", async () => {
  await using server = await startUpstash();
  const token = "AXXX-secret-token";
  for (
    const client of [
      undefined,
      new Redis({ url: server.url, token, enableTelemetry: false, automaticDeserialization: false }),
    ]
  ) {
    await using backend = client ? new UpstashBackend({ client: client }) : open(server, { token });
    for (
      const use of [() => backend.publish(KEY, { a: 1 }), () => backend.receive(KEY).next(), () => backend.depth(KEY)]
    ) {
      await assert.rejects(use, (error) => {
        assert.ok(error instanceof ConfigError, String(error));
        assert.match(error.message, /UPSTASH_REDIS_REST_TOKEN/);
        assert.ok(!JSON.stringify([error.message, error.stack]).includes(token));
        return true;
      });
    }
  }
});

test("upstash: server errors have codes and show neither payload nor token", async () => {
  await using server = await startUpstash({ maxRequestBytes: 50_000 });
  await using backend = open(server);
  await server.redis.call("SET", "text", "x");
  const secret = "confidential";
  const cases: [() => Promise<unknown>, string][] = [
    [() => backend.publish("text", { secret }), "invalid"],
    [() => backend.publish(KEY, { secret, long: "x".repeat(50_000) }), "too-large"],
    [() => backend.receive("text").next(), "invalid"],
  ];
  for (const [use, code] of cases) {
    await assert.rejects(use, (error) => {
      assert.ok(error instanceof QueueError);
      assert.equal(error.code, code);
      const texts: string[] = [];
      for (let at: unknown = error; at instanceof Error; at = at.cause) texts.push(at.message, at.stack ?? "");
      assert.ok(!texts.join().includes(secret) && !texts.join().includes(server.token), texts.join("\n"));
      return true;
    });
  }
});

test("upstash: a server that is not there", async () => {
  await using backend = new UpstashBackend({
    url: `http://127.0.0.1:${await freePort()}`,
    token: "test-token",
    retryDelayMs: 1,
  });
  await assert.rejects(backend.publish(KEY, { a: 1 }), (error: PublishError) => error.code === "connection");
  const health = await backend.health();
  assert.equal(health.ok, false);
});

test("upstash: the official client can be given, in either encoding, pipelining or not", async () => {
  await using server = await startUpstash();
  for (const responseEncoding of ["base64", false] as const) {
    for (const enableAutoPipelining of [true, false]) {
      const client = new Redis({
        url: server.url,
        token: server.token,
        responseEncoding,
        enableAutoPipelining,
        automaticDeserialization: false,
        enableTelemetry: false,
      });
      await using backend = open(server, { client });
      const payload = { ts: "1700000000.123456", responseEncoding, enableAutoPipelining };
      const waiting = backend.receive(KEY).next();
      await server.until(() => server.subscriptions === 1);
      await backend.publish(KEY, payload);
      const { value } = await waiting;
      assert.deepEqual(value!.payload, payload);
      assert.equal(await value!.ack(), true);
      assert.equal((await backend.health()).ok, true);
      await backend.close();
      await server.until(() => server.subscriptions === 0);
    }
  }
  const changing = new Redis({ url: server.url, token: server.token, enableTelemetry: false });
  await using backend = new UpstashBackend({ client: changing });
  await assert.rejects(backend.publish(KEY, { a: 1 }), /automaticDeserialization: false/);
});

test("upstash: an address that is missing or wrong is a ConfigError", () => {
  assert.throws(() => new UpstashBackend({}), (error) => error instanceof ConfigError && error.problems.length === 2);
  assert.throws(() => new UpstashBackend({ url: "redis://x", token: "t" }), ConfigError);
  for (const url of ["https://u:s3cret@x.upstash.io", "https://x:1/s3cret@x.upstash.io", "https://u:s3#cret@x"]) {
    assert.throws(() => new UpstashBackend({ url, token: "t" }), (error: ConfigError) => {
      assert.doesNotMatch(error.message, /s3|cret/);
      return error instanceof ConfigError;
    });
  }
  assert.throws(() => new UpstashBackend({ url: "https://x", token: "t", client: {} as UpstashClient }), TypeError);
});
