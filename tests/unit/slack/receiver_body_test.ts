import assert from "node:assert/strict";
import { test } from "node:test";
import { slackRequest } from "../../../cli/sign.ts";
import { readBody } from "../../../slack/body.ts";
import { HandClock } from "../../doubles/hand_clock.ts";
import { MENTION, MIB, plausibleHeaders, postStream, SECRET, setUp, URL_OF_EVENTS } from "./support/webhook.ts";

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

for (
  const [what, headers] of [
    ["without Content-Length", {}],
    ["with a Content-Length that lies", { "content-length": "10" }],
    ["with a Content-Length that is no number", { "content-length": "many" }],
  ] as [string, Record<string, string>][]
) {
  test(`createSlackReceiver answers 413 to a body over 1 MiB ${what}`, async () => {
    const { receiver } = setUp();
    const body = endlessBody(64 * MIB);
    const answer = await receiver.fetch(postStream(body.stream, { ...plausibleHeaders(), ...headers }));
    assert.equal(answer.status, 413);
    assert.equal(answer.headers.get("x-slack-no-retry"), "1");
    assert.ok(body.read() <= MIB + 4 * 65_536, `${body.read()} bytes were read`);
    await body.cancelled;
    assert.equal(receiver.stats.tooLarge, 1);
  });
}

test("createSlackReceiver answers 413 to a large Content-Length before it reads", async () => {
  const { receiver } = setUp();
  const body = endlessBody(64 * MIB);
  const answer = await receiver.fetch(postStream(body.stream, { "content-length": `${MIB + 1}` }));
  assert.equal(answer.status, 413);
  assert.ok(body.read() <= 65_536, `${body.read()} bytes were read`);
});

test("createSlackReceiver reads exactly 1 MiB and not a byte more", async () => {
  const { post, backend } = setUp();
  const padded = (bytes: number) => {
    const empty = JSON.stringify({ ...MENTION, padding: "" });
    return JSON.stringify({ ...MENTION, padding: "x".repeat(bytes - new TextEncoder().encode(empty).length) });
  };
  assert.equal((await post({ body: padded(MIB) })).status, 200);
  assert.equal(backend.published.length, 1);
  assert.equal((await post({ body: padded(MIB + 1) })).status, 413);
});

test("createSlackReceiver puts a body of many pieces together", async () => {
  const { backend, receiver } = setUp();
  const signed = await slackRequest(URL_OF_EVENTS, { secret: SECRET, body: MENTION });
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

test("createSlackReceiver answers 503 slowBody when the body does not come in time", async () => {
  const clock = new HandClock();
  const cancelled = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    pull: () => (asked.resolve(), new Promise<void>(() => undefined)),
    cancel: () => cancelled.resolve(),
  });
  const { backend, receiver, reports } = setUp({ clock });
  const answer = receiver.fetch(postStream(body, plausibleHeaders(clock.now())));
  await asked.promise;
  await clock.advance(2_500);
  assert.equal((await answer).status, 503);
  assert.equal((await answer).headers.get("x-slack-no-retry"), null);
  await cancelled.promise;
  const { slowBody, unconfirmed } = receiver.stats;
  assert.deepEqual({ slowBody, unconfirmed, published: backend.published.length }, {
    slowBody: 1,
    unconfirmed: 0,
    published: 0,
  });
  assert.equal(reports[0]?.outcome, "slowBody");
  const health = await receiver.fetch(new Request("https://bot.example/health"));
  assert.equal(health.status, 200, "a slow sender says nothing of the queue");
});

test("createSlackReceiver counts a body that comes after the time is up as slowBody", async () => {
  const clock = new HandClock();
  const { backend, receiver } = setUp({ clock });
  const timestamp = Math.floor(clock.now() / 1000);
  const signed = await slackRequest(URL_OF_EVENTS, { secret: SECRET, body: MENTION, timestamp });
  const bytes = new Uint8Array(await signed.arrayBuffer());
  // The clock shows that the time is up before the timer has fired.
  const late = { ...clock, now: () => clock.now(), monotonic: () => time, setTimeout: () => 0, clearTimeout() {} };
  let time = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      time = 2_500;
      controller.enqueue(bytes);
      controller.close();
    },
  }, { highWaterMark: 0 });
  const { receiver: webhook } = setUp({ clock: late }, backend);
  assert.equal((await webhook.fetch(postStream(stream, Object.fromEntries(signed.headers)))).status, 503);
  assert.equal(webhook.stats.slowBody, 1);
  assert.equal(receiver.stats.slowBody, 0);
  assert.equal(backend.published.length, 0);
});

test("createSlackReceiver answers 503 brokenBody when the body breaks off", async () => {
  const { backend, receiver, reports } = setUp();
  const reset = new Error("connection reset");
  const stream = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(reset) });
  const answer = await receiver.fetch(postStream(stream, plausibleHeaders()));
  assert.equal(answer.status, 503);
  assert.equal(receiver.stats.brokenBody, 1);
  assert.equal(receiver.stats.unconfirmed, 0);
  assert.equal(reports[0]?.error, reset);
  assert.equal(backend.published.length, 0);
});

for (
  const [what, headers] of [
    ["missing", {}],
    ["without a timestamp", { "x-slack-signature": `v0=${"a".repeat(64)}` }],
    ["with a timestamp that is no number", { ...plausibleHeaders(), "x-slack-request-timestamp": "soon" }],
    ["that are stale", plausibleHeaders(Date.now() - 600_000)],
    ["from the future", plausibleHeaders(Date.now() + 600_000)],
    ["with a signature of another version", { ...plausibleHeaders(), "x-slack-signature": `v1=${"a".repeat(64)}` }],
    ["with a signature that is too short", { ...plausibleHeaders(), "x-slack-signature": "v0=abc" }],
  ] as [string, Record<string, string>][]
) {
  test(`createSlackReceiver answers 401 before it reads a body, headers ${what}`, async () => {
    const { receiver } = setUp();
    const body = endlessBody(64 * MIB);
    const answer = await receiver.fetch(postStream(body.stream, headers));
    assert.equal(answer.status, 401);
    assert.ok(body.read() <= 65_536, `${body.read()} bytes were read`);
    await body.cancelled;
    assert.equal(receiver.stats.unauthorized, 1);
  });
}

test("readBody copies each chunk when it arrives and keeps none", async () => {
  const shared = new Uint8Array(65_536); // overwritten for each chunk: a chunk that is kept shows the last byte
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent === 40_000) return controller.close();
      shared[0] = sent++ % 251;
      controller.enqueue(shared.subarray(0, 1));
    },
  }, { highWaterMark: 0 });
  const read = await readBody(postStream(stream), MIB, new AbortController().signal);
  assert.ok(read);
  assert.equal(read.byteLength, 40_000);
  assert.ok(read.every((byte, index) => byte === index % 251));
  assert.ok(read.buffer.byteLength <= 2 * 40_000, `${read.buffer.byteLength} bytes are held`);
});

test("readBody reads a byte stream into one buffer", async () => {
  const text = "x".repeat(200_000);
  const request = new Request(URL_OF_EVENTS, { method: "POST", body: text });
  const read = await readBody(request, MIB, new AbortController().signal);
  assert.ok(read);
  assert.equal(new TextDecoder().decode(read), text);
});

test("readBody rejects with the signal's reason, also when the body ends at once", async () => {
  const reason = new Error("given up");
  const request = new Request(URL_OF_EVENTS, { method: "POST", body: "x" });
  await assert.rejects(readBody(request, MIB, AbortSignal.abort(reason)), reason);
});

test("createSlackReceiver answers before it cancels the rest of a body", async () => {
  // Deno holds back the response of a request whose body was cancelled before, for as long as the sender goes on.
  const clock = new HandClock();
  const order: string[] = [];
  const cancelled = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    pull: () => (asked.resolve(), new Promise<void>(() => undefined)),
    cancel: () => (order.push("cancelled"), cancelled.resolve()),
  });
  const { receiver } = setUp({ clock });
  const answer = receiver.fetch(postStream(body, plausibleHeaders(clock.now()))).then(() => order.push("answered"));
  await asked.promise;
  await clock.advance(2_500);
  await Promise.all([answer, cancelled.promise]);
  assert.deepEqual(order, ["answered", "cancelled"]);
});
