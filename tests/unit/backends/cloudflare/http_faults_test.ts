// What goes wrong on the way to Cloudflare's HTTP API.
import { test } from "node:test";
import assert from "node:assert/strict";
import { CloudflareHttpBackend } from "../../../../backends/cloudflare/mod.ts";
import { QueueError } from "../../../../core/errors.ts";
import { AutoClock } from "../../../doubles/auto_clock.ts";
import { CloudflareApi } from "../../../fakes/cloudflare_api.ts";
import { asked, code, KEY, message, never, setup } from "../../support/cloudflare_setup.ts";

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
      driver.receive(KEY, asked()),
      (error) => driver.classify(error) === receive,
      `${status} ${number}`,
    );
  }
});

test("cloudflare http: a 200 without success or without JSON is no confirmation", async () => {
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

test("cloudflare http: retries transient refusals after Retry-After", async () => {
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
    (error) => error instanceof QueueError && error.code === "rate-limited" && error.retryAfterMs === 1000,
  );
  assert.equal(api.count("batch"), 1);
  clock.skip(1000);
  await assert.rejects(
    driver.send(KEY, [message({ n: 1 })], never()),
    (error) => driver.classify(error) === "not-found",
  );
  assert.equal(api.count("batch"), 2);
});

test("cloudflare http: one queue that is overloaded slows no other one down", async () => {
  const { driver, api } = setup();
  api.fault({ kind: "refuse", status: 429, code: 10250, retryAfter: 100 }, "batch");
  await assert.rejects(driver.send(KEY, [message({ n: 1 })], never()));
  for (let n = 0; n < 10; n++) await driver.send(KEY, [message({ n })], never());
});

test("cloudflare http: never sends more than 1,200 requests in any five minutes", async () => {
  const { driver, api, clock } = setup();
  const until = clock.now() + 900_000;
  while (clock.now() < until) {
    try {
      await driver.send(KEY, [message({ n: 1 })], never());
    } catch (error) {
      clock.skip((error as QueueError).retryAfterMs!);
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

test("cloudflare http: a lost reply is unknown, a send that never left is retried", async () => {
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
  const leaky = setup({
    maxRetries: 0,
    apiToken: api.token,
    fetch: () => Promise.reject(new TypeError(`cannot send authorization: Bearer ${api.token}`)),
  });
  await note(leaky.backend.depth(KEY));
  await note(leaky.backend.publish(KEY, { text: secret }));
  assert.ok(errors.length >= 9);
  for (const error of errors) {
    for (let at = error as Error | undefined; at; at = at.cause as Error | undefined) {
      assert.ok(!`${at.message} ${at.stack} ${JSON.stringify(at)}`.includes(api.token), at.message);
      assert.ok(!`${at.message} ${at.stack}`.includes(secret), at.message);
    }
  }
  assert.ok(!JSON.stringify(connect()).includes(api.token));
});
