import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../../core/backend.ts";
import type { BackendOptions } from "../../../../core/backend_options.ts";
import type { ConsumeError, QueueError } from "../../../../core/errors.ts";
import type { Delivery } from "../../../../core/protocol.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { failure, hang, type Script, ScriptedDriver } from "../../../doubles/scripted_driver.ts";

function setUp(script: Script = {}, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  return { driver, clock, backend: createBackend(driver, { clock, random: () => 0.5, leaseMs: 30_000, ...options }) };
}

/** Puts `count` messages and receives them. */
async function hold({ backend, driver }: ReturnType<typeof setUp>, count: number): Promise<Delivery[]> {
  driver.put(...Array.from({ length: count }, (_, n) => `{"n":${n}}`));
  const deliveries = backend.receive("k", { prefetch: count });
  const held: Delivery[] = [];
  while (held.length < count) held.push((await deliveries.next()).value!);
  return held;
}

test("LeaseManager renews all leases together at a third, until they are settled", async () => {
  const setup = setUp();
  const { driver, clock } = setup;
  const held = await hold(setup, 3);
  await clock.advance(9_999);
  assert.equal(driver.extended.length, 0);
  await clock.advance(1);
  assert.deepEqual(driver.extended, [{ leases: held.map((_, n) => `lease-{"n":${n}}`), leaseMs: 30_000 }]);
  await held[1]!.ack();
  await clock.advance(110_000);
  assert.equal(driver.extended.length, 12);
  assert.ok(driver.extended.slice(1).every(({ leases }) => leases.length === 2 && !leases.includes(`lease-{"n":1}`)));
  assert.deepEqual(held.map(({ signal }) => signal.aborted), [false, false, false]);
  await Promise.all(held.map((delivery) => delivery.ack()));
  await clock.advance(60_000);
  assert.deepEqual([driver.extended.length, clock.waits()], [12, []]);
});

test("LeaseManager renews a later lease before two thirds of it are over", async () => {
  const setup = setUp({}, { prefetch: 1 });
  const { driver, clock } = setup;
  await hold(setup, 1);
  await clock.advance(9_000);
  driver.put({ id: "late", body: "{}" });
  await setup.backend.receive("k").next();
  const start = clock.now();
  while (!driver.extended.some(({ leases }) => leases.includes("lease-late"))) await clock.advance(500);
  assert.ok(clock.now() - start <= 20_000, `renewed after ${clock.now() - start} ms`);
});

test("LeaseManager renews no more leases at once than the driver accepts", async () => {
  const setup = setUp({ maxSettleBatch: 4 });
  await hold(setup, 10);
  await setup.clock.advance(10_000);
  assert.deepEqual(setup.driver.extended.map(({ leases }) => leases.length), [4, 4, 2]);
});

test("LeaseManager loses a lease that the broker gave away: the signal aborts", async () => {
  const told: string[] = [];
  const setup = setUp({ extend: (leases) => leases.map((lease) => lease !== `lease-{"n":1}`) }, {
    observer: { leaseLost: ({ id, key, group, attempts }) => void told.push(`${id} ${key} ${group} ${attempts}`) },
  });
  const held = await hold(setup, 2);
  let aborted = 0;
  held[1]!.signal.addEventListener("abort", () => aborted += 1);
  await setup.clock.advance(10_000);
  assert.deepEqual([held[0]!.signal.aborted, aborted], [false, 1]);
  const reason = held[1]!.signal.reason as ConsumeError;
  assert.deepEqual([reason.name, reason.key, reason.id], ["ConsumeError", "k", `{"n":1}`]);
  assert.equal(await held[1]!.ack(), false);
  assert.equal(await held[1]!.retry({ delayMs: 5 }), false);
  assert.equal(await held[1]!.extend(1_000), false);
  assert.deepEqual(setup.driver.settled, []);
  assert.deepEqual(told, [`{"n":1} k slack-mcp 1`]);
  assert.equal(await held[0]!.ack(), true);
});

test("LeaseManager aborts a signal that is accessed after the loss", async () => {
  const setup = setUp({ extend: (leases) => leases.map(() => false) });
  const [held] = await hold(setup, 1);
  await setup.clock.advance(10_000);
  assert.equal(held!.signal.aborted, true);
});

test("LeaseManager makes room for another message when a lease is lost", async () => {
  const setup = setUp({ extend: (leases) => leases.map(() => false) });
  const { driver, backend, clock } = setup;
  driver.put(`{"n":0}`, `{"n":1}`);
  const deliveries = backend.receive("k", { prefetch: 2 });
  assert.deepEqual((await deliveries.next()).value?.payload, { n: 0 });
  await clock.advance(10_000); // both are lost, the second before anybody saw it
  driver.put(`{"n":2}`, `{"n":3}`);
  assert.deepEqual((await deliveries.next()).value?.payload, { n: 2 });
  assert.deepEqual((await deliveries.next()).value?.payload, { n: 3 });
});

test("LeaseManager retries a renewal sooner, and loses the lease at its end", async () => {
  const failed: string[] = [];
  const setup = setUp({ extend: () => Promise.reject(failure("connection", "refused")) }, {
    observer: { failed: ({ operation, failures }) => void failed.push(`${operation} ${failures}`) },
  });
  const [held] = await hold(setup, 1);
  await setup.clock.advance(29_999);
  assert.ok(setup.driver.extended.length >= 8, `${setup.driver.extended.length} tries`);
  assert.equal(held!.signal.aborted, false);
  await setup.clock.advance(1);
  assert.equal(held!.signal.aborted, true);
  assert.equal(failed.length, setup.driver.extended.length);
  assert.deepEqual(setup.clock.waits(), []);
});

test("LeaseManager keeps a lease renewed after failures, and returns to its pace", async () => {
  const setup = setUp({
    extend: (leases, _ms, call) => call <= 3 ? Promise.reject(failure("connection")) : leases.map(() => true),
  });
  const [held] = await hold(setup, 1);
  await setup.clock.advance(10_000 + 3 * 2_500);
  assert.equal(setup.driver.extended.length, 4);
  await setup.clock.advance(9_999);
  assert.equal(setup.driver.extended.length, 4);
  await setup.clock.advance(1);
  assert.equal(setup.driver.extended.length, 5);
  assert.equal(await held!.ack(), true);
});

test("LeaseManager loses a lease at its end although the renewal has no reply", async () => {
  const setup = setUp({ extend: hang }, { timeoutMs: 60_000 });
  const [held] = await hold(setup, 1);
  await setup.clock.advance(29_999);
  assert.equal(held!.signal.aborted, false);
  await setup.clock.advance(1);
  assert.equal(held!.signal.aborted, true);
  assert.ok(setup.driver.extended.length >= 2, "it was not tried again");
  assert.deepEqual(setup.clock.waits(), []);
});

test("LeaseManager loses a lease that cannot be renewed at its end, to the millisecond", async () => {
  const setup = setUp({ extend: false, capabilities: { extend: false } });
  const [held] = await hold(setup, 1);
  await setup.clock.advance(29_999);
  assert.equal(held!.signal.aborted, false);
  await setup.clock.advance(1);
  assert.equal(held!.signal.aborted, true);
  await assert.rejects((await hold(setup, 1))[0]!.extend(1_000), (error: QueueError) => error.code === "unsupported");
});

test("LeaseManager renews a lease after the time of day was set back", async () => {
  const setup = setUp();
  const [held] = await hold(setup, 1);
  setup.clock.set(-3_600_000);
  for (let i = 0; i < 6; i++) await setup.clock.advance(10_000);
  assert.ok(setup.driver.extended.length >= 5, `renewed ${setup.driver.extended.length} times in two leases`);
  assert.equal(held!.signal.aborted, false);
  assert.equal(await held!.ack(), true);
});

test("LeaseManager ends an unrenewed lease in time after the clock was set back", async () => {
  const setup = setUp({ extend: () => Promise.reject(failure("connection")) });
  const [held] = await hold(setup, 1);
  setup.clock.set(-3_600_000);
  await setup.clock.advance(30_000);
  assert.equal(held!.signal.aborted, true);
});

test("LeaseManager keeps a lease when the time of day is set forward", async () => {
  const setup = setUp();
  const [held] = await hold(setup, 1);
  setup.clock.set(3_600_000);
  await setup.clock.advance(10_000);
  assert.equal(held!.signal.aborted, false);
  assert.equal(await held!.ack(), true);
});

test("Delivery.extend ends the lease later, and the next renewal does not shorten it", async () => {
  const setup = setUp();
  const [held] = await hold(setup, 1);
  assert.equal(await held!.extend(600_000), true);
  await setup.clock.advance(500_000);
  assert.deepEqual(setup.driver.extended.map(({ leaseMs }) => leaseMs), [600_000]);
  await setup.clock.advance(100_000);
  assert.ok(setup.driver.extended.slice(1).every(({ leaseMs }) => leaseMs === 30_000));
  assert.equal(held!.signal.aborted, false);
});

test("Delivery.extend refuses what is no time, and returns false for a lost lease", async () => {
  const setup = setUp({ extend: (leases) => leases.map(() => false) });
  const [held] = await hold(setup, 1);
  for (const leaseMs of [0, -1, NaN, Infinity]) await assert.rejects(held!.extend(leaseMs), RangeError);
  await assert.rejects(held!.extend("1" as unknown as number), TypeError);
  assert.equal(setup.driver.extended.length, 0);
  assert.equal(await held!.extend(1_000), false);
  assert.equal(held!.signal.aborted, true);
});

test("Delivery.extend that fails rejects and changes nothing", async () => {
  const setup = setUp({
    extend: (leases, leaseMs) => leaseMs === 1 ? Promise.reject(failure("unavailable")) : leases.map(() => true),
  });
  const [held] = await hold(setup, 1);
  await assert.rejects(held!.extend(1), (error: ConsumeError) => error.name === "ConsumeError" && error.retryable);
  assert.equal(await held!.ack(), true);
});

test("LeaseManager lets a handler settle during a renewal, once", async () => {
  let answer = (_kept: boolean[]) => {};
  const setup = setUp({ extend: () => new Promise((resolve) => answer = resolve) });
  const [held] = await hold(setup, 1);
  await setup.clock.advance(10_000);
  const acked = held!.ack();
  await turn();
  answer([false]); // it was settled in between
  assert.equal(await acked, true);
  assert.deepEqual([held!.signal.aborted, setup.driver.settlements], [false, [`ack lease-{"n":0}`]]);
});

test("LeaseManager keeps a lease that is longer than any timer of the platform", async () => {
  const setup = setUp({}, { leaseMs: 2 ** 45 });
  const [held] = await hold(setup, 1);
  assert.ok(setup.clock.waits()[0]! < 2 ** 31);
  await setup.clock.advance(2 ** 32);
  assert.deepEqual([held!.signal.aborted, setup.driver.extended.length], [false, 0]);
});

test("LeaseManager counts a lease from when the broker was asked, not from its answer", async () => {
  const setup = setUp({ extend: () => Promise.reject(failure("unavailable")) });
  setup.driver.put({ id: "slow", body: "{}", leasedForMs: 25_000 });
  const { value: held } = await setup.backend.receive("k").next();
  const { signal } = held!;
  await setup.clock.advance(4_999);
  assert.equal(signal.aborted, false);
  await setup.clock.advance(1);
  assert.equal(signal.aborted, true);
});

test("Subscription hands out nothing whose lease was over when the answer came", async () => {
  const told: string[] = [];
  const setup = setUp({}, { observer: { leaseLost: ({ id }) => void told.push(id) } });
  setup.driver.put({ id: "late", body: "{}", leasedForMs: 30_000 }, { id: "timely", body: "{}", leasedForMs: 29_999 });
  const { value: held } = await setup.backend.receive("k", { prefetch: 2 }).next();
  assert.deepEqual([held!.id, told], ["timely", ["late"]]);
  assert.equal(await held!.ack(), true);
  assert.deepEqual(setup.driver.settlements.length, 1);
});
