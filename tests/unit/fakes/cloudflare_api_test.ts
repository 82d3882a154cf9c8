// The test server of Cloudflare's API, held to the documented shapes: a wrong stand-in would prove nothing.
import { test } from "node:test";
import assert from "node:assert/strict";
import { HandClock } from "../../doubles/hand_clock.ts";
import { CloudflareApi, type CloudflareApiOptions, Disconnect } from "../../fakes/cloudflare_api.ts";

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly success: boolean;
  readonly errors: { readonly code: number; readonly message: string }[];
  // deno-lint-ignore no-explicit-any -- the shapes under test are what the assertions say
  readonly result: any;
}

function setup(options: CloudflareApiOptions = {}) {
  const clock = new HandClock();
  const api = new CloudflareApi({ clock, ...options });
  const base = `https://api.cloudflare.com/client/v4/accounts/${api.accountId}/queues`;
  const call = async (method: string, path: string, body?: unknown, token = api.token): Promise<Answer> => {
    const response = await api.fetch(`${base}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, ...await response.json() };
  };
  return { clock, api, call };
}

const codes = ({ errors }: Answer) => errors.map(({ code }) => code);
const decode = (body: string) =>
  JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0))));

test("cloudflare api: a published message is pulled in the documented shape", async () => {
  const { api, call, clock } = setup();
  const queue = api.queue("slack-events");
  const sent = await call("POST", `/${queue.id}/messages`, { body: { greeting: "hällo" } });
  assert.deepEqual([sent.status, sent.success, sent.errors], [200, true, []]);
  assert.equal(sent.result.metadata.metrics.backlog_count, 1);
  const pulled = await call("POST", `/${queue.id}/messages/pull`, { batch_size: 10, visibility_timeout_ms: 1000 });
  assert.equal(pulled.result.message_backlog_count, 1);
  const [message] = pulled.result.messages;
  assert.deepEqual(Object.keys(message).sort(), ["attempts", "body", "id", "lease_id", "metadata", "timestamp_ms"]);
  assert.deepEqual(decode(message.body), { greeting: "hällo" });
  assert.equal(message.attempts, 1);
  assert.equal(message.timestamp_ms, clock.now());
  assert.equal(message.metadata["CF-Content-Type"], "json");
});

test("cloudflare api: json travels in base64, text as it is", async () => {
  const { api, call } = setup();
  const queue = api.queue("q");
  await call("POST", `/${queue.id}/messages/batch`, {
    messages: [{ body: [1, "ü"], content_type: "json" }, { body: "plain ü", content_type: "text" }],
  });
  const { result } = await call("POST", `/${queue.id}/messages/pull`, {});
  assert.deepEqual(decode(result.messages[0].body), [1, "ü"]);
  assert.equal(result.messages[1].body, "plain ü");
});

test("cloudflare api: a lease hides a message until its timeout, counting an attempt", async () => {
  const { api, call, clock } = setup();
  const queue = api.queue("q");
  await call("POST", `/${queue.id}/messages`, { body: {} });
  const pull = async () =>
    (await call("POST", `/${queue.id}/messages/pull`, { visibility_timeout_ms: 5000 })).result.messages;
  const [first] = await pull();
  await clock.advance(4999);
  assert.deepEqual(await pull(), []);
  await clock.advance(1);
  const [second] = await pull();
  assert.equal(second.id, first.id);
  assert.equal(second.attempts, 2);
  assert.notEqual(second.lease_id, first.lease_id);
});

test("cloudflare api: acks and retries in one call, with counts, delays and warnings", async () => {
  const { api, call, clock } = setup();
  const queue = api.queue("q");
  await call("POST", `/${queue.id}/messages/batch`, { messages: [{ body: 1 }, { body: 2 }] });
  const { result: { messages: [one, two] } } = await call("POST", `/${queue.id}/messages/pull`, {});
  const { result } = await call("POST", `/${queue.id}/messages/ack`, {
    acks: [{ lease_id: one.lease_id }, { lease_id: "nobody's" }],
    retries: [{ lease_id: two.lease_id, delay_seconds: 60 }],
  });
  assert.deepEqual([result.ackCount, result.retryCount, Object.keys(result.warnings)], [1, 1, ["nobody's"]]);
  const pull = async () => (await call("POST", `/${queue.id}/messages/pull`, {})).result.messages;
  await clock.advance(59_999);
  assert.deepEqual(await pull(), []);
  await clock.advance(1);
  assert.equal((await pull())[0].attempts, 2);
});

test("cloudflare api: a late ack counts, or not, as the queue is configured", async () => {
  for (const lateAcks of ["accepted", "refused"] as const) {
    const { api, call, clock } = setup();
    const queue = api.queue("q", { lateAcks });
    await call("POST", `/${queue.id}/messages`, { body: {} });
    const pull = async () => (await call("POST", `/${queue.id}/messages/pull`, {})).result.messages[0];
    const first = await pull();
    await clock.advance(30_000);
    await pull();
    const { result } = await call("POST", `/${queue.id}/messages/ack`, { acks: [{ lease_id: first.lease_id }] });
    assert.equal(result.ackCount, lateAcks === "accepted" ? 1 : 0);
    assert.equal(queue.size, lateAcks === "accepted" ? 0 : 1);
  }
});

test("cloudflare api: a message's delay wins over its batch's and its queue's", async () => {
  const { api, call, clock } = setup();
  const queue = api.queue("q", { deliveryDelay: 30 });
  await call("POST", `/${queue.id}/messages/batch`, {
    delay_seconds: 20,
    messages: [{ body: "batch" }, { body: "own", delay_seconds: 10 }, { body: "now", delay_seconds: 0 }],
  });
  await call("POST", `/${queue.id}/messages`, { body: "queue" });
  const due: unknown[] = [];
  for (let second = 0; second <= 30; second += 10) {
    const { result } = await call("POST", `/${queue.id}/messages/pull`, { visibility_timeout_ms: 3_600_000 });
    due.push(result.messages.map(({ body }: { body: string }) => decode(body)));
    await clock.advance(10_000);
  }
  assert.deepEqual(due, [["now"], ["own"], ["batch"], ["queue"]]);
});

test("cloudflare api: a message out of retries is in the dead letter queue, or gone", async () => {
  const { api, call, clock } = setup();
  const queue = api.queue("q", { maxRetries: 2, deadLetterQueue: "q-dlq" });
  const doomed = api.queue("doomed", { maxRetries: 0 });
  for (const { id } of [queue, doomed]) await call("POST", `/${id}/messages`, { body: { a: 1 } });
  const attempts: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    for (const { id } of [queue, doomed]) {
      const { result } = await call("POST", `/${id}/messages/pull`, { visibility_timeout_ms: 1000 });
      if (id === queue.id) attempts.push(...result.messages.map((message: { attempts: number }) => message.attempts));
      await call("POST", `/${id}/messages/ack`, {
        retries: turn % 2 ? [] : result.messages.map(({ lease_id }: { lease_id: string }) => ({ lease_id })),
      });
    }
    await clock.advance(1000);
  }
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.deepEqual([queue.size, doomed.size, api.queue("q-dlq").size], [0, 0, 1]);
  assert.equal(api.queue("q-dlq").peek(1)[0]?.content.text, '{"a":1}');
});

test("cloudflare api: peek takes nothing, a ref removes", async () => {
  const { api, call } = setup();
  const queue = api.queue("q");
  await call("POST", `/${queue.id}/messages/batch`, { messages: [{ body: 1 }, { body: 2 }] });
  const { result } = await call("POST", `/${queue.id}/messages/peek`, { batch_size: 10 });
  assert.deepEqual(result.messages.map((message: { attempts: number }) => message.attempts), [0, 0]);
  assert.ok(!("lease_id" in result.messages[0]));
  const purge = await call("POST", `/${queue.id}/messages/purge`, {
    refs: [{ ref: result.messages[0].ref }, { ref: "ref.x" }],
  });
  assert.deepEqual([purge.result.errors, Object.keys(purge.result.warnings)], [[], ["ref.x"]]);
  assert.equal(queue.size, 1);
});

test("cloudflare api: the limits and their codes", async () => {
  const { api, call } = setup({ rateLimit: { requests: 100, windowMs: 1000 } });
  const { id } = api.queue("q");
  const text = (bytes: number) => ({ body: "x".repeat(bytes), content_type: "text" });
  const cases: [path: string, body: unknown, status: number, expected: number[]][] = [
    [`/${id}/messages`, text(127_900), 200, []],
    [`/${id}/messages`, text(127_901), 400, [10204]],
    [`/${id}/messages/batch`, { messages: [text(127_900), text(127_900)] }, 200, []],
    [`/${id}/messages/batch`, { messages: [text(100_000), text(100_000), text(60_000)] }, 400, [10205]],
    [`/${id}/messages/batch`, { messages: Array(101).fill(text(1)) }, 400, [10206]],
    [`/${id}/messages/batch`, { messages: [] }, 400, [10206]],
    [`/${id}/messages/batch`, { messages: [text(1)], delay_seconds: 86_401 }, 400, [10202]],
    [`/${id}/messages`, { body: {}, delay_seconds: 86_401 }, 400, [10203]],
    [`/${id}/messages`, { body: {}, delay_seconds: 1.5 }, 400, [10203]],
    [`/${id}/messages`, { body: {}, content_type: "v8" }, 400, [10203]],
    [`/${id}/messages`, { body: {}, content_type: "text" }, 400, [10207]],
    [`/${id}/messages/batch`, { messages: {} }, 400, [10207]],
    [`/${id}/messages`, "{", 400, [10208]],
    [`/${id}/messages/pull`, { batch_size: 101 }, 400, [10207]],
    [`/${id}/messages/pull`, { visibility_timeout_ms: 43_200_001 }, 400, [10207]],
    ["/0123456789abcdef/messages", { body: {} }, 404, [10104]],
    ["/no-id!/messages", { body: {} }, 400, [10107]],
    [`/${id}/nothing`, {}, 404, [7003]],
  ];
  for (const [path, body, status, expected] of cases) {
    const answer = await call("POST", path, body);
    assert.deepEqual(
      [answer.status, codes(answer)],
      [status, expected],
      `${path} ${JSON.stringify(body).slice(0, 80)}`,
    );
    assert.equal(answer.success, status === 200);
  }
  assert.equal((await call("POST", `/${id}/messages`, { body: {} }, "wrong")).status, 403);
});

test("cloudflare api: 429 with Retry-After after 1,200 requests in five minutes", async () => {
  const { api, call, clock } = setup();
  const { id } = api.queue("q");
  for (let sent = 0; sent < 1200; sent++) assert.equal((await call("GET", `/${id}/metrics`)).status, 200);
  await clock.advance(60_000);
  const refused = await call("POST", `/${id}/messages`, { body: {} });
  assert.deepEqual([refused.status, codes(refused), refused.headers.get("retry-after")], [429, [971], "240"]);
  assert.equal((await call("POST", `/${id}/messages/pull`, {})).status, 200);
  assert.equal((await call("POST", `/${id}/messages/ack`, { acks: [] })).status, 200);
  await clock.advance(240_000);
  assert.equal((await call("POST", `/${id}/messages`, { body: {} })).status, 200);
});

test("cloudflare api: faults befall one request of the action that they name", async () => {
  const { api, call, clock } = setup();
  const queue = api.queue("q");
  api.fault({ kind: "cut" }, "send");
  api.fault({ kind: "lost" }, "send");
  api.fault({ kind: "refuse", status: 429, code: 10250, retryAfter: 2 }, "send");
  api.fault({ kind: "latency", ms: 50 }, "send");
  const send = () => call("POST", `/${queue.id}/messages`, { body: {} });
  await assert.rejects(send(), Disconnect);
  assert.equal(queue.size, 0);
  await assert.rejects(send(), Disconnect);
  assert.equal(queue.size, 1);
  const refused = await send();
  assert.deepEqual([refused.status, codes(refused), refused.headers.get("retry-after")], [429, [10250], "2"]);
  const late = send();
  await clock.advance(49);
  assert.equal(queue.size, 1);
  await clock.advance(1);
  assert.equal((await late).status, 200);
  assert.deepEqual(api.requests.map(({ action, status }) => [action, status]), [
    ["send", 0],
    ["send", 200],
    ["send", 429],
    ["send", 200],
  ]);
});
