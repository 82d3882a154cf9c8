import assert from "node:assert/strict";
import { test } from "node:test";
import { PublishError } from "../../../core/errors.ts";
import type { PublishReceipt } from "../../../core/protocol.ts";
import { slackRequest, type SlackRequestOptions } from "../../../cli/sign.ts";
import { StubBackend } from "../../doubles/stub_backend.ts";
import { ANOTHER_SECRET, MENTION, MENTION_ID, MIB, SECRET, setUp, URL_OF_EVENTS } from "./support/webhook.ts";

test("createSlackReceiver publishes an event whole under its id, then answers 200", async () => {
  const { backend, receiver, reports, post } = setUp();
  const answer = await post();
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), "");
  const [published] = backend.published;
  assert.equal(published?.key, "slack_events");
  assert.deepEqual(published.payload, MENTION);
  assert.equal(published.options.id, MENTION_ID);
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

test("createSlackReceiver uses the key and the path it is given", async () => {
  const { backend, receiver } = setUp({ key: "bots", path: "/hooks/slack" });
  const send = async (url: string) => await receiver.fetch(await slackRequest(url, { secret: SECRET, body: MENTION }));
  assert.equal((await send("https://bot.example/hooks/slack?x=1")).status, 200);
  assert.equal(backend.published[0]?.key, "bots");
  assert.equal((await send(URL_OF_EVENTS)).status, 404);
});

test("createSlackReceiver answers 200 only after the queue has confirmed", async () => {
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

test("createSlackReceiver counts an event that comes again as a duplicate", async () => {
  const { receiver, reports, post } = setUp({}, new StubBackend(() => ({ id: "x", outcome: "duplicate" })));
  const headers = { "x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout" };
  assert.equal((await post({ headers })).status, 200);
  assert.equal(receiver.stats.duplicate, 1);
  assert.equal(receiver.stats.accepted, 0);
  assert.equal(reports[0]?.retryNum, "1");
  assert.equal(reports[0]?.retryReason, "http_timeout");
});

test("createSlackReceiver publishes a first delivery that is called a retry", async () => {
  const { backend, post } = setUp();
  assert.equal((await post({ headers: { "x-slack-retry-num": "2" } })).status, 200);
  assert.equal(backend.published.length, 1);
});

test("createSlackReceiver answers the handshake with its challenge when signed", async () => {
  const { backend, receiver, post } = setUp();
  const body = {
    token: "t",
    challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    type: "url_verification",
  };
  const answer = await post({ body });
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { challenge: body.challenge });
  assert.equal((await post({ body, secret: ANOTHER_SECRET })).status, 401);
  assert.equal((await post({ body: { type: "url_verification" } })).status, 400);
  assert.equal(receiver.stats.challenged, 1);
  assert.equal(backend.published.length, 0);
});

test("createSlackReceiver counts app_rate_limited and publishes nothing", async () => {
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

test("createSlackReceiver answers 401 to requests that Slack did not sign", async () => {
  const { backend, receiver, reports, post } = setUp();
  const now = Math.floor(Date.now() / 1000);
  const problems: [Partial<SlackRequestOptions>, string][] = [
    [{ secret: ANOTHER_SECRET }, "forged"],
    [{ headers: { "x-slack-signature": "v0=nonsense" } }, "forged"],
    [{ headers: { "x-slack-signature": "" } }, "missing"],
    [{ headers: { "x-slack-request-timestamp": "" } }, "missing"],
    [{ timestamp: "soon" }, "timestamp"],
    [{ timestamp: now - 310 }, "stale"],
    [{ timestamp: now + 310 }, "stale"],
    [{ body: "not JSON", secret: ANOTHER_SECRET }, "forged"],
    [
      { body: "a=b", secret: ANOTHER_SECRET, headers: { "content-type": "application/x-www-form-urlencoded" } },
      "forged",
    ],
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

test("createSlackReceiver answers 401 to a body that was changed on its way", async () => {
  const { backend, receiver } = setUp();
  const signed = await slackRequest(URL_OF_EVENTS, { secret: SECRET, body: MENTION });
  const body = (await signed.text()).replace("river", "brook");
  const answer = await receiver.fetch(new Request(URL_OF_EVENTS, { method: "POST", headers: signed.headers, body }));
  assert.equal(answer.status, 401);
  assert.equal(backend.published.length, 0);
});

test("createSlackReceiver takes both secrets during a rotation", async () => {
  const { post } = setUp({ signingSecret: [ANOTHER_SECRET, SECRET] });
  assert.equal((await post()).status, 200);
  assert.equal((await post({ secret: ANOTHER_SECRET })).status, 200);
  assert.equal((await post({ secret: "a third" })).status, 401);
});

test("createSlackReceiver answers 400 without retry to signed bodies that are no event", async () => {
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

test("createSlackReceiver answers 400 to bytes that are not UTF-8", async () => {
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
  assert.equal(
    (await receiver.fetch(new Request(URL_OF_EVENTS, { method: "POST", headers, body: bytes }))).status,
    400,
  );
});

test("createSlackReceiver answers 415 to a form, and says why", async () => {
  const { backend, receiver, post } = setUp();
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const answer = await post({ body: "payload=%7B%22type%22%3A%22block_actions%22%7D", headers });
  assert.equal(answer.status, 415);
  assert.equal(answer.headers.get("x-slack-no-retry"), "1");
  assert.match(await answer.text(), /interactivity and slash commands/);
  assert.equal(receiver.stats.unsupported, 1);
  assert.equal(backend.published.length, 0);
});

test("createSlackReceiver answers 405 to another method, 404 to another path", async () => {
  const { backend, receiver } = setUp();
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const answer = await receiver.fetch(new Request(URL_OF_EVENTS, { method }));
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

test("createSlackReceiver answers 503 when the queue refuses for now", async () => {
  const refused = new PublishError("queue-full", "the queue is full");
  const { receiver, reports, post } = setUp({}, new StubBackend(() => Promise.reject(refused)));
  const answer = await post();
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get("x-slack-no-retry"), null);
  assert.equal(receiver.stats.unconfirmed, 1);
  assert.equal(reports[0]?.error, refused);
});

test("createSlackReceiver publishes a __proto__ key as it was sent", async () => {
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

test("createSlackReceiver ignores an observer that throws or rejects", async () => {
  const failing = [
    () => {
      throw new Error("the log is full");
    },
    () => Promise.reject(new Error("the log is full")),
    async () => {
      await Promise.resolve();
      throw new Error("the log is full");
    },
    // deno-lint-ignore no-explicit-any -- a promise of another library
    (): any => ({ then: (_resolve: unknown, reject: (error: Error) => void) => reject(new Error("the log is full")) }),
  ];
  for (const observer of failing) {
    const { post } = setUp({ observer });
    assert.equal((await post()).status, 200);
  }
  // A rejection that nobody handles would end the process, or fail this test, in the next turns.
  await new Promise((resolve) => setTimeout(resolve));
});

test("SlackReceiver.fetch needs no this, and stats are a copy", async () => {
  const { receiver } = setUp();
  const { fetch, stats } = receiver;
  await fetch(new Request("https://bot.example/"));
  assert.equal(stats.notFound, 0);
  assert.equal(receiver.stats.notFound, 1);
});

test("createSlackReceiver shows no secret and no payload in responses and reports", async () => {
  const { reports, post } = setUp();
  for (
    const request of [{}, { secret: ANOTHER_SECRET }, { body: "river" }, { body: { type: "river" } }, {
      body: "river".repeat(MIB),
    }]
  ) {
    const answer = await post(request);
    const shown = await answer.text() + JSON.stringify([...answer.headers]) + JSON.stringify(reports.at(-1));
    assert.ok(!shown.includes(SECRET) && !shown.includes("river"), shown);
  }
});
