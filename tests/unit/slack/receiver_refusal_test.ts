import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBackend } from "../../../backends/memory/mod.ts";
import { ConfigError, type ErrorCode, PublishError, QueueError } from "../../../core/errors.ts";
import type { RefusedSlackEvent } from "../../../slack/mod.ts";
import { slackRequest } from "../../../cli/sign.ts";
import { HandClock } from "../../doubles/hand_clock.ts";
import { StubBackend } from "../../doubles/stub_backend.ts";
import { MENTION, MENTION_ID, SECRET, setUp, URL_OF_EVENTS } from "./support/webhook.ts";

const refusing = (error: unknown) => new StubBackend(() => Promise.reject(error));
const hostile = (text: string) => JSON.stringify(MENTION).replace('"event":{', `"event":{"extra":${text},`);

for (const code of ["too-large", "unsupported", "malformed", "permanent"] as ErrorCode[]) {
  test(`createSlackReceiver answers "${code}" once, without retry`, async () => {
    const error = new PublishError(code, "never");
    const { receiver, reports, post } = setUp({}, refusing(error));
    const answer = await post();
    assert.equal(answer.status, 422);
    assert.equal(answer.headers.get("x-slack-no-retry"), "1");
    const { refused, unconfirmed } = receiver.stats;
    assert.deepEqual({ refused, unconfirmed }, { refused: 1, unconfirmed: 0 });
    const { outcome, eventId, eventType, teamId, appId } = reports[0]!;
    assert.deepEqual({ outcome, eventId, eventType, teamId, appId, error: reports[0]!.error }, {
      outcome: "refused",
      eventId: "Ev0PV52K25",
      eventType: "app_mention",
      teamId: "T061EG9R6",
      appId: "A0FFV41KK",
      error,
    });
  });
}

const passing: ErrorCode[] = [
  "connection",
  "timeout",
  "unknown-outcome",
  "unavailable",
  "rate-limited",
  "queue-full",
  "unauthorized",
  "not-found",
  "invalid",
  "closed",
  "internal",
];
test("createSlackReceiver answers 503 to every refusal that may pass or be repaired", async () => {
  const errors = [
    ...passing.map((code) => new QueueError(code, "not now")),
    new ConfigError("no queue is bound"),
    new TypeError("fetch failed"), // what fetch throws when the network fails
    new Error("unknown"),
    "text",
    undefined,
  ];
  for (const error of errors) {
    const { receiver, post } = setUp({ onRefused: () => assert.fail("not refused for good") }, refusing(error));
    const answer = await post();
    assert.equal(answer.status, 503, String(error));
    assert.equal(answer.headers.get("x-slack-no-retry"), null);
    assert.equal(receiver.stats.unconfirmed, 1);
  }
});

const depth = 1_200;
for (
  const [what, body] of [
    ["a number that JSON cannot carry", hostile("1e400")],
    ["a negative one", hostile("[-1e999]")],
    ["a payload nested too deep", hostile("[".repeat(depth) + "]".repeat(depth))],
  ] as const
) {
  test(`createSlackReceiver refuses ${what} once, on a real backend`, async () => {
    await using backend = new MemoryBackend();
    const { receiver } = setUp({ backend });
    const answer = await receiver.fetch(await slackRequest(URL_OF_EVENTS, { secret: SECRET, body }));
    assert.equal(answer.status, 422);
    assert.equal(answer.headers.get("x-slack-no-retry"), "1");
    assert.equal(receiver.stats.refused, 1);
    assert.equal((await receiver.fetch(new Request("https://bot.example/health"))).status, 200, "the queue is well");
  });
}

test("createSlackReceiver refuses a payload over the backend's size once", async () => {
  await using backend = new MemoryBackend({ maxPayloadBytes: 1_000 });
  const { receiver, post } = setUp({ backend });
  assert.equal((await post({ body: { ...MENTION, padding: "x".repeat(2_000) } })).status, 422);
  assert.equal(receiver.stats.refused, 1);
});

test("SlackReceiverOptions.onRefused takes the event, and Slack is answered 200", async () => {
  const taken: RefusedSlackEvent[] = [];
  const error = new RangeError("payload must be at most 128000 bytes");
  const onRefused = async (event: RefusedSlackEvent) => {
    await Promise.resolve();
    taken.push(event);
  };
  const { receiver, reports, post } = setUp({ onRefused }, refusing(error));
  const answer = await post();
  assert.equal(answer.status, 200);
  assert.deepEqual(taken, [{ key: "slack_events", id: MENTION_ID, payload: MENTION, error }]);
  assert.equal(receiver.stats.setAside, 1);
  assert.equal(receiver.stats.refused, 0);
  assert.equal(reports[0]?.outcome, "setAside");
  assert.equal(reports[0]?.error, error);
});

test("SlackReceiverOptions.onRefused that fails makes Slack send the event again", async () => {
  const broken = new Error("the disk is full");
  for (const onRefused of [() => Promise.reject(broken), () => assert.fail(broken)]) {
    const { receiver, reports, post } = setUp({ onRefused }, refusing(new QueueError("too-large", "too large")));
    const answer = await post();
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("x-slack-no-retry"), null);
    assert.equal(receiver.stats.unconfirmed, 1);
    assert.equal(reports[0]?.error, broken);
  }
});

test("SlackReceiverOptions.onRefused that hangs is given up in time", async () => {
  const clock = new HandClock();
  const asked = Promise.withResolvers<void>();
  const onRefused = () => (asked.resolve(), new Promise<void>(() => undefined));
  const { receiver, post } = setUp({ clock, onRefused }, refusing(new QueueError("too-large", "too large")));
  const answer = post({ timestamp: Math.floor(clock.now() / 1000) });
  await asked.promise;
  await clock.advance(2_500);
  assert.equal((await answer).status, 503);
  assert.equal(receiver.stats.unconfirmed, 1);
});
