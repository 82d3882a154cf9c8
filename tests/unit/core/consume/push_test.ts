import { test } from "node:test";
import assert from "node:assert/strict";
import { envelope } from "../../../../core/envelope.ts";
import type { QueueError } from "../../../../core/errors.ts";
import type { FailureCause } from "../../../../core/protocol.ts";
import { pushDelivery, type PushMessage, wholeSeconds } from "../../../../core/consume/push.ts";

interface Pushed extends PushMessage {
  readonly calls: unknown[];
}

function message(body: unknown, attempts = 1): Pushed {
  const calls: unknown[] = [];
  return {
    id: "platform-id",
    timestamp: new Date(1000),
    body,
    attempts,
    calls,
    ack: () => void calls.push("ack"),
    retry: (options) => void calls.push(["retry", options?.delaySeconds]),
  };
}

const signal = new AbortController().signal;

test("pushDelivery takes a plain body as the payload, with id, attempts and time", async () => {
  const delivery = await pushDelivery(message({ a: 1 }, 3), "slack-events", { signal });
  assert.deepEqual(delivery.payload, { a: 1 });
  assert.equal(delivery.id, "platform-id");
  assert.equal(delivery.key, "slack-events");
  assert.equal(delivery.attempts, 3);
  assert.deepEqual(delivery.headers, {});
  assert.deepEqual(delivery.publishedAt, new Date(1000));
  assert.equal(delivery.malformed, false);
});

test("pushDelivery opens an envelope; the key of its options wins", async () => {
  const body = envelope({ payload: { a: 1 } }, { id: "Ev1", headers: { h: "1" }, key: "slack_events" });
  const delivery = await pushDelivery(message(body), "slack-events-dlq", { signal });
  assert.deepEqual([delivery.id, delivery.key, delivery.headers, delivery.payload], [
    "Ev1",
    "slack_events",
    { h: "1" },
    { a: 1 },
  ]);
  assert.equal((await pushDelivery(message(body), "q", { key: "mine", signal })).key, "mine");
});

test("pushDelivery reads text and bytes that are JSON", async () => {
  const bytes = new TextEncoder().encode('{"a":1}');
  for (const body of ['{"a":1}', bytes, bytes.buffer]) {
    const delivery = await pushDelivery(message(body), "q", { signal });
    assert.deepEqual(delivery.payload, { a: 1 });
    assert.equal(delivery.malformed, false);
  }
});

test("pushDelivery gives the sink a body that is no JSON object, whole", async () => {
  for (const body of ["plain text", "[1]", [1], 7, null, new Map()]) {
    const seen: unknown[] = [];
    const pushed = message(body);
    const delivery = await pushDelivery(pushed, "q", {
      signal,
      deadLetter: (_delivery, cause, raw) => Promise.resolve(seen.push(cause.message, raw)),
    });
    assert.equal(delivery.malformed, true);
    assert.deepEqual(delivery.payload, {});
    assert.equal(await delivery.deadLetter(new Error("no object")), true);
    assert.deepEqual(seen, ["no object", body]);
    assert.deepEqual(pushed.calls, ["ack"]);
  }
});

test("pushDelivery counts the first settlement; later ones return its result", async () => {
  const pushed = message({});
  const delivery = await pushDelivery(pushed, "q", { signal });
  assert.ok(!delivery.settlement);
  assert.equal(await delivery.ack(), true);
  assert.deepEqual(delivery.settlement, { kind: "ack" });
  assert.equal(await delivery.retry({ delayMs: 5 }), true);
  assert.equal(await delivery.deadLetter("late"), true);
  assert.equal(await delivery.ack(), true);
  assert.deepEqual(pushed.calls, ["ack"]);
});

test("pushDelivery rounds the delay of a retry up to whole seconds", async () => {
  for (
    const [delayMs, seconds] of [[undefined, 0], [0, 0], [1, 1], [1000, 1], [1000.5, 2], [86_400_000, 86_400]] as const
  ) {
    const pushed = message({});
    await (await pushDelivery(pushed, "q", { signal })).retry({ delayMs });
    assert.deepEqual(pushed.calls, [["retry", seconds]]);
  }
});

test("pushDelivery refuses a delay out of range, and settles nothing", async () => {
  for (const delayMs of [86_400_001, -1, NaN, Infinity]) {
    const pushed = message({});
    const delivery = await pushDelivery(pushed, "q", { signal });
    await assert.rejects(delivery.retry({ delayMs }), RangeError);
    assert.deepEqual([delivery.settlement, pushed.calls], [undefined, []]);
    assert.throws(() => wholeSeconds(delayMs), RangeError);
    assert.equal(await delivery.ack(), true);
  }
});

test("pushDelivery leaves a dead letter to the platform where there is no sink", async () => {
  const pushed = message({});
  assert.equal(await (await pushDelivery(pushed, "q", { signal })).deadLetter(new Error("poison")), true);
  assert.deepEqual(pushed.calls, [["retry", undefined]]);
});

test("pushDelivery acknowledges a dead message only when the sink has it", async () => {
  const pushed = message({ a: 1 });
  let stored: (value: unknown) => void = () => {};
  const causes: FailureCause[] = [];
  const delivery = await pushDelivery(pushed, "q", {
    signal,
    deadLetter: (_delivery, cause) => {
      causes.push(cause);
      return new Promise((resolve) => stored = resolve);
    },
  });
  const settling = delivery.deadLetter(new TypeError("no user"));
  await Promise.resolve();
  assert.deepEqual(pushed.calls, []);
  stored(undefined);
  assert.equal(await settling, true);
  assert.deepEqual(pushed.calls, ["ack"]);
  assert.deepEqual(causes, [{ name: "TypeError", message: "no user" }]);
});

test("pushDelivery keeps a message in its queue when the sink fails", async () => {
  const pushed = message({ a: 1 });
  const delivery = await pushDelivery(pushed, "q", {
    signal,
    deadLetter: () => Promise.reject(new Error("sink is down")),
  });
  await assert.rejects(delivery.deadLetter("poison"), /sink is down/);
  assert.deepEqual(pushed.calls, [["retry", undefined]]);
});

test("pushDelivery refuses to extend a lease", async () => {
  const delivery = await pushDelivery(message({}), "q", { signal });
  await assert.rejects(delivery.extend(1000), (error: QueueError) => error.code === "unsupported");
});
