import { test } from "node:test";
import assert from "node:assert/strict";
import { createConsumer } from "../../../../core/consume/consumer.ts";
import { open } from "../../../../core/envelope.ts";
import { ConfigError, type QueueError } from "../../../../core/errors.ts";
import {
  CloudflareBackend,
  CloudflareHttpBackend,
  deadLetterTo,
  fromEnv,
} from "../../../../backends/cloudflare/mod.ts";
import { BindingDouble } from "../../../doubles/queue_binding.ts";

/** The bodies, as they arrive. */
function opened({ messages }: BindingDouble) {
  return Promise.all(messages.map(({ body }) => open(structuredClone(body))));
}

const code = (expected: string) => (error: unknown) => (error as QueueError).code === expected;

test("cloudflare binding: a key's binding is its name in capitals or by the map", async () => {
  const env = { SLACK_EVENTS: new BindingDouble(), OTHER: new BindingDouble() };
  const backend = fromEnv({ ...env, CLOUDFLARE_QUEUES: '{"mapped":"OTHER"}' });
  assert.ok(backend instanceof CloudflareBackend);
  await backend.publish("slack_events", { n: 1 });
  await backend.publish("slack-events", { n: 2 });
  await backend.publish("mapped", { n: 3 });
  assert.deepEqual(env.SLACK_EVENTS.messages, [
    { body: { n: 1 }, contentType: "json" },
    { body: { n: 2 }, contentType: "json" },
  ]);
  assert.deepEqual(env.OTHER.messages, [{ body: { n: 3 }, contentType: "json" }]);
  await assert.rejects(
    backend.publish("missing.key", {}),
    (error: QueueError) => error.code === "not-found" && /MISSING_KEY/.test(error.message),
  );
});

test("cloudflare binding: the environment's prototype names no binding", async () => {
  const backend = new CloudflareBackend({ bindings: { slack_events: new BindingDouble() } });
  await assert.rejects(backend.publish("toString", {}), code("not-found"));
});

test("cloudflare binding: batches keep within 100 messages and 256 KB, in order", async () => {
  const binding = new BindingDouble();
  const backend = new CloudflareBackend({ bindings: { q: binding } });
  await backend.publishBatch("q", Array.from({ length: 250 }, (_, n) => ({ payload: { n } })));
  assert.deepEqual(binding.batches.map(({ length }) => length), [100, 100, 50]);
  const text = "x".repeat(100_000);
  await backend.publishBatch(
    "q",
    Array.from({ length: 7 }, (_, n) => ({ payload: { n, text }, headers: { n: `${n}` } })),
  );
  const large = binding.batches.slice(3);
  assert.ok(large.every((batch) => new TextEncoder().encode(JSON.stringify(batch)).length < 256_000));
  assert.deepEqual(
    (await opened(binding)).map(({ payload }) => payload?.n),
    [...Array.from({ length: 250 }, (_, n) => n), 0, 1, 2, 3, 4, 5, 6],
  );
});

test("cloudflare binding: headers and chosen ids count towards a batch's 256 KB", async () => {
  const binding = new BindingDouble();
  const backend = new CloudflareBackend({ bindings: { q: binding } });
  const messages = Array.from({ length: 200 }, (_, n) => ({
    payload: { n, text: "x".repeat(1_000) },
    id: `${n}-`.padEnd(2_000, '"'), // each quotation mark is two bytes as JSON
    headers: { trace: "\u00fc".repeat(1_000) },
  }));
  await backend.publishBatch("q", messages);
  const bytes = binding.batches.map((batch) =>
    batch.reduce((sum, { body }) => sum + new TextEncoder().encode(JSON.stringify(body)).length + 100, 0)
  );
  assert.ok(bytes.every((sum) => sum <= 256_000), bytes.join());
  assert.ok(bytes.slice(0, -1).every((sum) => sum > 200_000), bytes.join());
  assert.deepEqual((await opened(binding)).map(({ payload }) => payload?.n), messages.map(({ payload }) => payload.n));
});

test("cloudflare binding: sends copies, delays in seconds, ids in an envelope", async () => {
  const binding = new BindingDouble();
  const backend = new CloudflareBackend({ bindings: { q: binding } });
  const payload = { n: { deep: 1 } };
  const sent = backend.publish("q", payload, { delayMs: 1500, id: "Ev1", headers: { h: "1" } });
  payload.n.deep = 2;
  assert.deepEqual(await sent, { id: "Ev1", outcome: "added" });
  assert.deepEqual(binding.messages, [{
    body: { "@slack-mcp/queue": { v: 1, id: "Ev1", headers: { h: "1" } }, payload: { n: { deep: 1 } } },
    contentType: "json",
    delaySeconds: 2,
  }]);
});

test("cloudflare binding: the platform's errors, each by our code", async () => {
  const cases: [message: string, expected: string][] = [
    ["Queue sendBatch failed: Queue does not exist (10104)", "not-found"],
    ["Queue sendBatch failed: unauthorized, code: 10106", "unauthorized"],
    ["Queue sendBatch failed: Invalid message metadata (10203)", "invalid"],
    ["Queue sendBatch failed: message of 129 KB 10204", "too-large"],
    ["Queue sendBatch failed: Queue is overloaded 10250", "rate-limited"],
    ["Queue sendBatch failed: Queue storage limit exceeded 10251", "queue-full"],
    ["Queue sendBatch failed: Queue disabled 10252", "unavailable"],
    ["Queue sendBatch failed: Unknown error 15000", "unavailable"],
    ["Queue sendBatch failed: Too Many Requests", "rate-limited"],
    ["Queue sendBatch failed: message length of 129 bytes exceeds limit of 128000", "too-large"],
    ["Network connection lost.", "unknown-outcome"],
  ];
  for (const [message, expected] of cases) {
    const binding = new BindingDouble();
    binding.failures.push(new Error(message));
    const backend = new CloudflareBackend({ bindings: { q: binding }, maxRetries: 0 });
    await assert.rejects(backend.publish("q", {}), code(expected), message);
  }
});

test("cloudflare binding: retries a transient refusal, not an unknown outcome", async () => {
  const binding = new BindingDouble();
  const backend = new CloudflareBackend({ bindings: { q: binding }, retryDelayMs: 1 });
  binding.failures.push(new Error("Queue is overloaded (10250)"));
  await backend.publish("q", { n: 1 });
  binding.failures.push(new Error("Network connection lost."));
  await assert.rejects(backend.publish("q", { n: 2 }), code("unknown-outcome"));
  assert.deepEqual(binding.messages.map(({ body }) => body), [{ n: 1 }]);
});

test("cloudflare binding: refuses to consume, and its health is ok", async () => {
  const backend = new CloudflareBackend({ bindings: { q: new BindingDouble() } });
  assert.equal(backend.capabilities.consume, "push");
  assert.throws(() => backend.receive("q"), code("unsupported"));
  assert.throws(() => backend.consume("q"), code("unsupported"));
  await assert.rejects(backend.depth("q"), code("unsupported"));
  await assert.rejects(backend.deadLetters.replay("q"), code("unsupported"));
  assert.deepEqual(await backend.health(), { ok: true, asked: false, latencyMs: 0 });
  await backend.close();
  await assert.rejects(backend.publish("q", {}), code("closed"));
});

test("cloudflare binding: deadLetterTo keeps the whole message and why it died", async () => {
  const dlq = new BindingDouble();
  const consumer = createConsumer({
    maxAttempts: 2,
    handler: () => Promise.reject(new TypeError("poison")),
    deadLetter: deadLetterTo(dlq),
  });
  const acked: string[] = [];
  const message = (body: unknown, id: string) => ({
    id,
    timestamp: new Date(5000),
    body,
    attempts: 2,
    ack: () => void acked.push(id),
    retry: () => assert.fail("retried"),
  });
  const sealed = { "@slack-mcp/queue": { v: 1, id: "Ev1", headers: { h: "1" } }, payload: { n: 1 } };
  const large = { text: "x".repeat(127_880) };
  await consumer.handleBatch({
    queue: "slack-events",
    messages: [message(sealed, "a"), message("no object", "b"), message(large, "c")],
  }, {
    key: "slack_events",
  });
  assert.deepEqual(acked.sort(), ["a", "b", "c"]);
  const letters = await opened(dlq);
  const [one, two, three] = ["a", "b", "c"].map((_, n) => letters.find(({ id }) => id === ["Ev1", "b", "c"][n]));
  const { diedAt, ...rest } = one!;
  assert.ok(diedAt! > 5000);
  assert.deepEqual(rest, {
    payload: { n: 1 },
    id: "Ev1",
    headers: { h: "1" },
    cause: { name: "TypeError", message: "poison" },
    attempts: 2,
    key: "slack_events",
    publishedAt: 5000,
  });
  assert.deepEqual([two!.payload, two!.body, two!.cause!.name], [undefined, "no object", "ConsumeError"]);
  assert.deepEqual([three!.payload, three!.cause!.name], [large, "TypeError"]);
});

test("cloudflare: missing and mistyped options are refused by the constructor", () => {
  const http = { accountId: "0123456789abcdef0123456789abcdef", apiToken: "token" };
  const made = (options: unknown) => () => new CloudflareHttpBackend(options as typeof http);
  for (
    const options of [{ apiToken: "token" }, { accountId: "a" }, { ...http, maxPollMs: "1" }, { ...http, queue: {} }]
  ) {
    assert.throws(made(options), TypeError, JSON.stringify(options));
  }
  assert.throws(made({ ...http, maxPollMs: 0 }), RangeError);
  assert.throws(() => new CloudflareBackend({} as ConstructorParameters<typeof CloudflareBackend>[0]), TypeError);
});

test("cloudflare env: all problems in one error, without the token", () => {
  const cases: [env: Record<string, unknown>, expected: RegExp[]][] = [
    [{}, [/CLOUDFLARE_ACCOUNT_ID is not set/, /CLOUDFLARE_API_TOKEN is not set/]],
    [
      {
        CLOUDFLARE_ACCOUNT_ID: "short",
        CLOUDFLARE_API_TOKEN: "Bearer very-secret",
        CLOUDFLARE_QUEUES: "{",
        CLOUDFLARE_TIMEOUT: "soon",
        CLOUDFLARE_MAX_POLL: "0",
        CLOUDFLARE_URL: "ftp://x",
        CLOUDFLARE_MESSAGE_TTL: "60",
        CLOUDFLARE_MAX_LENGTH: "10",
      },
      [
        /ACCOUNT_ID must be 32/,
        /API_TOKEN must be/,
        /QUEUES must be/,
        /TIMEOUT/,
        /MAX_POLL/,
        /URL/,
        /TTL/,
        /MAX_LENGTH/,
      ],
    ],
    [{ SLACK_EVENTS: new BindingDouble(), CLOUDFLARE_QUEUES: '{"a":"NONE"}' }, [/found "NONE" for "a"/]],
  ];
  for (const [env, expected] of cases) {
    assert.throws(() => fromEnv(env), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.problems.length, expected.length, error.message);
      for (const pattern of expected) assert.match(error.message, pattern);
      assert.ok(!error.message.includes("very-secret"));
      return true;
    });
  }
});

test("cloudflare env: without bindings the HTTP API is used, by configured ids", async () => {
  const asked: string[] = [];
  const env: Record<string, string> = {
    CLOUDFLARE_ACCOUNT_ID: "0123456789abcdef0123456789abcdef",
    CLOUDFLARE_API_TOKEN: "token",
    CLOUDFLARE_QUEUE_A: "11111111111111111111111111111111",
    CLOUDFLARE_QUEUES: '{"b.c":"22222222222222222222222222222222"}',
    CLOUDFLARE_URL: "http://127.0.0.1:47/client/v4/",
    CLOUDFLARE_MAX_RETRIES: "0",
  };
  // As `ambientEnv()` is: it tells what it is asked for, and lists nothing.
  const backend = fromEnv(
    new Proxy({}, {
      get: (_target, name) => {
        asked.push(String(name));
        return env[String(name)];
      },
    }),
  );
  assert.ok(backend instanceof CloudflareHttpBackend);
  assert.equal(backend.capabilities.consume, "pull");
  // Inside workerd a refused connection cannot be told from a lost one.
  for (const key of ["a", "b.c"]) {
    await assert.rejects(backend.publish(key, {}), /no connection: .*ECONNREFUSED|the connection broke/);
  }
  await assert.rejects(backend.publish("d", {}), code("connection"));
  assert.ok(asked.includes("CLOUDFLARE_QUEUE_A") && asked.includes("CLOUDFLARE_QUEUE_D"));
});
