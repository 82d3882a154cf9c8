// Rule 1: where no byte can have left, the error names the cause, whatever the call's own timeout is.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../../core/backend.ts";
import type { BackendOptions } from "../../../../core/backend_options.ts";
import type { SendResult } from "../../../../core/driver.ts";
import type { PublishError } from "../../../../core/errors.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { failure, hang, type Script, ScriptedDriver } from "../../../doubles/scripted_driver.ts";

const ADDED: SendResult = { outcome: "added" };
const REFUSED = "connect ECONNREFUSED 127.0.0.1:1";

function setUp(script: Script, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  return { clock, driver, backend: createBackend(driver, { clock, random: () => 0.5, ...options }) };
}

async function rejected(promise: Promise<unknown>): Promise<PublishError> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}

/** Waits for a connection that does not come; when the signal aborts, it rejects with `error`, a task later at most. */
function waitsForConnection(error: unknown, later = false): (signal: AbortSignal) => Promise<never> {
  return (signal) =>
    new Promise((_, reject) => {
      const end = () => later ? setTimeout(() => reject(error), 0) : reject(error);
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
}

for (const timeoutMs of [100, 5_000, 60_000]) {
  test(`PublishBatcher reports the driver's own reason at a deadline of ${timeoutMs} ms`, async () => {
    const wait = waitsForConnection(failure("connection", REFUSED));
    const scripts: Script[] = [
      { send: (_messages, signal) => wait(signal) },
      { send: (_messages, signal) => waitsForConnection(failure("connection", REFUSED), true)(signal) },
      { connect: wait },
    ];
    for (const script of scripts) {
      const { backend, clock } = setUp(script, { timeoutMs: 5_000 });
      const one = rejected(backend.publish("k", { n: 0 }, { timeoutMs, id: "a" }));
      const batch = rejected(backend.publishBatch("k", [{ payload: {} }, { payload: {} }], { timeoutMs }));
      await clock.advance(timeoutMs);
      const error = await one;
      assert.deepEqual([error.name, error.code, error.id, error.retryable], [
        "PublishError",
        "connection",
        "a",
        true,
      ]);
      assert.match(error.message, /ECONNREFUSED/);
      const whole = await batch;
      assert.equal(whole.code, "connection");
      assert.match(whole.message, /ECONNREFUSED/);
      assert.deepEqual(clock.waits(), []);
    }
  });
}

test("PublishBatcher reports unknown-outcome where the driver ignores the abort", async () => {
  const echo = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const sends: NonNullable<Script["send"]>[] = [
    hang,
    (_messages, signal) => echo(signal),
    (_messages, signal) => waitsForConnection(new DOMException("aborted", "AbortError"))(signal),
    (_messages, signal) => waitsForConnection(new Error("socket closed"))(signal),
    (_messages, signal) => waitsForConnection(failure("unknown-outcome"))(signal),
  ];
  for (const send of sends) {
    const { backend, clock } = setUp({ send });
    const publishing = rejected(backend.publish("k", {}, { timeoutMs: 1_000 }));
    await clock.advance(1_000);
    const error = await publishing;
    assert.equal(error.code, "unknown-outcome", String(send));
    assert.match(error.message, /no reply came in time/);
  }
});

test("PublishBatcher resolves with a confirmation that comes right after the deadline", async () => {
  const { backend, clock } = setUp(
    {
      send: (messages, signal) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve(messages.map(() => ADDED)))),
    },
  );
  const publishing = backend.publish("k", {}, { timeoutMs: 1_000 });
  await clock.advance(1_000);
  assert.equal((await publishing).outcome, "added");
});

test("PublishBatcher rejects with the abort reason before anything was sent", async () => {
  const wait = waitsForConnection(failure("connection", REFUSED));
  for (const script of [{ send: (_messages, signal) => wait(signal) }, { connect: wait }] as Script[]) {
    const { backend, clock } = setUp(script);
    const [controller, reason] = [new AbortController(), new Error("enough")];
    const publishing = rejected(backend.publish("k", {}, { signal: controller.signal }));
    await turn();
    controller.abort(reason);
    assert.equal(await publishing, reason);
    assert.deepEqual(clock.waits(), []);
  }
});

test("PublishBatcher keeps a lost answer in doubt when the retry cannot connect", async () => {
  let calls = 0;
  const { backend, clock, driver } = setUp(
    {
      connect: (signal) => ++calls > 1 ? waitsForConnection(failure("connection", REFUSED))(signal) : undefined,
      send: () => Promise.reject(failure("unknown-outcome", "lost")),
    },
  );
  const publishing = rejected(backend.publish("k", {}, { timeoutMs: 1_000 }));
  await clock.advance(1_000);
  assert.equal((await publishing).code, "unknown-outcome");
  assert.equal(driver.sent.length, 1);
});

test("PublishBatcher lets others wait when one publish times out unconnected", async () => {
  let connected = () => {};
  const { backend, clock, driver } = setUp({
    connect: (signal) =>
      Promise.race([
        new Promise<void>((resolve) => connected = resolve),
        waitsForConnection(failure("connection", REFUSED))(signal),
      ]),
  }, { maxRetries: 0 });
  const short = [1_000, 1_200, 1_400].map((timeoutMs) => rejected(backend.publish("k", { timeoutMs }, { timeoutMs })));
  const long = backend.publish("k", { n: 1 }, { timeoutMs: 9_000 });
  await clock.advance(1_400);
  for (const error of await Promise.all(short)) {
    assert.equal(error.code, "connection");
    assert.match(error.message, /ECONNREFUSED/);
  }
  connected();
  assert.equal((await long).outcome, "added");
  assert.deepEqual(driver.bodies, [[`{"n":1}`]]);
});

test("PublishBatcher names the cause for a publish queued behind an unsent batch", async () => {
  const { backend, clock, driver } = setUp({ connect: waitsForConnection(failure("unauthorized", "WRONGPASS")) });
  const first = rejected(backend.publish("k", { n: 0 }, { timeoutMs: 1_000 }));
  await turn();
  const second = rejected(backend.publish("k", { n: 1 }, { timeoutMs: 1_000, id: "b" }));
  await clock.advance(1_000);
  assert.equal((await first).code, "unauthorized");
  const error = await second;
  assert.deepEqual([error.code, error.id, driver.sent.length], ["unauthorized", "b", 0]);
  assert.match(error.message, /WRONGPASS/);
});

test("PublishBatcher waits for a shared send before it reports unknown-outcome", async () => {
  let refuse = (_error: Error) => {};
  const { backend, clock } = setUp({ send: () => new Promise((_, reject) => refuse = reject) }, { maxRetries: 0 });
  const short = rejected(backend.publish("k", { n: 0 }, { timeoutMs: 1_000 }));
  const long = rejected(backend.publish("k", { n: 1 }, { timeoutMs: 9_000 }));
  await clock.advance(1_000);
  refuse(failure("connection", REFUSED));
  assert.equal((await short).code, "connection");
  assert.equal((await long).code, "connection");
});

test("BackendContext reports the driver's reason when depth or health time out", async () => {
  const wait = waitsForConnection(failure("connection", REFUSED));
  const { backend, clock } = setUp({ depth: wait, ping: wait }, { maxRetries: 0, timeoutMs: 1_000 });
  const depth = rejected(backend.depth("k"));
  const health = backend.health();
  await clock.advance(1_000);
  const error = await depth;
  assert.equal(error.code, "connection");
  assert.match(error.message, /ECONNREFUSED/);
  const { ok, error: reason } = await health;
  assert.deepEqual([ok, reason?.name], [false, "ConnectionError"]);
  assert.match(reason!.message, /ECONNREFUSED/);
});
