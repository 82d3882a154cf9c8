import { test } from "node:test";
import assert from "node:assert/strict";
import type { SendResult } from "../../../../core/driver.ts";
import { ConfigError, type PublishError } from "../../../../core/errors.ts";
import type { PublishReceipt } from "../../../../core/protocol.ts";
import { currentRuntime } from "../../../../testing/report.ts";
import { turn } from "../../../doubles/hand_clock.ts";
import { failure, hang } from "../../../doubles/scripted_driver.ts";
import { ADDED, payloads, rejected, setUp } from "./support/scripted_publishes.ts";

function codes(error: PublishError): string[] {
  return error.outcomes!.map((one) => "code" in one ? one.code : one.outcome);
}

test("PublishBatcher returns the outcome of each message of a partly confirmed batch", async () => {
  const { backend } = setUp({
    send: (messages) =>
      messages.map((_, i) =>
        i === 1 ? { error: failure("queue-full", "no room") } : i === 2 ? { outcome: "duplicate" } : ADDED
      ),
  });
  const messages = payloads(4).map((message, i) => ({ ...message, id: `m${i}` }));
  const error = await rejected(backend.publishBatch("k", messages));
  assert.deepEqual([error.code, codes(error)], ["queue-full", ["added", "queue-full", "duplicate", "added"]]);
  assert.match(error.message, /^1 of 4 messages were not confirmed: .*no room$/);
  assert.deepEqual(error.outcomes!.map(({ id }) => id), ["m0", "m1", "m2", "m3"]);
});

test("PublishBatcher rejects only the message that the broker refused", async () => {
  const { backend } = setUp({
    send: (messages) => messages.map(({ payload }) => payload.n === 1 ? { error: failure("too-large") } : ADDED),
  });
  const [a, b, c] = await Promise.allSettled([0, 1, 2].map((n) => backend.publish("k", { n })));
  assert.deepEqual([a!.status, b!.status, c!.status], ["fulfilled", "rejected", "fulfilled"]);
  assert.equal((b as PromiseRejectedResult).reason.code, "too-large");
});

test("PublishBatcher tells sent, doubtful and unsent messages apart at a deadline", async () => {
  const { backend, clock, driver } = setUp({
    maxBatchMessages: 2,
    send: (messages, _signal, call) => call === 1 ? messages.map(() => ADDED) : hang(),
  });
  const publishing = rejected(backend.publishBatch("k", payloads(6), { timeoutMs: 1_000 }));
  await clock.advance(1_000);
  const error = await publishing;
  assert.equal(error.code, "unknown-outcome");
  assert.deepEqual(codes(error), ["added", "added", "unknown-outcome", "unknown-outcome", "timeout", "timeout"]);
  assert.equal(driver.sent.length, 2);
  assert.deepEqual(clock.waits(), []);
});

test("PublishBatcher tells confirmed messages apart in place of the bare abort reason", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const { backend } = setUp({
    maxBatchMessages: 2,
    send: (messages, _signal, call) => call === 1 ? messages.map(() => ADDED) : Promise.reject(failure("connection")),
  });
  const publishing = rejected(backend.publishBatch("k", payloads(4), { signal: controller.signal }));
  await turn();
  controller.abort(reason);
  const error = await publishing;
  assert.deepEqual(codes(error), ["added", "added", "timeout", "timeout"]);
  assert.equal((error.outcomes![3] as PublishError).cause, reason);
});

test("PublishBatcher does not change a rejected batch when a late reply comes", async () => {
  let confirm = (_results: SendResult[]) => {};
  const { backend, clock } = setUp({ send: () => new Promise((resolve) => confirm = resolve) });
  const short = rejected(backend.publishBatch("k", payloads(2), { timeoutMs: 1_000 }));
  const long = backend.publish("k", {}, { timeoutMs: 9_000 });
  await clock.advance(1_000);
  const error = await short;
  confirm([ADDED, ADDED, ADDED]);
  await long;
  assert.deepEqual(codes(error), ["unknown-outcome", "unknown-outcome"]);
});

test("PublishBatcher rejects results that are nonsense, and ends every publish", async () => {
  for (const answer of [[], [undefined], [null], undefined, null, 7, "added"]) {
    const { backend, clock } = setUp({ send: () => Promise.resolve(answer as unknown as SendResult[]) });
    const publishing = Promise.allSettled([backend.publish("k", {})]);
    await clock.advance(5_000);
    const [outcome] = await publishing;
    if (answer === undefined || answer === null) continue; // the scripted driver's own default: added
    assert.equal(outcome!.status, "rejected", String(answer));
  }
});

test("PublishBatcher survives a driver that throws synchronously, or no error", async () => {
  const thrown = [new Error("plain"), "text", undefined, null, Object.create(null), Symbol("s"), { toString: null }];
  for (const value of thrown) {
    const { backend } = setUp({
      send: () => {
        throw value;
      },
      classify: () => "invalid",
    });
    assert.equal((await rejected(backend.publish("k", {}))).code, "invalid");
  }
  const { backend } = setUp({
    send: () => Promise.reject(new Error("x")),
    classify: () => {
      throw new Error("classify failed");
    },
  });
  assert.equal((await rejected(backend.publish("k", {}))).code, "internal");
  assert.equal((await rejected(backend.publish("k", {}))).code, "internal"); // and the key is not stuck
});

test("PublishBatcher ends any number of waiting publishes when the broker is down", async () => {
  const { backend, clock } = setUp({ send: () => Promise.reject(failure("connection")) }, { retryDelayMs: 100_000 });
  // More than a call takes arguments. workerd and Node have Deno's engine, and workerd takes ten times as long.
  const count = ["workerd", "node"].includes(currentRuntime()) ? 1_000 : 150_000;
  const first = rejected(backend.publish("k", {}, { timeoutMs: 1_000 }));
  const rest = Promise.allSettled(Array.from({ length: count }, () => backend.publish("k", {}, { timeoutMs: 2_000 })));
  await clock.advance(1_000);
  await first;
  await clock.advance(1_000);
  assert.equal((await rest).filter(({ status }) => status === "rejected").length, count);
  assert.deepEqual(clock.waits(), []);
});

test("PublishBatcher gives up no publish early when the time of day is set forward", async () => {
  const { backend, clock } = setUp({ send: hang });
  const first = rejected(backend.publish("k", {}, { timeoutMs: 1_000 }));
  let over = false;
  const second = rejected(backend.publish("k", {}, { timeoutMs: 60_000 })).finally(() => over = true);
  await turn();
  clock.set(3_600_000);
  await clock.advance(1_000);
  await first;
  await turn();
  assert.equal(over, false);
  await clock.advance(59_000);
  await second;
});

test("PublishBatcher waits no longer when the time of day is set back", async () => {
  const { backend, clock } = setUp({ send: hang });
  const publishing = rejected(backend.publish("k", {}, { timeoutMs: 1_000 }));
  await turn();
  clock.set(-3_600_000);
  await clock.advance(1_000);
  assert.equal((await publishing).code, "unknown-outcome");
  assert.deepEqual(clock.waits(), []);
});

test("PublishBatcher reports each message once, and each failed attempt", async () => {
  const told: string[] = [];
  const { backend, clock } = setUp({
    send: (messages, _signal, call) => call === 1 ? Promise.reject(failure("connection")) : messages.map(() => ADDED),
  }, {
    observer: {
      published: ({ key, id, durationMs }) => void told.push(`${key} ${id} ${durationMs}`),
      failed: ({ operation, failures, error }) => void told.push(`${operation} ${failures} ${error.code}`),
    },
  });
  const publishing = Promise.all(["a", "b"].map((id) => backend.publish("k", {}, { id })));
  await clock.advance(50);
  await publishing;
  assert.deepEqual(told, ["publish 1 connection", "k a 50", "k b 50"]);
});

test("PublishBatcher allows publishing within an observer of a publish", async () => {
  const inner: Promise<PublishReceipt>[] = [];
  const { backend, driver } = setUp({}, {
    observer: {
      published: ({ id }) => {
        if (!id.startsWith("inner")) inner.push(backend.publish("k", {}, { id: `inner-${id}` }));
      },
    },
  });
  await Promise.all(["a", "b"].map((id) => backend.publish("k", {}, { id })));
  await Promise.all(inner);
  assert.deepEqual(driver.sent.map((batch) => batch.map(({ id }) => id)), [["a", "b"], ["inner-a", "inner-b"]]);
});

test("PublishBatcher errors hold no payload, neither as it is nor within a command", async () => {
  const payload = { text: 'my "private" message' };
  const body = JSON.stringify(payload);
  const { backend } = setUp({
    send: () => {
      throw failure("invalid", `ERR, command was ["XADD","k","*","data",${JSON.stringify(body)}] or ${body}`, {
        command: { args: [body] },
      });
    },
  });
  const error = await rejected(backend.publish("k", payload));
  const { message, stack } = error.cause as Error;
  for (const text of [error.message, error.stack, message, stack, JSON.stringify(error.cause)]) {
    assert.doesNotMatch(text!, /private/);
  }
  assert.match(error.message, /ERR, command was \["XADD","k","\*","data","<redacted>"\] or <redacted>$/);
});

test("PublishBatcher rejects with a ConfigError unchanged: it concerns no message", async () => {
  const error = new ConfigError("the token is not accepted");
  const { backend, driver } = setUp({ send: () => Promise.reject(error) });
  assert.equal(await rejected(backend.publish("k", { n: 1 })), error);
  assert.equal(await rejected(backend.publishBatch("k", payloads(3))), error);
  assert.equal(driver.sent.length, 2);
});

test("PublishBatcher returns the driver's own id in place of a generated one", async () => {
  const { backend } = setUp({
    send: (messages) => Promise.resolve(messages.map((_, i) => ({ outcome: "added", id: `b${i}` }))),
  });
  assert.deepEqual(await backend.publish("k", { n: 1 }), { id: "b0", outcome: "added" });
});
