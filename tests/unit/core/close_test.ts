import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../core/backend.ts";
import type { BackendOptions } from "../../../core/backend_options.ts";
import type { QueueError } from "../../../core/errors.ts";
import { HandClock, turn } from "../../doubles/hand_clock.ts";
import { failure, hang, type Script, ScriptedDriver } from "../../doubles/scripted_driver.ts";

function setUp(script: Script = {}, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  return { driver, clock, backend: createBackend(driver, { clock, random: () => 0.5, ...options }) };
}

function rejectsClosed(promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error: QueueError) => error.code === "closed" && error.backend === "scripted");
}

test("close is immediate without work, closes the driver once, and serves all callers", async () => {
  const { backend, driver, clock } = setUp();
  await Promise.all([backend.close(), backend.close(), backend[Symbol.asyncDispose]()]);
  await backend.close();
  assert.deepEqual([driver.closed, clock.waits()], [1, []]);
});

test("close makes later calls reject with its code, and nothing reaches the driver", async () => {
  const { backend, driver } = setUp({ depth: () => assert.fail("asked"), ping: () => assert.fail("asked") });
  await backend.close();
  await rejectsClosed(backend.publish("k", {}));
  await rejectsClosed(backend.publishBatch("k", [{ payload: {} }]));
  await rejectsClosed(backend.depth("k"));
  const consumed = backend.consume("k");
  await rejectsClosed(consumed.next());
  assert.equal((await consumed.next()).done, true);
  await rejectsClosed(backend.receive("k").next());
  await rejectsClosed(backend.health());
  assert.deepEqual([driver.sent, driver.asked], [[], []]);
});

test("close ends the iteration of a consumer that waits", async () => {
  const { backend, clock } = setUp();
  const waiting = [backend.consume("k").next(), backend.receive("k").next(), backend.receive("other").next()];
  await turn();
  await backend.close();
  assert.deepEqual((await Promise.all(waiting)).map(({ done }) => done), [true, true, true]);
  assert.deepEqual(clock.waits(), []);
});

test("close releases what is prefetched at once, and lets what is in hand be settled", async () => {
  const { backend, driver, clock } = setUp();
  driver.put(`{"n":0}`, `{"n":1}`);
  const deliveries = backend.receive("k");
  const { value: inHand } = await deliveries.next();
  const closing = backend.close();
  await turn();
  assert.deepEqual([driver.settlements, driver.closed], [[`release lease-{"n":1}`], 0]);
  assert.equal(inHand!.signal.aborted, false);
  assert.equal(await inHand!.ack(), true);
  await closing;
  assert.deepEqual(driver.settlements.slice(1), [`ack lease-{"n":0}`]);
  assert.deepEqual([driver.closed, clock.waits()], [1, []]);
});

test("close releases what is in hand at the deadline: its signal aborts, ack is false", async () => {
  const { backend, driver, clock } = setUp({}, { closeDeadlineMs: 300 });
  driver.put(`{"n":0}`);
  const { value: inHand } = await backend.receive("k").next();
  const { signal } = inHand!;
  const closing = backend.close();
  await clock.advance(299);
  assert.deepEqual([signal.aborted, driver.settled.length], [false, 0]);
  await clock.advance(1);
  await closing;
  assert.deepEqual(driver.settlements, [`release lease-{"n":0}`]);
  assert.equal((signal.reason as QueueError).code, "closed");
  // It went back uncounted and somebody else will have it: an ack that answered true would be a lie.
  assert.deepEqual([await inHand!.ack(), await inHand!.retry(), await inHand!.deadLetter("x")], [false, false, false]);
  assert.equal(await inHand!.extend(1_000), false);
  assert.deepEqual([driver.settled.length, clock.waits()], [1, []]);
});

test("close ends a consume loop that outlasts the deadline, and releases its message", async () => {
  const { backend, driver, clock } = setUp({}, { closeDeadlineMs: 300 });
  driver.put(`{"n":0}`);
  let go = () => {};
  const bodyDone = new Promise<void>((resolve) => go = resolve);
  const loop = (async () => {
    for await (const _ of backend.consume("k")) await bodyDone;
  })();
  await turn();
  const closing = backend.close();
  await clock.advance(300);
  await closing;
  go();
  await loop;
  assert.deepEqual(driver.settlements, [`release lease-{"n":0}`]);
});

test("close sends what was published before", async () => {
  let confirm = () => {};
  const { backend, driver } = setUp({
    send: async (messages, _signal, call) => {
      if (call === 1) await new Promise<void>((resolve) => confirm = resolve);
      return messages.map(() => ({ outcome: "added" }));
    },
  });
  const first = backend.publish("k", { n: 1 });
  await turn();
  const second = backend.publish("k", { n: 2 }); // queued behind the one in flight
  const closing = backend.close();
  await rejectsClosed(backend.publish("k", { n: 3 }));
  await turn();
  assert.equal(driver.closed, 0);
  confirm();
  assert.deepEqual((await Promise.all([first, second])).map(({ outcome }) => outcome), ["added", "added"]);
  await closing;
  assert.deepEqual(driver.bodies, [[`{"n":1}`], [`{"n":2}`]]);
});

test("close rejects a publish that never left as closed, one in flight as unknown", async () => {
  const { backend, clock, driver } = setUp({ send: hang }, { closeDeadlineMs: 300, timeoutMs: 60_000 });
  const flying = backend.publish("k", { n: 1 });
  await turn();
  const queued = backend.publish("k", { n: 2 });
  const other = backend.publish("other", { n: 3 });
  const outcomes = Promise.allSettled([flying, queued, other]);
  const closing = backend.close();
  await clock.advance(300);
  await closing;
  const codes = (await outcomes).map((one) => one.status === "rejected" && one.reason.code);
  assert.deepEqual(codes, ["unknown-outcome", "closed", "unknown-outcome"]);
  assert.deepEqual([driver.closed, clock.waits()], [1, []]);
});

test("close waits for a settlement without a reply no longer than timeoutMs", async () => {
  const { backend, driver, clock } = setUp({ settle: hang }, { closeDeadlineMs: 300, timeoutMs: 500 });
  driver.put(`{"n":0}`);
  const { value: inHand } = await backend.receive("k").next();
  void inHand!.ack();
  const closing = backend.close();
  await clock.advance(300);
  await clock.advance(500);
  await closing;
  assert.equal(driver.closed, 1);
});

test("close waits no longer than its deadlines for a driver that hangs in receive", async () => {
  const { backend, driver, clock } = setUp({ receive: () => hang() }, { closeDeadlineMs: 300, timeoutMs: 500 });
  const waiting = backend.receive("k").next();
  await turn();
  const closing = backend.close();
  await clock.advance(300);
  await clock.advance(500);
  await closing;
  assert.deepEqual([(await waiting).done, driver.closed, clock.waits()], [true, 1, []]);
});

test("close reports a driver whose close hangs or fails, without its secrets", async () => {
  const hanging = setUp({ close: hang }, { timeoutMs: 500 });
  const closing = assert.rejects(
    hanging.backend.close(),
    /^QueueError: Cannot close on scripted: no reply came in time$/,
  );
  await hanging.clock.advance(500);
  await closing;
  const failing = setUp({
    secrets: ["hunter2"],
    close: () => Promise.reject(failure("connection", "QUIT to redis://:hunter2@host failed")),
  });
  await assert.rejects(failing.backend.close(), (error: QueueError) => {
    assert.equal(error.code, "connection");
    assert.doesNotMatch(`${error.message} ${error.stack} ${error.cause}`, /hunter2/);
    return true;
  });
  await assert.rejects(failing.backend.close(), /Cannot close/); // idempotent: the same answer
  assert.equal(failing.driver.closed, 1);
});

test("close survives an observer that closes and publishes within an event", async () => {
  const said: string[] = [];
  const { backend, driver } = setUp({}, {
    observer: {
      published: ({ id }) => {
        said.push(id);
        if (id === "a") backend.publish("k", { again: true }, { id: "b" }).catch(() => undefined);
        if (id === "b") void backend.close();
      },
    },
  });
  await backend.publish("k", {}, { id: "a" });
  await turn();
  await backend.close();
  assert.deepEqual([said, driver.closed], [["a", "b"], 1]);
});

test("close does not wait forever for a handler that closes its own backend", async () => {
  const { backend, driver, clock } = setUp({}, { closeDeadlineMs: 300 });
  driver.put(`{"n":0}`);
  const loop = (async () => {
    for await (const _ of backend.consume("k")) await backend.close();
  })();
  await clock.advance(300);
  await loop;
  assert.deepEqual([driver.settlements, driver.closed, clock.waits()], [[`release lease-{"n":0}`], 1, []]);
});
