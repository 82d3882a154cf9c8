import { test } from "node:test";
import assert from "node:assert/strict";
import { type ConsumeError, PublishError, type QueueError } from "../../core/errors.ts";
import type { RawDelivery } from "../../core/driver.ts";
import { CloudflareHttpBackend, type CloudflareHttpOptions } from "../../backends/cloudflare/mod.ts";
import { HttpDriver } from "../../backends/cloudflare/http_driver.ts";
import { AutoClock } from "../support/auto_clock.ts";
import { CloudflareApi, type CloudflareApiOptions } from "../support/cloudflare_api.ts";
import type { QueueSettings } from "../support/cloudflare_queue.ts";

function setup(
  { settings, api: apiOptions, ...options }:
    & Partial<CloudflareHttpOptions>
    & { settings?: QueueSettings; api?: CloudflareApiOptions } = {},
) {
  const clock = new AutoClock();
  const api = new CloudflareApi({ clock, ...apiOptions });
  const queue = api.queue("slack-events", { deadLetterQueue: "slack-events-dlq", ...settings });
  const made = {
    accountId: api.accountId,
    apiToken: api.token,
    fetch: api.fetch as typeof fetch,
    clock,
    random: () => 0.5,
    ...options,
  };
  const connect = () => new CloudflareHttpBackend(made);
  return {
    clock,
    api,
    queue,
    dead: api.queue("slack-events-dlq"),
    driver: new HttpDriver(made),
    connect,
    backend: connect(),
  };
}

const KEY = "slack_events";

/** Made per test: a Worker's signals do not outlive the request that made them. */
const never = () => new AbortController().signal;
const asked = { group: "slack-mcp", max: 10, leaseMs: 30_000, waitMs: 0 };
const signalled = () => ({ ...asked, signal: never() });
const code = (expected: string) => (error: unknown) => (error as QueueError).code === expected;
const bodies = (deliveries: RawDelivery[]) =>
  deliveries.map(({ body }) => typeof body === "string" ? JSON.parse(body) : body);

test("cloudflare http: the key's queue is found by its name, once", async () => {
  const { backend, api, queue } = setup();
  await backend.publish(KEY, { n: 1 });
  await backend.publish(KEY, { n: 2 });
  assert.equal(queue.size, 2);
  assert.deepEqual(api.requests.map(({ action }) => action), ["list", "batch", "batch"]);
});

test("cloudflare http: ids and names by key, an id needs no look-up", async () => {
  const { api, backend } = setup({ queues: { a: "slack-events", b: "0123456789abcdef0123456789abcdef" } });
  await backend.publish("a", {});
  await assert.rejects(backend.publish("b", {}), code("not-found"));
  assert.equal(api.count("list"), 1);
});

test("cloudflare http: a queue that is missing is named with the command that makes it, and found once it is made", async () => {
  const { backend, api } = setup();
  await assert.rejects(
    backend.publish("Team.Events", {}),
    (error: PublishError) =>
      error instanceof PublishError && error.code === "not-found" &&
      /wrangler queues create team-events$/.test(error.message),
  );
  const queue = api.queue("team-events");
  await backend.publish("Team.Events", {});
  assert.equal(queue.size, 1);
});

test("cloudflare http: concurrent publishes travel as batches of 100, in order, whole", async () => {
  const { backend, api, queue } = setup();
  await Promise.all(Array.from({ length: 250 }, (_, n) => backend.publish(KEY, { n, text: "ü\u0000" })));
  assert.equal(api.count("batch"), 3);
  assert.deepEqual(
    queue.messages.map(({ content }) => JSON.parse(content.text)),
    Array.from({ length: 250 }, (_, n) => ({ n, text: "ü\u0000" })),
  );
});

test("cloudflare http: batches keep within 256 KB, also with what travels beside the payloads", async () => {
  const { backend, api, queue } = setup();
  const text = "x".repeat(60_000);
  const headers = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`h${n}`, "y".repeat(2000)]));
  await backend.publishBatch(KEY, Array.from({ length: 12 }, () => ({ payload: { text }, headers })));
  assert.equal(queue.size, 12);
  assert.ok(api.requests.every(({ status }) => status === 200));
});

test("cloudflare http: the largest payload arrives; a larger one, alone or with its headers, is refused before it is sent", async () => {
  const { backend, api, queue } = setup();
  const payload = { text: "x".repeat(127_900 - '{"text":""}'.length) };
  await backend.publish(KEY, payload);
  assert.equal(queue.size, 1);
  const before = api.count();
  await assert.rejects(backend.publish(KEY, { text: `${payload.text}x` }), RangeError);
  await assert.rejects(backend.publish(KEY, payload, { headers: { h: "1" } }), code("too-large"));
  assert.equal(api.count(), before);
});

test("cloudflare http: in a batch a message that is too large is refused alone", async () => {
  const { backend, queue } = setup();
  const text = "x".repeat(127_800);
  const sent = backend.publishBatch(KEY, [
    { payload: { n: 1 } },
    { payload: { text }, headers: { h: "y".repeat(200) } },
    {
      payload: { n: 3 },
    },
  ]);
  await assert.rejects(sent, code("too-large"));
  assert.deepEqual(queue.messages.map(({ content }) => JSON.parse(content.text)), [{ n: 1 }, { n: 3 }]);
});

test("cloudflare http: a plain payload is the body; id and headers travel in an envelope and come back", async () => {
  const { driver, backend, queue } = setup();
  await backend.publish(KEY, { n: 1 });
  await backend.publish(KEY, { n: 2 }, { id: "Ev1", headers: { team: "T1" } });
  assert.deepEqual(queue.messages.map(({ content }) => JSON.parse(content.text)), [
    { n: 1 },
    { "@slack-mcp/queue": { v: 1, id: "Ev1", headers: { team: "T1" } }, payload: { n: 2 } },
  ]);
  const [plain, sealed] = await driver.receive(KEY, signalled());
  assert.equal(plain!.id, queue.messages[0]!.id);
  assert.equal(plain!.headers, undefined);
  assert.deepEqual([sealed!.id, sealed!.headers, sealed!.body], ["Ev1", { team: "T1" }, { n: 2 }]);
});

test("cloudflare http: delays are whole seconds, rounded up, up to 24 hours", async () => {
  const { backend, clock, queue } = setup();
  const now = clock.now();
  await backend.publish(KEY, { n: 1 }, { delayMs: 1001 });
  await backend.publish(KEY, { n: 2 }, { delayMs: 86_400_000 });
  await backend.publish(KEY, { n: 3 });
  assert.deepEqual(queue.messages.map(({ visibleAt }) => visibleAt - now), [2000, 86_400_000, 0]);
  await assert.rejects(backend.publish(KEY, {}, { delayMs: 86_400_001 }), RangeError);
});

test("cloudflare http: without a delay the queue's own delivery delay holds", async () => {
  const { backend, clock, queue } = setup({ settings: { deliveryDelay: 60 } });
  const now = clock.now();
  await backend.publish(KEY, {});
  assert.equal(queue.messages[0]!.visibleAt - now, 60_000);
});

test("cloudflare http: bodies of every content type and shape are read, what is no object is left as it is", async () => {
  const cases: [shown: { body: unknown; type?: string }, expected: unknown][] = [
    [{ body: btoa('{"n":1}'), type: "json" }, { n: 1 }],
    [{ body: '{"n":1}', type: "json" }, { n: 1 }],
    [{ body: ' {"n":1}', type: "json" }, { n: 1 }],
    [{ body: { n: 1 }, type: "json" }, { n: 1 }],
    [{ body: btoa('{"n":1}'), type: "bytes" }, { n: 1 }],
    [{ body: '{"n":1}', type: "text" }, { n: 1 }],
    [{ body: '{"n":1}' }, { n: 1 }],
    [{ body: btoa('{"n":1}') }, { n: 1 }],
    [{ body: "hello", type: "json" }, "hello"],
    [{ body: btoa("[1]"), type: "json" }, "[1]"],
    [{ body: btoa("[1]"), type: "text" }, btoa("[1]")],
    [{ body: null, type: "json" }, "null"],
  ];
  for (const [{ body, type }, expected] of cases) {
    const { driver } = setup({
      queues: { [KEY]: "0123456789abcdef0123456789abcdef" },
      fetch: () =>
        Promise.resolve(Response.json({
          success: true,
          result: {
            messages: [{ id: "m", body, lease_id: "l", ...type && { metadata: { "CF-Content-Type": type } } }],
          },
        })),
    });
    const [delivery] = await driver.receive(KEY, signalled());
    const text = delivery!.body as string;
    assert.deepEqual(typeof expected === "string" ? text : JSON.parse(text), expected, JSON.stringify({ body, type }));
    assert.equal(delivery!.attempts, 1);
  }
});

test("cloudflare http: acks, retries and releases of one round go in one request, warnings answer false", async () => {
  const { driver, backend, api, queue, clock } = setup({ settings: { lateAcks: "refused" } });
  await backend.publishBatch(KEY, [1, 2, 3, 4].map((n) => ({ payload: { n } })));
  const leases = (await driver.receive(KEY, signalled())).map(({ lease }) => lease);
  const gone = (await driver.settle(KEY, "slack-mcp", [{ kind: "ack", lease: leases[0] }], never()))[0];
  const before = api.count("ack");
  const answers = await driver.settle(KEY, "slack-mcp", [
    { kind: "ack", lease: leases[0] },
    { kind: "ack", lease: leases[1] },
    { kind: "retry", lease: leases[2], delayMs: 2500, cause: undefined },
    { kind: "release", lease: leases[3] },
  ], never());
  assert.deepEqual([gone, answers, api.count("ack") - before], [true, [false, true, true, true], 1]);
  assert.deepEqual(queue.messages.map(({ visibleAt }) => visibleAt - clock.now()), [3000, 0]);
});

test("cloudflare http: a dead letter is whole, with cause, attempts, key and times, and its message is gone", async () => {
  const { backend, queue, clock } = setup();
  const publishedAt = clock.now();
  await backend.publish(KEY, { n: 1 }, { id: "Ev1", headers: { h: "1" } });
  for await (const delivery of backend.receive(KEY)) {
    if (delivery.attempts < 2) {
      await delivery.retry();
      continue;
    }
    clock.skip(1500);
    assert.equal(await delivery.deadLetter(new TypeError("poison")), true);
    break;
  }
  assert.equal(queue.size, 0);
  const letters = await Array.fromAsync(backend.deadLetters.list(KEY));
  assert.equal(letters.length, 1);
  const { id: _id, diedAt, ...letter } = letters[0]!;
  assert.deepEqual(letter, {
    messageId: "Ev1",
    key: KEY,
    group: "slack-mcp",
    payload: { n: 1 },
    body: '{"n":1}',
    headers: { h: "1" },
    attempts: 2,
    cause: { name: "TypeError", message: "poison" },
    publishedAt: new Date(publishedAt),
  });
  assert.ok(diedAt!.getTime() >= publishedAt + 1500);
});

test("cloudflare http: what cannot be read goes to the dead letters as it came, the next message flows", async () => {
  const { backend, connect, queue, dead } = setup();
  queue.add({ type: "text", text: "{no json" }, 0, "dash");
  queue.add({ type: "json", text: "[1,2]" }, 0, "dash");
  queue.add({ type: "v8", text: btoa("\xff\x0f") }, 0, "worker");
  await backend.publish(KEY, { n: 1 });
  for await (const delivery of backend.receive(KEY)) {
    assert.deepEqual(delivery.payload, { n: 1 });
    await delivery.ack();
    break;
  }
  await backend.close();
  assert.deepEqual([queue.size, dead.size], [0, 3]);
  const letters = await Array.fromAsync(connect().deadLetters.list(KEY));
  assert.deepEqual(letters.map(({ payload, body }) => [payload, body]).slice(0, 2), [
    [undefined, "{no json"],
    [undefined, "[1,2]"],
  ]);
  assert.ok(letters.every(({ cause }) => cause.name === "ConsumeError"));
  await connect().deadLetters.replay(KEY);
  assert.deepEqual(queue.messages.map(({ content }) => content.text).slice(0, 2), ["{no json", "[1,2]"]);
});

test("cloudflare http: a dead letter that would be over the limit with its story is kept without it", async () => {
  const { backend, dead } = setup();
  const text = "x".repeat(127_900 - '{"text":""}'.length);
  await backend.publish(KEY, { text });
  for await (const delivery of backend.receive(KEY)) {
    assert.equal(await delivery.deadLetter(new Error("poison")), true);
    break;
  }
  assert.equal(dead.messages[0]!.content.text, JSON.stringify({ text }));
});

test("cloudflare http: what the platform itself gave up is listed and replayed too", async () => {
  const { backend, clock, queue, dead } = setup({ settings: { maxRetries: 1 } });
  await backend.publish(KEY, { n: 1 }, { id: "Ev1", headers: { h: "1" } });
  const attempts: number[] = [];
  for await (const delivery of backend.receive(KEY)) {
    attempts.push(delivery.attempts);
    await delivery.retry();
    if (attempts.length === 2) break;
  }
  assert.deepEqual([attempts, queue.size, dead.size], [[1, 2], 0, 1]);
  const [letter] = await Array.fromAsync(backend.deadLetters.list(KEY));
  assert.deepEqual([letter!.messageId, letter!.payload, letter!.headers], ["Ev1", { n: 1 }, { h: "1" }]);
  assert.match(letter!.cause.message, /max_retries/);
  assert.equal(await backend.deadLetters.replay(KEY), 1);
  clock.skip(1);
  for await (const delivery of backend.receive(KEY)) {
    assert.deepEqual([delivery.id, delivery.payload, delivery.headers, delivery.attempts], [
      "Ev1",
      { n: 1 },
      { h: "1" },
      1,
    ]);
    await delivery.ack();
    break;
  }
  assert.deepEqual([queue.size, dead.size], [0, 0]);
});

async function withDead(count: number) {
  const made = setup();
  await made.backend.publishBatch(KEY, Array.from({ length: count }, (_, n) => ({ payload: { n } })));
  for await (const delivery of made.backend.receive(KEY, { stopWhenEmpty: true })) await delivery.deadLetter("poison");
  assert.equal(made.dead.size, count);
  return made;
}

test("cloudflare http: dead letters by id and limit, replayed and purged, hundreds at a time", async () => {
  const { backend, queue, dead } = await withDead(250);
  const listed = await Array.fromAsync(backend.deadLetters.list(KEY));
  assert.deepEqual(listed.map(({ payload }) => payload?.n), Array.from({ length: 100 }, (_, n) => n));
  assert.equal((await Array.fromAsync(backend.deadLetters.list(KEY, { limit: 3 }))).length, 3);
  const ids = [listed[1]!.id, listed[3]!.id];
  assert.deepEqual((await Array.fromAsync(backend.deadLetters.list(KEY, { ids }))).map(({ id }) => id), ids);
  assert.equal(await backend.deadLetters.replay(KEY, { ids }), 2);
  assert.deepEqual([queue.size, dead.size], [2, 248]);
  assert.equal(await backend.deadLetters.purge(KEY, { limit: 8 }), 8);
  assert.equal(await backend.deadLetters.replay(KEY), 240);
  assert.deepEqual([queue.size, dead.size], [242, 0]);
  assert.equal(await backend.deadLetters.purge(KEY), 0);
});

test("cloudflare http: of a dead letter queue for several keys each lists its own", async () => {
  const { api, backend, connect: _connect } = setup();
  api.queue("other-events", { deadLetterQueue: "slack-events-dlq" });
  for (const key of [KEY, "other_events"]) {
    await backend.publish(key, { key });
    for await (const delivery of backend.receive(key, { stopWhenEmpty: true })) await delivery.deadLetter("poison");
  }
  const letters = await Array.fromAsync(backend.deadLetters.list("other_events"));
  assert.deepEqual(letters.map(({ payload }) => payload), [{ key: "other_events" }]);
  assert.equal(await backend.deadLetters.purge(KEY), 1);
  assert.equal(api.queue("slack-events-dlq").size, 1);
});

test("cloudflare http: without a dead letter queue a dead message stays where it is, and its neighbours are settled", async () => {
  const { driver, backend, queue } = setup({ settings: { deadLetterQueue: undefined } });
  await backend.publishBatch(KEY, [{ payload: { n: 1 } }, { payload: { n: 2 } }]);
  const [one, two] = await driver.receive(KEY, signalled());
  const answers = await driver.settle(KEY, "slack-mcp", [
    { kind: "dead", lease: one!.lease, cause: { name: "Error", message: "poison" } },
    { kind: "ack", lease: two!.lease },
  ], never());
  assert.deepEqual([answers, queue.size], [[false, true], 1]);
  assert.deepEqual(await Array.fromAsync(backend.deadLetters.list(KEY)), []);
});

test("cloudflare http: when the dead letter queue cannot be reached the message is not acknowledged", async () => {
  const { driver, backend, api, queue, dead } = setup();
  await backend.publish(KEY, { n: 1 });
  const [one] = await driver.receive(KEY, signalled());
  const settlement = { kind: "dead", lease: one!.lease, cause: { name: "Error", message: "poison" } } as const;
  api.fault({ kind: "refuse", status: 500, code: 15000 }, "batch");
  await assert.rejects(driver.settle(KEY, "slack-mcp", [settlement], never()));
  assert.deepEqual([queue.size, dead.size], [1, 0]);
  // The next time the dead letter is safe and the acknowledgement is lost: it is not buried twice.
  api.fault({ kind: "cut" }, "ack");
  await assert.rejects(driver.settle(KEY, "slack-mcp", [settlement], never()));
  assert.deepEqual(await driver.settle(KEY, "slack-mcp", [settlement], never()), [true]);
  assert.deepEqual([queue.size, dead.size], [0, 1]);
});

test("cloudflare http: an idle consumer pulls no more often in an hour than is declared, for any longest gap", async () => {
  for (const maxPollMs of [undefined, 1000, 60_000]) {
    const { driver, api, clock } = setup({ maxPollMs });
    const until = clock.now() + 3_600_000;
    while (clock.now() < until) await driver.receive(KEY, { ...signalled(), waitMs: 30_000 });
    const pulls = api.count("pull");
    const { idleCostPerHour } = driver.capabilities;
    assert.ok(pulls <= idleCostPerHour, `${pulls} pulls, ${idleCostPerHour} declared`);
    assert.ok(pulls > idleCostPerHour * 0.9, `${pulls} pulls, ${idleCostPerHour} declared`);
    assert.equal(clock.pending, 0);
  }
});

test("cloudflare http: by default an idle day stays below the free plan's 10,000 operations", () => {
  assert.ok(setup().driver.capabilities.idleCostPerHour * 24 < 10_000);
});

test("cloudflare http: an idle consumer is woken by a publish of its own backend, and after a message the gaps are short again", async () => {
  const { driver, backend, api, clock } = setup();
  for (let turn = 0; turn < 10; turn++) await driver.receive(KEY, { ...signalled(), waitMs: 30_000 });
  const idle = backendReceive();
  const before = clock.now();
  await driver.send(KEY, [message({ n: 1 })], never());
  assert.deepEqual(bodies(await idle), [{ n: 1 }]);
  assert.ok(clock.now() - before < 10, `woken after ${clock.now() - before} ms`);
  const pulls = api.count("pull");
  await driver.receive(KEY, { ...signalled(), waitMs: 1000 });
  assert.ok(api.count("pull") - pulls >= 2);
  await backend.close();

  function backendReceive() {
    return driver.receive(KEY, { ...signalled(), waitMs: 30_000 });
  }
});

function message(payload: Record<string, number>) {
  return {
    id: "made",
    explicitId: false,
    body: JSON.stringify(payload),
    payload,
    delayMs: 0,
    ttlMs: undefined,
    headers: undefined,
  };
}

test("cloudflare http: a delayed retry is pulled when it is due, not a gap later, and never earlier", async () => {
  const { driver, backend, clock } = setup();
  await backend.publish(KEY, { n: 1 });
  const [first] = await driver.receive(KEY, signalled());
  const at = clock.now();
  await driver.settle(
    KEY,
    "slack-mcp",
    [{ kind: "retry", lease: first!.lease, delayMs: 15_000, cause: undefined }],
    never(),
  );
  let again: RawDelivery[] = [];
  while (again.length === 0) again = await driver.receive(KEY, { ...signalled(), waitMs: 30_000 });
  assert.equal(again[0]!.attempts, 2);
  assert.equal(clock.now() - at, 15_000);
});

test("cloudflare http: a wait ends at once when its signal aborts, and nothing is leased afterwards", async () => {
  const { driver, backend, api, queue, clock } = setup();
  const stop = new AbortController();
  await driver.receive(KEY, signalled());
  const waiting = driver.receive(KEY, { ...asked, waitMs: 30_000, signal: stop.signal });
  stop.abort();
  assert.deepEqual(await waiting, []);
  assert.equal(clock.pending, 0);
  const pulls = api.count("pull");
  await backend.publish(KEY, {});
  assert.deepEqual(await driver.receive(KEY, { ...asked, signal: stop.signal }), []);
  assert.deepEqual([api.count("pull"), queue.messages[0]!.attempts], [pulls, 0]);
});

test("cloudflare http: a pull that was under way when the consumer stopped gives back at once what it leased", async () => {
  const { backend, api, queue, clock } = setup();
  await backend.publish(KEY, {});
  api.fault({ kind: "latency", ms: 1 }, "pull");
  const stop = new AbortController();
  const next = backend.receive(KEY, { signal: stop.signal }).next();
  while (api.count("pull") === 0) await Promise.resolve();
  stop.abort();
  assert.equal((await next).done, true);
  await backend.close();
  assert.deepEqual([queue.size, queue.messages[0]!.attempts], [1, 1]);
  assert.ok(queue.messages[0]!.visibleAt <= clock.now());
});

test("cloudflare http: the platform's errors, each by our code", async () => {
  const cases: [status: number, number: number | undefined, send: string, receive: string][] = [
    [404, 10104, "not-found", "not-found"],
    [403, 10106, "unauthorized", "unauthorized"],
    [403, 10000, "unauthorized", "unauthorized"],
    [401, undefined, "unauthorized", "unauthorized"],
    [400, 10107, "invalid", "invalid"],
    [400, 10201, "unavailable", "unavailable"],
    [400, 10202, "invalid", "invalid"],
    [400, 10203, "invalid", "invalid"],
    [400, 10204, "too-large", "too-large"],
    [400, 10205, "too-large", "too-large"],
    [400, 10206, "too-large", "too-large"],
    [400, 10207, "invalid", "invalid"],
    [400, 10208, "invalid", "invalid"],
    [429, 10250, "rate-limited", "rate-limited"],
    [429, 10251, "queue-full", "queue-full"],
    [429, 10252, "unavailable", "unavailable"],
    [429, 10253, "rate-limited", "rate-limited"],
    [429, 971, "rate-limited", "rate-limited"],
    [500, 15000, "unavailable", "unavailable"],
    [503, undefined, "unavailable", "unavailable"],
    [502, undefined, "unknown-outcome", "unavailable"],
    [504, undefined, "unknown-outcome", "unavailable"],
    [524, undefined, "unknown-outcome", "unavailable"],
    [413, undefined, "too-large", "too-large"],
  ];
  for (const [status, number, send, receive] of cases) {
    const { driver, api } = setup();
    const fault = { kind: "refuse", status, code: number, ...number === undefined && { body: "<html>" } } as const;
    api.fault(fault, "batch");
    await assert.rejects(driver.send(KEY, [message({ n: 1 })], never()), (error) => driver.classify(error) === send);
    api.fault(fault, "pull");
    await assert.rejects(
      driver.receive(KEY, signalled()),
      (error) => driver.classify(error) === receive,
      `${status} ${number}`,
    );
  }
});

test("cloudflare http: an answer of 200 that says no success, or is no JSON, is no confirmation", async () => {
  for (
    const answer of [
      Response.json({ success: false, errors: [{ code: 10250, message: "busy" }] }),
      new Response("<html>"),
    ]
  ) {
    const { driver } = setup({
      queues: { [KEY]: "0123456789abcdef0123456789abcdef" },
      fetch: () => Promise.resolve(answer),
    });
    await assert.rejects(
      driver.send(KEY, [message({ n: 1 })], never()),
      (error) => ["rate-limited", "unknown-outcome"].includes(driver.classify(error)),
    );
  }
});

test("cloudflare http: transient refusals are tried again, after as long as Retry-After asks", async () => {
  const { backend, api, queue, clock } = setup({ timeoutMs: 60_000 });
  await backend.health();
  const at = clock.now();
  api.fault({ kind: "refuse", status: 429, code: 10250, retryAfter: 7 }, "batch");
  await backend.publish(KEY, {});
  assert.ok(clock.now() - at >= 7000, `${clock.now() - at}`);
  const then = clock.now();
  api.fault({ kind: "refuse", status: 429, code: 10250, retryAfter: new Date(then + 11_000).toUTCString() }, "batch");
  await backend.publish(KEY, {});
  assert.ok(clock.now() - then >= 10_000, `${clock.now() - then}`);
  assert.equal(queue.size, 2);
});

test("cloudflare http: while the API asks to wait nothing is sent", async () => {
  const { driver, api, clock } = setup({ queues: { [KEY]: "0123456789abcdef0123456789abcdef" } });
  api.fault({ kind: "refuse", status: 429, code: 971, retryAfter: 100 }, "batch");
  await assert.rejects(driver.send(KEY, [message({ n: 1 })], never()));
  clock.skip(99_000);
  await assert.rejects(
    driver.send(KEY, [message({ n: 1 })], never()),
    (error) => driver.classify(error) === "rate-limited" && driver.retryAfterMs(error) === 1000,
  );
  assert.equal(api.count("batch"), 1);
  clock.skip(1000);
  await assert.rejects(
    driver.send(KEY, [message({ n: 1 })], never()),
    (error) => driver.classify(error) === "not-found",
  );
  assert.equal(api.count("batch"), 2);
});

test("cloudflare http: never more than 1,200 requests in any five minutes, whatever is asked for", async () => {
  const { driver, api, clock } = setup();
  const until = clock.now() + 900_000;
  while (clock.now() < until) {
    try {
      await driver.send(KEY, [message({ n: 1 })], never());
    } catch (error) {
      clock.skip(driver.retryAfterMs(error)!);
    }
  }
  const times = api.requests.map(({ at }) => at);
  for (const [first, at] of times.entries()) {
    const within = times.findIndex((later) => later >= at + 300_000);
    assert.ok((within < 0 ? times.length : within) - first <= 1200);
  }
  assert.ok(times.length > 2000, `only ${times.length} requests`);
  assert.ok(api.requests.every(({ status }) => status === 200));
});

test("cloudflare http: a reply that is lost after a publish leaves its outcome unknown; before it left it is tried again", async () => {
  const { backend, api, queue } = setup();
  await backend.publish(KEY, { n: 0 });
  api.fault({ kind: "lost" }, "batch");
  await assert.rejects(backend.publish(KEY, { n: 1 }), code("unknown-outcome"));
  assert.equal(queue.size, 2);
  const refused = setup({
    fetch: (() => {
      let calls = 0;
      const { api } = setup();
      return (input: Request | URL | string, init?: RequestInit) => {
        if (calls++ === 0) return Promise.reject(new TypeError("connect ECONNREFUSED 127.0.0.1:1"));
        const url = new URL(String(input));
        url.pathname = url.pathname.replace(/accounts\/[^/]+/, `accounts/${api.accountId}`);
        return api.fetch(url, { ...init, headers: { authorization: `Bearer ${api.token}` } });
      };
    })(),
  });
  await refused.backend.publish(KEY, { n: 2 });
});

test("cloudflare http: a reply that is lost after an ack costs nothing", async () => {
  const { backend, api, queue } = setup({ settings: { lateAcks: "refused" } });
  await backend.publish(KEY, { n: 1 });
  for await (const delivery of backend.receive(KEY)) {
    api.fault({ kind: "lost" }, "ack");
    assert.equal(await delivery.ack(), true);
    break;
  }
  assert.equal(queue.size, 0);
});

test("cloudflare http: a pull that never answers is given up and begun anew", async () => {
  const clock = new AutoClock();
  const api = new CloudflareApi({ clock });
  api.queue("slack-events");
  let hung = 0;
  const backend = new CloudflareHttpBackend({
    accountId: api.accountId,
    apiToken: api.token,
    clock,
    timeoutMs: 3000,
    fetch: (input, init) => {
      if (!String(input).endsWith("/pull") || hung++ > 0) return api.fetch(input as string, init);
      return new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal!.reason)));
    },
  });
  await backend.publish(KEY, { n: 1 });
  const at = clock.now();
  for await (const delivery of backend.receive(KEY)) {
    assert.deepEqual(delivery.payload, { n: 1 });
    await delivery.ack();
    break;
  }
  assert.ok(hung > 1 && clock.now() - at >= 3000);
  await backend.close();
});

test("cloudflare http: no error shows the token or a payload", async () => {
  const { backend, api, connect } = setup({ maxRetries: 0 });
  const secret = "xoxb-payload-secret";
  const errors: unknown[] = [];
  const note = (promise: Promise<unknown>) => promise.catch((error) => errors.push(error));
  for (
    const fault of [
      { kind: "cut" },
      { kind: "refuse", status: 403, code: 10000, message: `token ${api.token} is not valid` },
      { kind: "refuse", status: 400, code: 10207, message: `cannot read {"text":"${secret}"}` },
      { kind: "refuse", status: 502, body: api.token },
    ] as const
  ) {
    api.fault(fault, "batch");
    await note(backend.publish(KEY, { text: secret }));
    api.fault(fault, "metrics");
    await note(backend.depth(KEY));
  }
  assert.ok(errors.length >= 7);
  for (const error of errors) {
    for (let at = error as Error | undefined; at; at = at.cause as Error | undefined) {
      assert.ok(!`${at.message} ${at.stack} ${JSON.stringify(at)}`.includes(api.token), at.message);
      assert.ok(!`${at.message} ${at.stack}`.includes(secret), at.message);
    }
  }
  assert.ok(!JSON.stringify(connect()).includes(api.token));
});

test("cloudflare http: depth tells the platform's one number, less what this backend leased or delayed", async () => {
  const { backend, queue, clock } = setup();
  await backend.publishBatch(KEY, Array.from({ length: 10 }, (_, n) => ({ payload: { n } })));
  await backend.publish(KEY, { n: 10 }, { delayMs: 60_000 });
  assert.deepEqual(await backend.depth(KEY), { ready: 10, inFlight: 0, delayed: 1, dead: 0 });
  const deliveries = backend.receive(KEY, { prefetch: 3 });
  const [one, two, three] = [await take(), await take(), await take()];
  assert.deepEqual(await backend.depth(KEY), { ready: 7, inFlight: 3, delayed: 1, dead: 0 });
  await one.ack();
  await two.retry({ delayMs: 30_000 });
  await three.deadLetter("poison");
  await deliveries.return?.();
  assert.deepEqual(await backend.depth(KEY), { ready: 7, inFlight: 0, delayed: 2, dead: 1 });
  clock.skip(60_000);
  assert.deepEqual(await backend.depth(KEY), { ready: queue.size, inFlight: 0, delayed: 0, dead: 1 });

  async function take() {
    return (await deliveries.next()).value!;
  }
});

test("cloudflare http: health asks for something and publishes nothing", async () => {
  const { backend, api, queue } = setup();
  assert.equal((await backend.health()).ok, true);
  api.fault({ kind: "refuse", status: 403, code: 10000 });
  const { ok, error } = await backend.health();
  assert.deepEqual([ok, (error as ConsumeError).code, queue.size], [false, "unauthorized", 0]);
});

test("cloudflare http: what the platform lacks is declared and refused", async () => {
  const { backend } = setup();
  const { dedup, groups, fencing, extend, release, ttl, maxLength, order } = backend.capabilities;
  assert.deepEqual([dedup, groups, fencing, extend, release, ttl, maxLength, order], [
    false,
    false,
    false,
    false,
    false,
    false,
    false,
    "best-effort",
  ]);
  await assert.rejects(backend.publish(KEY, {}, { ttlMs: 1000 }), code("unsupported"));
  assert.throws(() => backend.receive(KEY, { group: "other" }), code("unsupported"));
  await backend.publish(KEY, {});
  for await (const delivery of backend.receive(KEY)) {
    await assert.rejects(delivery.extend(1000), code("unsupported"));
    await delivery.ack();
    break;
  }
  await assert.rejects(backend.receive(KEY, { leaseMs: 43_200_001 }).next(), code("invalid"));
});
