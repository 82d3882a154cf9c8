import { test } from "node:test";
import assert from "node:assert/strict";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { turn } from "../../../doubles/hand_clock.ts";
import { failure, hang } from "../../../doubles/scripted_driver.ts";
import { ADDED, payloads, rejected, setUp } from "./support/scripted_publishes.ts";

test("PublishBatcher sends publishes of one turn as one batch, in the order of calls", async () => {
  const { backend, driver } = setUp();
  await Promise.all(Array.from({ length: 1_000 }, (_, n) => backend.publish("k", { n })));
  assert.equal(driver.sent.length, 1);
  assert.deepEqual(driver.sent[0]!.map(({ payload }) => payload.n), Array.from({ length: 1_000 }, (_, n) => n));
});

test("PublishBatcher sends one batch at a time, and gathers the next meanwhile", async () => {
  const confirm: (() => void)[] = [];
  const { backend, driver } = setUp({
    send: async (messages) => {
      await new Promise<void>((resolve) => confirm.push(resolve));
      return messages.map(() => ADDED);
    },
  });
  const first = backend.publish("k", { n: 0 });
  await turn();
  const later = [1, 2, 3].map((n) => backend.publish("k", { n }));
  const elsewhere = backend.publish("other", { n: 9 });
  await turn();
  assert.deepEqual(driver.bodies, [[`{"n":0}`], [`{"n":9}`]]); // a key does not wait for another
  confirm.forEach((one) => one());
  await Promise.all([first, elsewhere]);
  await turn();
  assert.deepEqual(driver.bodies[2], [`{"n":1}`, `{"n":2}`, `{"n":3}`]);
  confirm[2]!();
  await Promise.all(later);
});

test("PublishBatcher splits a batch that is longer than the driver accepts, in order", async () => {
  const { backend, driver } = setUp({ maxBatchMessages: 3 });
  const receipts = await Promise.all([backend.publishBatch("k", payloads(7)), backend.publish("k", { n: 7 })]);
  assert.deepEqual(driver.bodies.map((batch) => batch.length), [3, 3, 2]);
  assert.deepEqual(driver.bodies.flat(), Array.from({ length: 8 }, (_, n) => `{"n":${n}}`));
  assert.equal(receipts[0].length, 7);
  assert.equal(new Set([...receipts[0], receipts[1]].map(({ id }) => id)).size, 8);
});

test("PublishBatcher limits a batch by UTF-8 bytes, and sends a larger message alone", async () => {
  const { backend, driver } = setUp({ maxBatchBytes: 30 });
  // {"s":"ü"} has 9 units and 10 bytes.
  const texts = ["ü", "ü", "ü", "ü", "x".repeat(50), "ü"];
  await backend.publishBatch("k", texts.map((s) => ({ payload: { s } })));
  assert.deepEqual(driver.bodies.map((batch) => batch.length), [3, 1, 1, 1]);
});

test("PublishBatcher lets a payload be changed after publish was called", async () => {
  const { backend, driver } = setUp();
  const payload = { n: 1, list: [1] };
  const headers: Record<string, string> = { h: "1" };
  const published = backend.publish("k", payload, { headers });
  payload.n = 2;
  payload.list.push(2);
  headers.h = "2";
  await published;
  assert.deepEqual(driver.bodies, [[`{"n":1,"list":[1]}`]]);
  assert.deepEqual(driver.sent[0]![0]!.headers, { h: "1" });
});

test("PublishBatcher retries transient failures with growing waits, maxRetries times", async () => {
  const { backend, driver, clock } = setUp({ send: () => Promise.reject(failure("unavailable", "loading")) });
  const publishing = rejected(backend.publish("k", {}, { timeoutMs: 60_000 }));
  const waits: number[] = [];
  for (let i = 0; i < 3; i++) {
    await turn();
    waits.push(clock.waits()[0]!);
    await clock.advance(waits[i]!);
  }
  const error = await publishing;
  assert.deepEqual([error.name, error.code, error.retryable], ["PublishError", "unavailable", true]);
  assert.deepEqual([waits, driver.sent.length], [[50, 100, 200], 4]);
  assert.deepEqual(clock.waits(), []);
});

test("PublishBatcher waits as long as the broker asks, and ignores what is no number", async () => {
  for (const [retryAfterMs, wait] of [[2_000, 2_000], [NaN, 50], [-5, 50], [undefined, 50], [1, 50]] as const) {
    const { backend, clock, driver } = setUp({
      send: (messages, _signal, call) =>
        call === 1 ? Promise.reject(failure("rate-limited", "slow", { retryAfterMs })) : messages.map(() => ADDED),
    });
    const publishing = backend.publish("k", {});
    await turn();
    assert.equal(clock.waits()[0], wait);
    await clock.advance(wait);
    await publishing;
    assert.equal(driver.sent.length, 2);
  }
});

test("PublishBatcher rejects a refusal for good at once", async () => {
  const { backend, driver } = setUp({ send: () => Promise.reject(failure("unauthorized")) });
  const error = await rejected(backend.publish("k", {}, { id: "mine" }));
  assert.deepEqual([error.code, error.key, error.id, error.backend], ["unauthorized", "k", "mine", "scripted"]);
  assert.equal(driver.sent.length, 1);
});

test("PublishBatcher repeats a batch with its ids after a lost reply, with dedup", async () => {
  const { backend, driver, clock } = setUp({
    send: (messages, _signal, call) =>
      call === 1 ? Promise.reject(failure("unknown-outcome")) : messages.map(() => ADDED),
  });
  const publishing = Promise.all([backend.publish("k", { n: 0 }), backend.publish("k", { n: 1 }, { id: "mine" })]);
  await turn();
  const later = backend.publish("k", { n: 2 });
  await clock.advance(50);
  const receipts = await publishing;
  await later;
  assert.deepEqual(driver.bodies, [[`{"n":0}`, `{"n":1}`], [`{"n":0}`, `{"n":1}`], [`{"n":2}`]]);
  assert.deepEqual(driver.sent[0]!.map(({ id }) => id), driver.sent[1]!.map(({ id }) => id));
  assert.deepEqual(receipts.map(({ id }) => id), driver.sent[0]!.map(({ id }) => id));
});

test("PublishBatcher does not repeat a batch after a lost reply without dedup", async () => {
  const { backend, driver } = setUp({
    capabilities: { dedup: false },
    send: () => Promise.reject(failure("unknown-outcome", "the connection broke")),
  });
  const error = await rejected(backend.publish("k", {}));
  assert.deepEqual([error.code, error.retryable, driver.sent.length], ["unknown-outcome", false, 1]);
});

test("PublishBatcher stays in doubt after a lost reply and an attempt that never left", async () => {
  const { backend, clock } = setUp({
    send: (_messages, _signal, call) => Promise.reject(failure(call === 1 ? "unknown-outcome" : "connection")),
  }, { maxRetries: 2 });
  const publishing = rejected(backend.publish("k", {}));
  await clock.advance(1_000);
  assert.equal((await publishing).code, "unknown-outcome");
});

test("PublishBatcher rejects queued publishes as timeout, sent ones as unknown-outcome", async () => {
  const { backend, driver, clock } = setUp({ send: hang });
  const flying = rejected(backend.publish("k", { n: 0 }, { timeoutMs: 2_000, id: "a" }));
  await turn();
  const queued = rejected(backend.publish("k", { n: 1 }, { timeoutMs: 1_000, id: "b" }));
  await clock.advance(1_000);
  const timeout = await queued;
  assert.deepEqual([timeout.name, timeout.code, timeout.id, timeout.retryable], ["PublishError", "timeout", "b", true]);
  await clock.advance(1_000);
  const unknown = await flying;
  assert.deepEqual([unknown.name, unknown.code, unknown.id], ["PublishError", "unknown-outcome", "a"]);
  assert.deepEqual(driver.bodies, [[`{"n":0}`]]); // the one that ran out of time is not sent later
  assert.deepEqual(clock.waits(), []);
});

test("PublishBatcher reports the last failure at a deadline between two attempts", async () => {
  const { backend, clock } = setUp({ send: () => Promise.reject(failure("connection", "refused")) }, {
    retryDelayMs: 10_000,
  });
  const publishing = rejected(backend.publish("k", {}, { timeoutMs: 1_000 }));
  await clock.advance(1_000);
  const error = await publishing;
  assert.deepEqual([error.code, error.message], ["connection", 'Cannot publish to "k" on scripted: refused']);
  assert.deepEqual(clock.waits(), []);
});

test("PublishBatcher ends each publish at its own deadline, without those beside it", async () => {
  let confirm = () => {};
  const { backend, clock } = setUp({
    send: async (messages) => {
      await new Promise<void>((resolve) => confirm = resolve);
      return messages.map(() => ADDED);
    },
  });
  const short = rejected(backend.publish("k", { n: 0 }, { timeoutMs: 1_000 }));
  const long = backend.publish("k", { n: 1 }, { timeoutMs: 9_000 });
  await clock.advance(1_000);
  assert.equal((await short).code, "unknown-outcome");
  assert.deepEqual(clock.waits(), [8_000]);
  confirm();
  assert.equal((await long).outcome, "added");
  assert.deepEqual(clock.waits(), []);
});

test("PublishBatcher aborts a send without callers, and sends the next at once", async () => {
  let aborted = false;
  const { backend, driver, clock } = setUp({
    send: (messages, signal, call) => {
      signal.addEventListener("abort", () => aborted = true);
      return call === 1 ? hang() : messages.map(() => ADDED);
    },
    classify: () => "unknown-outcome", // also of the abort: tried again, it would hold up the next
  }, { retryDelayMs: 10_000 });
  const gone = rejected(backend.publish("k", { n: 0 }, { timeoutMs: 1_000 }));
  await turn();
  const next = backend.publish("k", { n: 1 });
  await clock.advance(1_000);
  await gone;
  assert.equal(aborted, true);
  assert.equal((await next).outcome, "added");
  assert.equal(driver.sent.length, 2);
  assert.deepEqual(clock.waits(), []);
});

test("PublishBatcher rejects with the signal's reason before anything left", async () => {
  const reason = new Error("changed my mind");
  const { backend, driver } = setUp();
  await assert.rejects(backend.publish("k", {}, { signal: AbortSignal.abort(reason) }), reason);
  const { controller, signal, listeners } = countedSignal();
  const gone = backend.publish("k", { n: 0 }, { signal });
  const stays = backend.publish("k", { n: 1 });
  controller.abort(reason);
  await assert.rejects(gone, reason);
  await stays;
  assert.deepEqual(driver.bodies, [[`{"n":1}`]]);
  assert.equal(listeners(), 0);
});

test("PublishBatcher rejects an abort during a send as unknown-outcome with the reason", async () => {
  const { controller, signal, listeners } = countedSignal();
  const reason = new Error("changed my mind");
  const { backend } = setUp({ send: hang });
  const publishing = rejected(backend.publish("k", {}, { signal, id: "a" }));
  await turn();
  controller.abort(reason);
  const error = await publishing;
  assert.deepEqual([error.code, error.id, error.cause], ["unknown-outcome", "a", reason]);
  assert.equal(listeners(), 0);
});

test("PublishBatcher leaves no listener on the signal after success", async () => {
  const { signal, listeners } = countedSignal();
  const { backend, clock } = setUp();
  await backend.publish("k", {}, { signal });
  assert.deepEqual([listeners(), clock.waits()], [0, []]);
});

test("PublishBatcher removes an aborted message, and no other, between two attempts", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const { backend, driver, clock } = setUp({
    send: (messages, _signal, call) => call === 1 ? Promise.reject(failure("connection")) : messages.map(() => ADDED),
  });
  const gone = backend.publish("k", { n: 0 }, { signal: controller.signal });
  const stays = backend.publish("k", { n: 1 });
  await turn();
  controller.abort(reason);
  await assert.rejects(gone, reason);
  await clock.advance(50);
  await stays;
  assert.deepEqual(driver.bodies, [[`{"n":0}`, `{"n":1}`], [`{"n":1}`]]);
});
