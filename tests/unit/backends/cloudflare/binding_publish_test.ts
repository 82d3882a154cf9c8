// How a publish through a queue binding is confirmed, tried again, given up and closed.
import { test } from "node:test";
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { CloudflareBackend, type CloudflareOptions, type QueueBinding } from "../../../../backends/cloudflare/mod.ts";
import type { PublishError } from "../../../../core/errors.ts";
import type { FailureEvent, QueueMessageEvent } from "../../../../core/observer.ts";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { BindingDouble } from "../../../doubles/queue_binding.ts";
import { code } from "../../support/cloudflare_setup.ts";

/** A binding that never answers. */
class SilentBinding implements QueueBinding {
  calls = 0;
  sendBatch(): Promise<void> {
    this.calls += 1;
    return new Promise(() => {});
  }
}

function setUp(binding: QueueBinding, options: Partial<CloudflareOptions> = {}) {
  const clock = new HandClock();
  const backend = new CloudflareBackend({ bindings: { q: binding }, clock, random: () => 0.5, ...options });
  return { clock, backend };
}

async function rejected(promise: Promise<unknown>): Promise<PublishError> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}

/** Lets the publish pass what it does without time, compression aside. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}

test("CloudflareBackend reports an unanswered publish as unknown and keeps no timer", async () => {
  const binding = new SilentBinding();
  const { backend, clock } = setUp(binding);
  const { signal, listeners } = countedSignal();
  const publishing = rejected(backend.publish("q", { n: 1 }, { id: "Ev1", timeoutMs: 1_000, signal }));
  await settle();
  await clock.advance(1_000);
  const error = await publishing;
  assert.deepEqual([error.name, error.code, error.id, error.key], ["PublishError", "unknown-outcome", "Ev1", "q"]);
  assert.deepEqual([clock.waits(), listeners(), binding.calls], [[], 0, 1]);
});

test("CloudflareBackend retries a transient refusal with growing waits, observed", async () => {
  const binding = new BindingDouble();
  binding.failures.push(...Array.from({ length: 2 }, () => new Error("Queue is overloaded (10250)")));
  const failures: FailureEvent[] = [];
  const published: QueueMessageEvent[] = [];
  const observer = {
    failed: (event: FailureEvent) => void failures.push(event),
    published: (event: QueueMessageEvent) => void published.push(event),
  };
  const { backend, clock } = setUp(binding, { observer });
  const publishing = backend.publish("q", { n: 1 }, { id: "Ev1" });
  const waits: number[][] = [];
  for (let i = 0; i < 2; i++) {
    await settle();
    waits.push(clock.waits());
    await clock.advance(clock.waits()[0]!);
  }
  assert.deepEqual(await publishing, { id: "Ev1", outcome: "added" });
  assert.deepEqual(waits, [[50, 5_000], [100, 4_950]]);
  assert.deepEqual(failures.map(({ operation, failures, error }) => [operation, failures, error.code]), [
    ["publish", 1, "rate-limited"],
    ["publish", 2, "rate-limited"],
  ]);
  assert.deepEqual(published, [{ backend: "cloudflare", key: "q", id: "Ev1", durationMs: 150 }]);
});

test("CloudflareBackend gives up transient refusals after maxRetries, others at once", async () => {
  for (const [message, sends, expected] of [["10250", 3, "rate-limited"], ["10104", 1, "not-found"]] as const) {
    const binding = new BindingDouble();
    binding.failures.push(...Array.from({ length: 9 }, () => new Error(`Queue sendBatch failed: ${message}`)));
    const { backend, clock } = setUp(binding, { maxRetries: 2, timeoutMs: 60_000 });
    const publishing = rejected(backend.publish("q", {}));
    await settle();
    await clock.advance(1_000);
    await settle();
    await clock.advance(1_000);
    assert.equal((await publishing).code, expected);
    assert.equal(9 - binding.failures.length, sends);
  }
});

test("CloudflareBackend names the refusal when its time is over between two tries", async () => {
  const binding = new BindingDouble();
  binding.failures.push(...Array.from({ length: 9 }, () => new Error("Queue is overloaded (10250)")));
  const { backend, clock } = setUp(binding, { retryDelayMs: 1_000 });
  const publishing = rejected(backend.publish("q", {}, { timeoutMs: 100 }));
  await settle();
  await clock.advance(100);
  const error = await publishing;
  assert.deepEqual([error.code, /overloaded/.test(error.message)], ["rate-limited", true]);
});

test("CloudflareBackend rejects with the abort reason only where nothing was sent", async () => {
  const stop = new AbortController();
  const reason = new Error("shutting down");
  const binding = new BindingDouble();
  stop.abort(reason);
  await assert.rejects(setUp(binding).backend.publish("q", {}, { signal: stop.signal }), reason);
  assert.equal(binding.messages.length, 0);

  const second = new AbortController();
  const publishing = rejected(setUp(new SilentBinding()).backend.publish("q", {}, { signal: second.signal }));
  await settle();
  second.abort(reason);
  assert.equal((await publishing).code, "unknown-outcome");
});

test("CloudflareBackend names the confirmed messages of a partly confirmed batch", async () => {
  const binding = new BindingDouble();
  const refused = new Error("Queue sendBatch failed: Queue does not exist (10104)");
  const sendBatch = binding.sendBatch.bind(binding);
  binding.sendBatch = (messages) => binding.batches.length === 1 ? Promise.reject(refused) : sendBatch(messages);
  const { backend } = setUp(binding);
  const error = await rejected(backend.publishBatch("q", Array.from({ length: 150 }, (_, n) => ({ payload: { n } }))));
  assert.equal(error.code, "not-found");
  assert.match(error.message, /50 of 150 messages were not confirmed/);
  const outcomes = error.outcomes!.map((outcome) => "outcome" in outcome ? outcome.outcome : outcome.code);
  assert.deepEqual(outcomes, [...Array(100).fill("added"), ...Array(50).fill("not-found")]);
  assert.deepEqual(await backend.publishBatch("q", []), []);
});

test("CloudflareBackend closes once, after running publishes or at its deadline", async () => {
  const done = setUp(new BindingDouble());
  const publishing = done.backend.publish("q", { n: 1 });
  await done.backend.close();
  assert.equal((await publishing).outcome, "added");
  await assert.rejects(done.backend.publish("q", {}), code("closed"));
  await assert.rejects(done.backend.health(), code("closed"));

  const stuck = setUp(new SilentBinding(), { closeDeadlineMs: 200 });
  const hanging = rejected(stuck.backend.publish("q", {}));
  await settle();
  const closing = stuck.backend.close();
  assert.equal(stuck.backend.close(), closing);
  await settle();
  await stuck.clock.advance(200);
  await closing;
  assert.equal((await hanging).code, "unknown-outcome");
  assert.deepEqual(stuck.clock.waits(), []);
});

test("CloudflareBackend shows no payload in an error that quotes one", async () => {
  const binding = new BindingDouble();
  const payload = { text: "very private" };
  const quoting = new Error(`Could not send ${JSON.stringify(payload)} as ${JSON.stringify(JSON.stringify(payload))}`);
  binding.failures.push(new Error("refused", { cause: quoting }), quoting);
  const { backend } = setUp(binding, { maxRetries: 0 });
  for (let i = 0; i < 2; i++) {
    assert.doesNotMatch(inspect(await rejected(backend.publish("q", payload)), { depth: 9 }), /very private/);
  }
});

test("CloudflareBackend refuses wrong arguments before anything is sent", async () => {
  const binding = new BindingDouble();
  const { backend } = setUp(binding);
  await assert.rejects(backend.publish("", {}), TypeError);
  await assert.rejects(backend.publish("q", [] as never), TypeError);
  await assert.rejects(backend.publish("q", {}, { delay: 1 } as never), TypeError);
  await assert.rejects(backend.publish("q", {}, { delayMs: 86_400_001 }), RangeError);
  await assert.rejects(backend.publishBatch("q", {} as never), TypeError);
  await assert.rejects(backend.publish("q", {}, { ttlMs: 1_000 }), code("unsupported"));
  await assert.rejects(backend.publish("q", {}, { orderingKey: "C1" }), code("unsupported"));
  const small = setUp(binding, { maxPayloadBytes: 10 }).backend;
  await assert.rejects(small.publish("q", { text: "ü".repeat(5) }), RangeError);
  assert.equal(binding.messages.length, 0);
});
