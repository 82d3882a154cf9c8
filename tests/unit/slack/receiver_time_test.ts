import assert from "node:assert/strict";
import { test } from "node:test";
import { PublishError } from "../../../core/errors.ts";
import type { PublishReceipt } from "../../../core/protocol.ts";
import { slackRequest } from "../../../cli/sign.ts";
import { StubBackend } from "../../doubles/stub_backend.ts";
import { HandClock } from "../../doubles/hand_clock.ts";
import { ANOTHER_SECRET, MENTION, postStream, SECRET, setUp, URL_OF_EVENTS } from "./support/webhook.ts";

test("createSlackReceiver answers 503 when the queue does not confirm in time", async () => {
  const clock = new HandClock();
  const sent = Promise.withResolvers<AbortSignal>();
  const confirmed = Promise.withResolvers<PublishReceipt>();
  const backend = new StubBackend(({ options }) => (sent.resolve(options.signal!), confirmed.promise));
  const { receiver, reports, post } = setUp({ clock }, backend);
  const answer = post({ timestamp: Math.floor(clock.now() / 1000) });
  const signal = await sent.promise;
  assert.equal(signal.aborted, false);
  await clock.advance(2_500);
  assert.equal((await answer).status, 503);
  assert.equal((await answer).headers.get("x-slack-no-retry"), null);
  assert.equal(signal.aborted, true);
  assert.equal((reports[0]?.error as PublishError).code, "timeout");
  // What comes too late changes nothing.
  confirmed.resolve({ id: "Ev0PV52K25", outcome: "added" });
  await confirmed.promise;
  assert.equal(receiver.stats.accepted, 0);
  assert.equal(receiver.stats.unconfirmed, 1);
  assert.equal(receiver.stats.slowBody, 0);
  assert.equal(reports.length, 1);
});

test("createSlackReceiver gives the queue only the time that reading has left", async () => {
  const clock = new HandClock();
  const { backend, receiver } = setUp({ clock });
  const signed = await slackRequest(URL_OF_EVENTS, {
    secret: SECRET,
    body: MENTION,
    timestamp: Math.floor(clock.now() / 1000),
  });
  const bytes = new Uint8Array(await signed.arrayBuffer());
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await clock.advance(1_000);
      controller.enqueue(bytes);
      controller.close();
    },
  }, { highWaterMark: 0 });
  assert.equal((await receiver.fetch(postStream(stream, Object.fromEntries(signed.headers)))).status, 200);
  assert.equal(backend.published[0]?.options.timeoutMs, 1_500);
});

test("createSlackReceiver leaves no timer behind", async () => {
  const clock = new HandClock();
  const { post } = setUp({ clock });
  await post({ timestamp: Math.floor(clock.now() / 1000) });
  await post({ secret: ANOTHER_SECRET });
  assert.equal(clock.pending, 0);
});

test("createSlackReceiver measures its time by the clock that nobody sets", async () => {
  const clock = new HandClock();
  const { backend, reports, receiver } = setUp({ clock });
  const signed = await slackRequest(URL_OF_EVENTS, {
    secret: SECRET,
    body: MENTION,
    timestamp: Math.floor(clock.now() / 1000),
  });
  const bytes = new Uint8Array(await signed.arrayBuffer());
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      clock.set(-3_600_000);
      controller.enqueue(bytes);
      controller.close();
    },
  }, { highWaterMark: 0 });
  assert.equal((await receiver.fetch(postStream(stream, Object.fromEntries(signed.headers)))).status, 200);
  assert.equal(backend.published[0]?.options.timeoutMs, 2_500);
  assert.equal(reports[0]?.durationMs, 0);
});

test("createSlackReceiver reports the queue's own reason when both run out of time", async () => {
  const clock = new HandClock();
  const sent = Promise.withResolvers<AbortSignal>();
  const refused = new PublishError("connection", "connect ECONNREFUSED 127.0.0.1:6379");
  const backend = new StubBackend(({ options }) =>
    new Promise((_, reject) => {
      // Its time is over at the same moment as the receiver's, and its reason comes a little later.
      clock.setTimeout(() => setTimeout(() => reject(refused), 5), options.timeoutMs!);
      sent.resolve(options.signal!);
    })
  );
  const { reports, post } = setUp({ clock }, backend);
  const response = post({ timestamp: Math.floor(clock.now() / 1000) });
  await sent.promise;
  await clock.advance(2_500);
  assert.equal((await response).status, 503);
  assert.deepEqual([reports[0]?.outcome, reports[0]?.error], ["unconfirmed", refused]);
});
