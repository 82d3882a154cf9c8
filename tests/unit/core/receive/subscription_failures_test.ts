import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../../core/backend.ts";
import type { QueueDriver } from "../../../../core/driver.ts";
import type { ConsumeError } from "../../../../core/errors.ts";
import { alterDriver } from "../../../../testing/faults/alter_driver.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { failure, hang, ScriptedDriver } from "../../../doubles/scripted_driver.ts";
import { bodies, setUp, take } from "./support/scripted_subscription.ts";

test("Subscription moves unreadable messages to the dead letters without quoting them", async () => {
  const { backend, driver } = setUp();
  const unreadable = ["", "secret text", "[1]", "null", `"text"`, "7", `{"a":1} trailing`];
  driver.put(...unreadable, { id: "none", body: undefined }, `{"good":true}`);
  const [delivery] = await take(backend.receive("k"), 1);
  assert.deepEqual(delivery!.payload, { good: true });
  await turn();
  const dead = driver.settled.flat();
  assert.deepEqual(dead.map(({ kind }) => kind), [...unreadable, ""].map(() => "dead"));
  for (const settlement of dead) {
    assert.ok(settlement.kind === "dead" && settlement.cause.name === "ConsumeError");
    assert.match(settlement.cause.message, /^Cannot read a message of "k": (the body|it has no body)/);
    assert.doesNotMatch(settlement.cause.message, /secret|trailing/);
  }
});

test("Subscription retries transient receive errors with growing delay", async () => {
  const failed: number[] = [];
  const { backend, driver, clock } = setUp({
    receive: (_options, call) => call <= 20 ? Promise.reject(failure("connection")) : undefined,
  }, { observer: { failed: ({ operation, failures }) => void (operation === "receive" && failed.push(failures)) } });
  driver.put(...bodies(1));
  const next = backend.receive("k").next();
  const waits: number[] = [];
  for (let i = 0; i < 20; i++) {
    await turn();
    const [wait] = clock.waits();
    waits.push(wait!);
    await clock.advance(wait!);
  }
  assert.deepEqual((await next).value?.payload, { n: 0 });
  assert.deepEqual(waits.slice(0, 9), [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]); // half of 100, 200, … 10,000
  assert.ok(waits.every((wait) => wait <= 10_000));
  assert.deepEqual(failed, waits.map((_, i) => i + 1));
});

test("Subscription waits as long as the broker asks", async () => {
  const { backend, clock } = setUp({
    receive: (_options, call) =>
      call === 1 ? Promise.reject(failure("rate-limited", "", { retryAfterMs: 7_000 })) : hang(),
  });
  void backend.receive("k").next();
  await turn();
  assert.deepEqual(clock.waits(), [7_000]);
});

test("Subscription leaves no timer when it ends between two attempts", async () => {
  const { backend, driver, clock } = setUp({ receive: () => Promise.reject(failure("connection")) });
  const deliveries = backend.receive("k");
  const waiting = deliveries.next();
  await turn();
  assert.equal(clock.waits().length, 1);
  await deliveries.return!();
  assert.equal((await waiting).done, true);
  await clock.advance(60_000);
  assert.deepEqual([driver.asked.length, clock.waits()], [1, []]);
});

test("Subscription rejects once for a refusal, after earlier messages, then ends", async () => {
  const { backend, driver } = setUp({
    receive: (_options, call) => call > 1 ? Promise.reject(failure("unauthorized", "no")) : undefined,
  });
  driver.put(...bodies(2));
  const deliveries = backend.receive("k");
  await take(deliveries, 2);
  await assert.rejects(deliveries.next(), (error: ConsumeError) => {
    assert.deepEqual([error.name, error.code, error.key], ["ConsumeError", "unauthorized", "k"]);
    return true;
  });
  assert.equal((await deliveries.next()).done, true);
});

test("Subscription releases what is prefetched after a refusal for good", async () => {
  const { backend, driver, clock } = setUp({
    receive: (_options, call) => call > 1 ? Promise.reject(failure("unauthorized")) : undefined,
  });
  driver.put(...bodies(16));
  const deliveries = backend.receive("k", { prefetch: 100 });
  const held = await take(deliveries, 9); // the next fetch is refused while seven are prefetched
  await turn();
  await deliveries.return!();
  assert.deepEqual(driver.settlements, bodies(7, 9).map((body) => `release lease-${body}`));
  for (const delivery of held) await delivery.ack();
  assert.deepEqual(clock.waits(), []);
});

test("Subscription rejects one waiting caller for a refusal, and ends for the others", async () => {
  const { backend } = setUp({ receive: () => Promise.reject(failure("not-found", "no such queue")) });
  const deliveries = backend.receive("k");
  const [first, second] = await Promise.allSettled([deliveries.next(), deliveries.next()]);
  assert.equal(first.status, "rejected");
  assert.deepEqual(second, { status: "fulfilled", value: { done: true, value: undefined } });
});

test("Subscription shares round trips of settlement within a group, not between groups", async () => {
  const { backend, driver } = setUp();
  driver.put(...bodies(6));
  const a = await take(backend.receive("k", { prefetch: 2 }), 2);
  const b = await take(backend.receive("k", { prefetch: 2 }), 2);
  const c = await take(backend.receive("k", { prefetch: 2, group: "other" }), 2);
  await Promise.all([...a, ...b, ...c].map((delivery) => delivery.ack()));
  assert.deepEqual(driver.settled.map((batch) => batch.length), [4, 2]);
});

test("Subscription with stopWhenEmpty fetches again only when a caller waits", async () => {
  const { backend, driver } = setUp();
  driver.put(...bodies(5));
  const deliveries = backend.receive("k", { stopWhenEmpty: true });
  const [first] = await take(deliveries, 1);
  await turn();
  assert.equal(driver.asked.length, 2, "the five, and a look ahead that brought nothing");
  const rest = await take(deliveries, 4);
  assert.equal((await deliveries.next()).done, true);
  assert.ok(driver.asked.length <= 4, `asked ${driver.asked.length} times`);
  for (const delivery of [first!, ...rest]) await delivery.ack();
});

test("Subscription calls a driver that never waits ten times a second", async () => {
  let calls = 0;
  const idle: Partial<QueueDriver> = {
    receive: (key, options) => {
      if (++calls > 10_000) throw failure("invalid", "asked without end");
      return driver.receive(key, { ...options, waitMs: 0 });
    },
  };
  const clock = new HandClock();
  const driver = new ScriptedDriver();
  const backend = createBackend(alterDriver(driver, idle), { clock });
  const deliveries = backend.receive("k");
  const first = deliveries.next();
  await clock.advance(10_000);
  assert.ok(calls <= 110 && calls >= 90, `asked ${calls} times in ten seconds`);
  driver.put("{}");
  await clock.advance(100);
  assert.equal(await (await take({ next: () => first }, 1))[0]!.ack(), true);
  await deliveries.return!();
});

test("Subscription fetches again at once after an early or complete wait", async () => {
  const clock = new HandClock();
  const driver = new ScriptedDriver();
  const waits = [0, 30_000, 30_000];
  const waiting: Partial<QueueDriver> = {
    receive: async (key, options) => {
      const ms = waits.shift();
      if (ms === undefined) return await driver.receive(key, options);
      if (ms > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, ms));
      return [];
    },
  };
  const deliveries = createBackend(alterDriver(driver, waiting), { clock }).receive("k");
  const first = deliveries.next();
  await turn();
  assert.deepEqual(waits, [30_000]);
  await clock.advance(60_000);
  assert.deepEqual([waits, driver.asked.length], [[], 1]);
  driver.put("{}");
  assert.equal((await first).done, false);
  await deliveries.return!();
});

test("Subscription pauses between attempts even with a retry delay of 0", async () => {
  let calls = 0;
  const receive = () => {
    if (++calls > 10_000) throw failure("invalid", "asked without end");
    throw failure("connection");
  };
  const { backend, clock } = setUp({ receive }, { retryDelayMs: 0 });
  const deliveries = backend.receive("k");
  const first = deliveries.next();
  await clock.advance(1_000);
  assert.equal(calls, 101);
  await deliveries.return!();
  assert.equal((await first).done, true);
});
