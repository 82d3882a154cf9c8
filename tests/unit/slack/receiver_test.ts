import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../../core/util/clock.ts";
import { ConfigError, PublishError } from "../../../core/errors.ts";
import type { Health, PublishReceipt } from "../../../core/protocol.ts";
import { envelopeOf, SAMPLES } from "../../../examples/server/samples.ts";
import { slackRequest, type SlackRequestOptions } from "../../../examples/server/sign.ts";
import { createSlackReceiver, type SlackReceiverOptions, type SlackRequestReport } from "../../../slack/receiver.ts";
import { StubBackend } from "../../doubles/stub_backend.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const URL = "https://bot.example/slack/events";
const MIB = 1024 * 1024;
const MENTION = envelopeOf(SAMPLES[0]!.event, "Ev0PV52K25");

function setUp(options: Partial<SlackReceiverOptions> = {}, backend: StubBackend = new StubBackend()) {
  const reports: SlackRequestReport[] = [];
  const observer = (report: SlackRequestReport) => void reports.push(report);
  const receiver = createSlackReceiver({ backend, signingSecret: SECRET, observer, ...options });
  const post = async (request: Partial<SlackRequestOptions> = {}) =>
    await receiver.fetch(await slackRequest(URL, { secret: SECRET, body: MENTION, ...request }));
  return { backend, receiver, reports, post };
}

/** A clock whose timers fire when the test says so. */
class HandClock implements Clock {
  time = 1_700_000_000_000;
  readonly timers = new Map<number, () => void>();
  #next = 1;
  now(): number {
    return this.time;
  }
  setTimeout(callback: () => void): unknown {
    this.timers.set(this.#next, callback);
    return this.#next++;
  }
  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as number);
  }
  fire(): void {
    for (const callback of this.timers.values()) callback();
  }
}

test("an event is published whole under its event_id, then answered 200", async () => {
  const { backend, receiver, reports, post } = setUp();
  const answer = await post();
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), "");
  const [published] = backend.published;
  assert.equal(published?.key, "slack_events");
  assert.deepEqual(published.payload, MENTION);
  assert.equal(published.options.id, "Ev0PV52K25");
  assert.ok(published.options.timeoutMs! > 0 && published.options.timeoutMs! <= 2_500);
  assert.equal(receiver.stats.accepted, 1);
  const { outcome, status, eventId, eventType, teamId, durationMs } = reports[0]!;
  assert.deepEqual({ outcome, status, eventId, eventType, teamId }, {
    outcome: "accepted",
    status: 200,
    eventId: "Ev0PV52K25",
    eventType: "app_mention",
    teamId: "T061EG9R6",
  });
  assert.ok(durationMs >= 0);
});

test("the key and the path are the caller's choice", async () => {
  const { backend, receiver } = setUp({ key: "bots", path: "/hooks/slack" });
  const send = async (url: string) => await receiver.fetch(await slackRequest(url, { secret: SECRET, body: MENTION }));
  assert.equal((await send("https://bot.example/hooks/slack?x=1")).status, 200);
  assert.equal(backend.published[0]?.key, "bots");
  assert.equal((await send(URL)).status, 404);
});

test("200 comes only after the queue has confirmed", async () => {
  const confirmed = Promise.withResolvers<PublishReceipt>();
  const sent = Promise.withResolvers<void>();
  const { post, receiver } = setUp({}, new StubBackend(() => (sent.resolve(), confirmed.promise)));
  let answered = false;
  const answer = post().finally(() => answered = true);
  await sent.promise;
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve));
  assert.equal(answered, false);
  assert.equal(receiver.stats.accepted, 0);
  confirmed.resolve({ id: "Ev0PV52K25", outcome: "added" });
  assert.equal((await answer).status, 200);
});

test("an event that comes again is answered 200 and counted as a duplicate", async () => {
  const { receiver, reports, post } = setUp({}, new StubBackend(() => ({ id: "x", outcome: "duplicate" })));
  const headers = { "x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout" };
  assert.equal((await post({ headers })).status, 200);
  assert.equal(receiver.stats.duplicate, 1);
  assert.equal(receiver.stats.accepted, 0);
  assert.equal(reports[0]?.retryNum, "1");
  assert.equal(reports[0]?.retryReason, "http_timeout");
});

test("a first delivery is not dropped for being called a retry", async () => {
  const { backend, post } = setUp();
  assert.equal((await post({ headers: { "x-slack-retry-num": "2" } })).status, 200);
  assert.equal(backend.published.length, 1);
});

test("the handshake is answered with its challenge, and only when signed", async () => {
  const { backend, receiver, post } = setUp();
  const body = {
    token: "t",
    challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    type: "url_verification",
  };
  const answer = await post({ body });
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { challenge: body.challenge });
  assert.equal((await post({ body, secret: "another" })).status, 401);
  assert.equal((await post({ body: { type: "url_verification" } })).status, 400);
  assert.equal(receiver.stats.challenged, 1);
  assert.equal(backend.published.length, 0);
});

test("app_rate_limited is counted and reported, and nothing is published", async () => {
  const { backend, receiver, reports, post } = setUp();
  const body = {
    type: "app_rate_limited",
    team_id: "T123",
    minute_rate_limited: 1_518_467_820,
    api_app_id: "A1",
    token: "t",
  };
  assert.equal((await post({ body })).status, 200);
  assert.equal(receiver.stats.rateLimited, 1);
  assert.equal(reports[0]?.outcome, "rateLimited");
  assert.equal(reports[0]?.teamId, "T123");
  assert.equal(backend.published.length, 0);
});

test("what Slack did not sign is 401 and is not published", async () => {
  const { backend, receiver, reports, post } = setUp();
  const now = Math.floor(Date.now() / 1000);
  const problems: [Partial<SlackRequestOptions>, string][] = [
    [{ secret: "another" }, "forged"],
    [{ headers: { "x-slack-signature": "v0=nonsense" } }, "forged"],
    [{ headers: { "x-slack-signature": "" } }, "missing"],
    [{ headers: { "x-slack-request-timestamp": "" } }, "missing"],
    [{ timestamp: "soon" }, "timestamp"],
    [{ timestamp: now - 310 }, "stale"],
    [{ timestamp: now + 310 }, "stale"],
    [{ body: "not JSON", secret: "another" }, "forged"],
    [{ body: "a=b", secret: "another", headers: { "content-type": "application/x-www-form-urlencoded" } }, "forged"],
  ];
  for (const [request, problem] of problems) {
    const answer = await post(request);
    assert.equal(answer.status, 401, problem);
    assert.equal(answer.headers.get("x-slack-no-retry"), null);
    assert.equal(reports.at(-1)?.problem, problem);
  }
  assert.equal(receiver.stats.unauthorized, problems.length);
  assert.equal(backend.published.length, 0);
});

test("a body that was changed on its way is 401", async () => {
  const { backend, receiver } = setUp();
  const signed = await slackRequest(URL, { secret: SECRET, body: MENTION });
  const body = (await signed.text()).replace("river", "brook");
  const answer = await receiver.fetch(new Request(URL, { method: "POST", headers: signed.headers, body }));
  assert.equal(answer.status, 401);
  assert.equal(backend.published.length, 0);
});

test("during a rotation both secrets are good", async () => {
  const { post } = setUp({ signingSecret: ["the new one", SECRET] });
  assert.equal((await post()).status, 200);
  assert.equal((await post({ secret: "the new one" })).status, 200);
  assert.equal((await post({ secret: "a third" })).status, 401);
});

test("signed, but not an event: 400, and Slack need not try again", async () => {
  const { backend, receiver, post } = setUp();
  const bodies: unknown[] = ["", "{", "null", "[]", "7", '"text"', {}, { type: "unheard_of" }, { type: 7 }];
  const { event: _event, ...noEvent } = MENTION;
  const { event_id: _id, ...noId } = MENTION;
  const { type: _type, ...noType } = MENTION;
  const shapes = [noEvent, noId, noType, { ...MENTION, event_id: 7 }, { ...MENTION, event_id: "" }];
  const events = [{ ...MENTION, event: null }, { ...MENTION, event: [] }, { ...MENTION, event: {} }, {
    ...MENTION,
    event: { type: 7 },
  }];
  const all = [...bodies, ...shapes, ...events];
  for (const body of all) {
    const answer = await post({ body });
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.headers.get("x-slack-no-retry"), "1");
  }
  assert.equal(receiver.stats.malformed, all.length);
  assert.equal(backend.published.length, 0);
});

test("bytes that are not UTF-8 are 400", async () => {
  const { receiver } = setUp();
  const bytes = new TextEncoder().encode(JSON.stringify(MENTION));
  bytes[bytes.indexOf("r".charCodeAt(0))] = 0xff;
  const timestamp = `${Math.floor(Date.now() / 1000)}`;
  const data = new Uint8Array([...new TextEncoder().encode(`v0:${timestamp}:`), ...bytes]);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(SECRET), algorithm, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, data));
  const signature = "v0=" + Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const headers = { "x-slack-request-timestamp": timestamp, "x-slack-signature": signature };
  assert.equal((await receiver.fetch(new Request(URL, { method: "POST", headers, body: bytes }))).status, 400);
});

test("a form, as interactivity and slash commands send it, is 415 and says so", async () => {
  const { backend, receiver, post } = setUp();
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const answer = await post({ body: "payload=%7B%22type%22%3A%22block_actions%22%7D", headers });
  assert.equal(answer.status, 415);
  assert.equal(answer.headers.get("x-slack-no-retry"), "1");
  assert.match(await answer.text(), /interactivity and slash commands/);
  assert.equal(receiver.stats.unsupported, 1);
  assert.equal(backend.published.length, 0);
});

test("another method is 405 with Allow, another path 404", async () => {
  const { backend, receiver } = setUp();
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const answer = await receiver.fetch(new Request(URL, { method }));
    assert.equal(answer.status, 405, method);
    assert.equal(answer.headers.get("allow"), "POST");
  }
  assert.equal(receiver.stats.notAllowed, 6);
  for (const path of ["/", "/slack/events/", "/slack", "/SLACK/EVENTS", "//slack/events"]) {
    const answer = await receiver.fetch(
      await slackRequest(`https://bot.example${path}`, { secret: SECRET, body: MENTION }),
    );
    assert.equal(answer.status, 404, path);
  }
  assert.equal(receiver.stats.notFound, 5);
  assert.equal(backend.published.length, 0);
});

/** A body that counts how much of it was asked for. */
function endlessBody(limit: number): { stream: ReadableStream<Uint8Array>; read(): number; cancelled: Promise<void> } {
  let bytes = 0;
  const cancelled = Promise.withResolvers<void>();
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (bytes >= limit) return controller.close();
      bytes += 65_536;
      controller.enqueue(new Uint8Array(65_536).fill(0x20));
    },
    cancel: () => cancelled.resolve(),
  });
  return { stream, read: () => bytes, cancelled: cancelled.promise };
}

function postStream(body: ReadableStream<Uint8Array>, headers: Record<string, string> = {}): Request {
  const init: RequestInit & { duplex: "half" } = { method: "POST", body, headers, duplex: "half" };
  return new Request(URL, init);
}

for (
  const [what, headers] of [
    ["without Content-Length", {}],
    ["with a Content-Length that lies", { "content-length": "10" }],
    ["with a Content-Length that is no number", { "content-length": "many" }],
  ] as [string, Record<string, string>][]
) {
  test(`a body over 1 MiB ${what} is 413, and reading stops`, async () => {
    const { receiver } = setUp();
    const body = endlessBody(64 * MIB);
    const answer = await receiver.fetch(postStream(body.stream, headers));
    assert.equal(answer.status, 413);
    assert.equal(answer.headers.get("x-slack-no-retry"), "1");
    assert.ok(body.read() <= MIB + 4 * 65_536, `${body.read()} bytes were read`);
    await body.cancelled;
    assert.equal(receiver.stats.tooLarge, 1);
  });
}

test("a Content-Length over 1 MiB is 413 before anything is read", async () => {
  const { receiver } = setUp();
  const body = endlessBody(64 * MIB);
  const answer = await receiver.fetch(postStream(body.stream, { "content-length": `${MIB + 1}` }));
  assert.equal(answer.status, 413);
  assert.ok(body.read() <= 65_536, `${body.read()} bytes were read`);
});

test("exactly 1 MiB is read, a byte more is not", async () => {
  const { post, backend } = setUp();
  const padded = (bytes: number) => {
    const empty = JSON.stringify({ ...MENTION, padding: "" });
    return JSON.stringify({ ...MENTION, padding: "x".repeat(bytes - new TextEncoder().encode(empty).length) });
  };
  assert.equal((await post({ body: padded(MIB) })).status, 200);
  assert.equal(backend.published.length, 1);
  assert.equal((await post({ body: padded(MIB + 1) })).status, 413);
});

test("a body in many pieces arrives as one", async () => {
  const { backend, receiver } = setUp();
  const signed = await slackRequest(URL, { secret: SECRET, body: MENTION });
  const bytes = new Uint8Array(await signed.arrayBuffer());
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.slice(at, at + 7));
      controller.close();
    },
  });
  const answer = await receiver.fetch(postStream(stream, Object.fromEntries(signed.headers)));
  assert.equal(answer.status, 200);
  assert.deepEqual(backend.published[0]?.payload, MENTION);
});

test("a queue that refuses is 503, which Slack tries again", async () => {
  const refused = new PublishError("queue-full", "the queue is full");
  const { receiver, reports, post } = setUp({}, new StubBackend(() => Promise.reject(refused)));
  const answer = await post();
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get("x-slack-no-retry"), null);
  assert.equal(receiver.stats.unconfirmed, 1);
  assert.equal(reports[0]?.error, refused);
});

test("a queue that throws at once, or a TypeError, is 503 too", async () => {
  for (const error of [new TypeError("fetch failed"), new RangeError("too long"), "text", undefined]) {
    const { post } = setUp(
      {},
      new StubBackend(() => {
        throw error;
      }),
    );
    assert.equal((await post()).status, 503);
  }
});

test("a queue that does not confirm in time is 503, and its publish is given up", async () => {
  const clock = new HandClock();
  const sent = Promise.withResolvers<AbortSignal>();
  const confirmed = Promise.withResolvers<PublishReceipt>();
  const backend = new StubBackend(({ options }) => (sent.resolve(options.signal!), confirmed.promise));
  const { receiver, reports, post } = setUp({ clock }, backend);
  const answer = post({ timestamp: clock.time / 1000 });
  const signal = await sent.promise;
  assert.equal(signal.aborted, false);
  clock.time += 2_500;
  clock.fire();
  assert.equal((await answer).status, 503);
  assert.equal((await answer).headers.get("x-slack-no-retry"), null);
  assert.equal(signal.aborted, true);
  assert.equal((reports[0]?.error as PublishError).code, "timeout");
  // What comes too late changes nothing.
  confirmed.resolve({ id: "Ev0PV52K25", outcome: "added" });
  await confirmed.promise;
  assert.equal(receiver.stats.accepted, 0);
  assert.equal(receiver.stats.unconfirmed, 1);
  assert.equal(reports.length, 1);
});

test("a body that does not come in time is 503 as well, and nobody waits for the rest", async () => {
  const clock = new HandClock();
  const cancelled = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    pull: () => (asked.resolve(), new Promise<void>(() => undefined)),
    cancel: () => cancelled.resolve(),
  });
  const { receiver } = setUp({ clock });
  const answer = receiver.fetch(postStream(body));
  await asked.promise;
  clock.fire();
  assert.equal((await answer).status, 503);
  await cancelled.promise;
});

test("the time that reading took is not given to the queue again", async () => {
  const clock = new HandClock();
  const { backend, receiver } = setUp({ clock });
  const signed = await slackRequest(URL, { secret: SECRET, body: MENTION, timestamp: clock.time / 1000 });
  const bytes = new Uint8Array(await signed.arrayBuffer());
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      clock.time += 1_000;
      controller.enqueue(bytes);
      controller.close();
    },
  }, { highWaterMark: 0 });
  assert.equal((await receiver.fetch(postStream(stream, Object.fromEntries(signed.headers)))).status, 200);
  assert.equal(backend.published[0]?.options.timeoutMs, 1_500);
});

test("no timer is left behind", async () => {
  const clock = new HandClock();
  const { post } = setUp({ clock });
  await post({ timestamp: clock.time / 1000 });
  await post({ secret: "another" });
  assert.equal(clock.timers.size, 0);
});

test("a body that breaks off is not published", async () => {
  const { backend, receiver } = setUp();
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("connection reset")),
  });
  const answer = await receiver.fetch(postStream(stream));
  assert.equal(answer.status, 503);
  assert.equal(backend.published.length, 0);
});

test("a __proto__ key arrives as it was sent and changes no prototype", async () => {
  const { backend, post } = setUp();
  const body = JSON.stringify(MENTION).replace(
    "{",
    '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},',
  );
  assert.equal((await post({ body })).status, 200);
  const { payload } = backend.published[0]!;
  assert.equal(JSON.stringify(payload), body);
  assert.equal(Object.getPrototypeOf(payload), Object.prototype);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

class HealthyBackend extends StubBackend {
  constructor(readonly health: () => Promise<Health>) {
    super();
  }
}

test("the health check asks the backend", async () => {
  const get = async (backend: StubBackend) => {
    const answer = await setUp({}, backend).receiver.fetch(new Request("https://bot.example/health"));
    return { status: answer.status, ...await answer.json() };
  };
  assert.deepEqual(await get(new HealthyBackend(() => Promise.resolve({ ok: true, latencyMs: 2 }))), {
    status: 200,
    ok: true,
    checked: true,
    latencyMs: 2,
  });
  const error = new PublishError("connection", "cannot reach redis://user:hunter2@host");
  const sick = { status: 503, ok: false, checked: true, error: "connection" };
  assert.deepEqual(await get(new HealthyBackend(() => Promise.resolve({ ok: false, latencyMs: 9, error }))), {
    ...sick,
    latencyMs: 9,
  });
  assert.deepEqual(await get(new HealthyBackend(() => Promise.reject(error))), sick);
  assert.deepEqual(await get(new HealthyBackend(() => Promise.reject(new Error("hunter2")))), {
    ...sick,
    error: "internal",
  });
  assert.deepEqual(await get(new StubBackend()), { status: 200, ok: true, checked: false });
});

test("a health check that hangs is 503, and is only ever read", async () => {
  const clock = new HandClock();
  const asked = Promise.withResolvers<void>();
  const backend = new HealthyBackend(() => (asked.resolve(), new Promise(() => undefined)));
  const { receiver } = setUp({ clock }, backend);
  const answer = receiver.fetch(new Request("https://bot.example/health"));
  await asked.promise;
  clock.fire();
  assert.equal((await answer).status, 503);
  assert.equal(receiver.stats.unhealthy, 1);
  const posted = await receiver.fetch(new Request("https://bot.example/health", { method: "POST" }));
  assert.equal(posted.status, 405);
  assert.equal(posted.headers.get("allow"), "GET, HEAD");
  assert.equal(backend.published.length, 0);
});

test("an observer that throws does not change what Slack hears", async () => {
  const { post } = setUp({
    observer: () => {
      throw new Error("the log is full");
    },
  });
  assert.equal((await post()).status, 200);
});

test("fetch needs no this, and stats are a copy", async () => {
  const { receiver } = setUp();
  const { fetch, stats } = receiver;
  await fetch(new Request("https://bot.example/"));
  assert.equal(stats.notFound, 0);
  assert.equal(receiver.stats.notFound, 1);
});

test("a receiver without a secret is not made", () => {
  for (const signingSecret of ["", [], ["a", " "], undefined as unknown as string]) {
    assert.throws(() => setUp({ signingSecret }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /Basic Information → App Credentials → Signing Secret/);
      return true;
    });
  }
});

test("a timeout that Slack would not wait for is a RangeError", () => {
  for (const timeoutMs of [0, -1, NaN, Infinity, 3_001]) assert.throws(() => setUp({ timeoutMs }), RangeError);
});

test("an option that is not as described is refused when the receiver is made", () => {
  const wrong: Record<string, unknown>[] = [{ key: "" }, { key: 7 }, { path: "" }, { clock: 1 }, { observer: {} }, {
    keys: "x",
  }];
  for (const options of [...wrong, { timeoutMs: "5" }, { backend: undefined }]) {
    assert.throws(() => setUp(options as Partial<SlackReceiverOptions>), TypeError, JSON.stringify(options));
  }
});

test("no answer and no report shows the secret or the payload", async () => {
  const { reports, post } = setUp();
  for (
    const request of [{}, { secret: "x" }, { body: "river" }, { body: { type: "river" } }, {
      body: "river".repeat(MIB),
    }]
  ) {
    const answer = await post(request);
    const shown = await answer.text() + JSON.stringify([...answer.headers]) + JSON.stringify(reports.at(-1));
    assert.ok(!shown.includes(SECRET) && !shown.includes("river"), shown);
  }
});
