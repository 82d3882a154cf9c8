import { test } from "node:test";
import assert from "node:assert/strict";
import type { PublishError } from "../../../../core/errors.ts";
import type { BackendOptions } from "../../../../core/context.ts";
import { PublishingBackend } from "../../../../core/publishing_backend.ts";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { failure, hang, type Script, ScriptedDriver } from "../../../doubles/scripted_driver.ts";

/** A backend that only publishes: each publish travels by itself. */
function setUp(script: Script = {}, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  return { driver, clock, backend: new PublishingBackend(driver, { clock, random: () => 0.5, ...options }) };
}

async function rejected(promise: Promise<unknown>): Promise<PublishError> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}

function codes(error: PublishError): string[] {
  return error.outcomes!.map((one) => "code" in one ? one.code : one.outcome);
}

function payloads(count: number): { payload: { n: number } }[] {
  return Array.from({ length: count }, (_, n) => ({ payload: { n } }));
}

test("UnbatchedSender sends publishes of one turn apart, and leaves nothing behind", async () => {
  const { backend, driver, clock } = setUp({
    send: (messages) => messages[0]!.payload.n === 0 ? hang() : messages.map(() => ({ outcome: "added" })),
  });
  const { signal, listeners } = countedSignal();
  const stuck = rejected(backend.publish("k", { n: 0 }, { timeoutMs: 1_000 }));
  assert.equal((await backend.publish("k", { n: 1 }, { signal })).outcome, "added");
  assert.deepEqual(driver.bodies, [[`{"n":0}`], [`{"n":1}`]]);
  assert.deepEqual([listeners(), clock.waits()], [0, [1_000]]);
  await clock.advance(1_000);
  await stuck;
  assert.deepEqual(clock.waits(), []);
});

test("UnbatchedSender splits a batch by the driver's limits, in order, in UTF-8 bytes", async () => {
  const { backend, driver } = setUp({ maxBatchMessages: 3, maxBatchBytes: 30 });
  // {"s":"ü"} has 9 units and 10 bytes.
  const texts = ["ü", "ü", "ü", "ü", "x".repeat(50), "ü", "u", "u", "u"];
  const receipts = await backend.publishBatch("k", texts.map((s) => ({ payload: { s } })));
  assert.deepEqual(driver.bodies.map((batch) => batch.length), [3, 1, 1, 3, 1]);
  assert.deepEqual(driver.bodies.flat(), texts.map((s) => JSON.stringify({ s })));
  assert.equal(new Set(receipts.map(({ id }) => id)).size, texts.length);
});

test("UnbatchedSender retries transient failures, and reports them at the deadline", async () => {
  const { backend, driver, clock } = setUp({ send: () => Promise.reject(failure("connection", "refused")) });
  const publishing = rejected(backend.publish("k", {}, { timeoutMs: 200, id: "a" }));
  await clock.advance(200);
  const error = await publishing;
  assert.deepEqual([error.name, error.code, error.id, driver.sent.length], ["PublishError", "connection", "a", 3]);
  assert.match(error.message, /refused$/);
  assert.deepEqual(clock.waits(), []);
});

test("UnbatchedSender rejects as unknown-outcome and aborts the driver at the deadline", async () => {
  let aborted = false;
  const { backend, clock } = setUp({
    send: (_messages, signal) => {
      signal.addEventListener("abort", () => aborted = true);
      return hang();
    },
  });
  const publishing = rejected(backend.publish("k", {}, { timeoutMs: 1_000, id: "a" }));
  await clock.advance(1_000);
  const error = await publishing;
  assert.deepEqual([error.name, error.code, error.id, aborted], ["PublishError", "unknown-outcome", "a", true]);
});

test("UnbatchedSender repeats after a lost reply only with dedup, and stays in doubt", async () => {
  const send: Script["send"] = (_messages, _signal, call) =>
    Promise.reject(failure(call === 1 ? "unknown-outcome" : "connection"));
  for (const [dedup, sends] of [[true, 3], [false, 1]] as const) {
    const { backend, driver, clock } = setUp({ capabilities: { dedup }, send }, { maxRetries: 2 });
    const publishing = rejected(backend.publish("k", {}));
    await clock.advance(1_000);
    assert.deepEqual([(await publishing).code, driver.sent.length], ["unknown-outcome", sends]);
  }
});

test("UnbatchedSender rejects with the abort reason between attempts, else in doubt", async () => {
  const reason = new Error("enough");
  for (const lost of [false, true]) {
    const { controller, signal, listeners } = countedSignal();
    const { backend, driver, clock } = setUp({ send: () => lost ? hang() : Promise.reject(failure("connection")) });
    const publishing = rejected(backend.publish("k", {}, { signal }));
    await turn();
    controller.abort(reason);
    const error = await publishing;
    if (lost) assert.deepEqual([error.code, error.cause], ["unknown-outcome", reason]);
    else assert.equal(error, reason);
    assert.deepEqual([listeners(), clock.waits(), driver.sent.length], [0, [], 1]);
  }
});

test("UnbatchedSender tells sent, doubtful and unsent messages apart at a deadline", async () => {
  const { backend, clock, driver } = setUp({
    maxBatchMessages: 2,
    send: (messages, _signal, call) => call === 1 ? messages.map(() => ({ outcome: "added" })) : hang(),
  });
  const publishing = rejected(backend.publishBatch("k", payloads(6), { timeoutMs: 1_000 }));
  await clock.advance(1_000);
  const error = await publishing;
  assert.equal(error.code, "unknown-outcome");
  assert.deepEqual(codes(error), ["added", "added", "unknown-outcome", "unknown-outcome", "timeout", "timeout"]);
  assert.equal(driver.sent.length, 2);
});

test("UnbatchedSender waits on close, then rejects what is in flight or never left", async () => {
  const { backend, clock } = setUp({
    send: (messages) => messages[0]!.payload.n === 0 ? hang() : Promise.reject(failure("connection")),
  }, { closeDeadlineMs: 1_000, retryDelayMs: 60_000, timeoutMs: 60_000 });
  const flying = rejected(backend.publish("k", { n: 0 }));
  const waiting = rejected(backend.publish("k", { n: 1 }));
  await turn();
  const closing = backend.close();
  await clock.advance(1_000);
  await closing;
  assert.equal((await flying).code, "unknown-outcome");
  assert.equal((await waiting).code, "closed");
  assert.equal((await rejected(backend.publish("k", {}))).code, "closed");
  assert.deepEqual(clock.waits(), []);
});

test("PublishingBackend refuses receive, consume, depth and dead letters", async () => {
  const { backend } = setUp();
  assert.throws(() => backend.receive("k"), { code: "unsupported" });
  assert.throws(() => backend.consume("k"), { code: "unsupported" });
  await assert.rejects(backend.depth("k"), { code: "unsupported" });
  await assert.rejects(backend.deadLetters.replay("k"), { code: "unsupported" });
});
