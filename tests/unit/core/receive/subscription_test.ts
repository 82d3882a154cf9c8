import { test } from "node:test";
import assert from "node:assert/strict";
import type { Delivery } from "../../../../core/protocol.ts";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { turn } from "../../../doubles/hand_clock.ts";
import { failure } from "../../../doubles/scripted_driver.ts";
import { bodies, setUp, take } from "./support/scripted_subscription.ts";

test("Subscription holds no more than prefetch; each settlement makes room for one", async () => {
  const { backend, driver } = setUp();
  driver.put(...bodies(50));
  const deliveries = backend.receive("k", { prefetch: 10 });
  const held = await take(deliveries, 10);
  const eleventh = deliveries.next();
  await turn();
  const leased = () => driver.asked.reduce((sum, { max }) => sum + max, 0);
  assert.equal(leased(), 10);
  assert.equal(await held[3]!.ack(), true);
  assert.deepEqual((await eleventh).value?.payload, { n: 10 });
  assert.equal(leased(), 11);
  await deliveries.return!();
});

test("Subscription fetches more while handlers are fast, up to prefetch", async () => {
  const { backend, driver } = setUp();
  driver.put(...bodies(2_000));
  const deliveries = backend.receive("k", { prefetch: 100 });
  for (let n = 0; n < 1_000; n++) await (await take(deliveries, 1))[0]!.ack();
  const asked = driver.asked.map(({ max }) => max);
  assert.equal(asked[0], 16);
  assert.ok(asked.every((max) => max <= 100));
  // Half-full or less before the next is asked for: a round trip for many, not for one.
  assert.ok(asked.length < 40, `1,000 messages took ${asked.length} round trips`);
  await deliveries.return!();
});

test("Subscription does not fetch more for slow handlers", async () => {
  const { backend, driver, clock } = setUp();
  driver.put(...bodies(500));
  const deliveries = backend.receive("k", { prefetch: 100 });
  for (let n = 0; n < 40; n++) {
    const [delivery] = await take(deliveries, 1);
    await clock.advance(1_000);
    await delivery!.ack();
  }
  assert.ok(driver.asked.slice(1).every(({ max }) => max <= 32), driver.asked.map(({ max }) => max).join());
  await deliveries.return!();
});

test("Subscription releases prefetched messages in one round trip on leaving the loop", async () => {
  const { backend, driver, clock } = setUp();
  driver.put(...bodies(5));
  let inHand: Delivery | undefined;
  for await (const delivery of backend.receive("k")) {
    inHand = delivery;
    break;
  }
  assert.deepEqual(driver.settled.map((batch) => batch.length), [4]);
  assert.deepEqual(driver.settlements, bodies(4, 1).map((body) => `release lease-${body}`));
  await clock.advance(20_000);
  assert.deepEqual(driver.extended, [], "a lease is renewed for a loop that was left");
  assert.equal(await inHand!.ack(), true);
  assert.deepEqual(clock.waits(), [], "a timer is left behind");
});

test("Subscription releases the payload in hand on leaving a consume loop", async () => {
  for (const how of ["break", "throw", "return"]) {
    const { backend, driver, clock } = setUp();
    driver.put(...bodies(3));
    const loop = async () => {
      for await (const { n } of backend.consume("k")) {
        if (n === 0) continue;
        if (how === "break") break;
        if (how === "return") return;
        throw new Error("the body failed");
      }
    };
    if (how === "throw") await assert.rejects(loop(), /the body failed/);
    else await loop();
    assert.deepEqual(driver.settlements.toSorted(), [
      `ack lease-{"n":0}`,
      `release lease-{"n":1}`,
      `release lease-{"n":2}`,
    ], how);
    assert.deepEqual(clock.waits(), [], how);
  }
});

test("Subscription of an outer loop is unchanged by breaking out of an inner one", async () => {
  const { backend, driver } = setUp();
  driver.put(`{"from":"outer"}`);
  const seen: unknown[] = [];
  for await (const outer of backend.consume("outer", { prefetch: 1 })) {
    driver.put(`{"from":"inner"}`);
    for await (const inner of backend.consume("inner", { prefetch: 1 })) {
      seen.push(outer.from, inner.from);
      break;
    }
    assert.deepEqual(driver.settlements, [`release lease-{"from":"inner"}`]);
    break;
  }
  assert.deepEqual(seen, ["outer", "inner"]);
  assert.deepEqual(driver.settlements.slice(1), [`release lease-{"from":"outer"}`]);
});

test("Subscription ends its wait on abort, and releases only what is prefetched", async () => {
  const { backend, driver, clock } = setUp();
  const { controller, signal, listeners } = countedSignal();
  driver.put(...bodies(3));
  const deliveries = backend.receive("k", { signal });
  const [inHand] = await take(deliveries, 1);
  assert.equal(listeners(), 1);
  controller.abort();
  assert.equal((await deliveries.next()).done, true);
  await turn();
  assert.deepEqual(driver.settlements, [`release lease-{"n":1}`, `release lease-{"n":2}`]);
  await clock.advance(60_000);
  assert.ok(driver.extended.length > 2, "the lease in hand was not renewed");
  assert.equal(inHand!.signal.aborted, false);
  assert.equal(await inHand!.ack(), true);
  assert.deepEqual([clock.waits(), listeners()], [[], 0]);
});

test("Subscription ends every wait on abort, also where several wait", async () => {
  const { backend } = setUp();
  const controller = new AbortController();
  const deliveries = backend.receive("k", { signal: controller.signal });
  const waiting = [deliveries.next(), deliveries.next(), deliveries.next()];
  await turn();
  controller.abort();
  assert.deepEqual((await Promise.all(waiting)).map(({ done }) => done), [true, true, true]);
});

test("Subscription fetches nothing for a signal that has aborted, and leaves nothing", async () => {
  const { backend, driver } = setUp();
  driver.put(...bodies(1));
  for await (const _ of backend.receive("k", { signal: AbortSignal.abort() })) assert.fail("it took something");
  assert.deepEqual(driver.asked, []);
  await backend.close();
});

test("Subscription releases what the driver returns after its end", async () => {
  let arrive = () => {};
  const { backend, driver } = setUp({
    receive: (options) => {
      Object.defineProperty(options, "signal", { value: new AbortController().signal }); // one that ignores its signal
      return new Promise<void>((resolve) => arrive = resolve);
    },
  });
  driver.put(...bodies(2));
  const deliveries = backend.receive("k");
  const waiting = deliveries.next();
  await turn();
  const left = deliveries.return!();
  assert.equal((await waiting).done, true);
  arrive();
  await left;
  assert.deepEqual(driver.settlements, bodies(2).map((body) => `release lease-${body}`));
});

test("Subscription leaves a loop although the driver hangs, and releases late results", async () => {
  let arrive = () => {};
  const { backend, driver, clock } = setUp({
    receive: (options) => {
      Object.defineProperty(options, "signal", { value: new AbortController().signal });
      return new Promise<void>((resolve) => arrive = resolve);
    },
  }, { timeoutMs: 700 });
  driver.put(...bodies(1));
  const deliveries = backend.receive("k");
  const waiting = deliveries.next();
  await turn();
  const left = deliveries.return!();
  await clock.advance(700);
  assert.deepEqual([(await left).done, (await waiting).done], [true, true]);
  arrive();
  await turn();
  assert.deepEqual(driver.settlements, [`release lease-{"n":0}`]);
  assert.deepEqual(clock.waits(), []);
});

test("Subscription ignores a release that fails for good", async () => {
  const { backend, driver } = setUp({ settle: () => Promise.reject(failure("unauthorized")) });
  driver.put(...bodies(3));
  for await (const _ of backend.receive("k")) break;
  await turn();
  assert.equal(driver.settled.length, 1);
});

test("Subscription serves several waiting callers in order, one message each", async () => {
  const { backend, driver } = setUp();
  const deliveries = backend.receive("k");
  const asked = [deliveries.next(), deliveries.next(), deliveries.next()];
  driver.put(...bodies(5));
  assert.deepEqual((await Promise.all(asked)).map(({ value }) => value?.payload), [{ n: 0 }, { n: 1 }, { n: 2 }]);
  await deliveries.return!();
  const after = [deliveries.next(), deliveries.next(), deliveries.return!(), deliveries.next()];
  assert.deepEqual((await Promise.all(after)).map(({ done }) => done), [true, true, true, true]);
  assert.equal(driver.settlements.filter((one) => one.startsWith("release")).length, 2);
});

test("PayloadIterator acknowledges all payloads in hand by asking again", async () => {
  const { backend, driver } = setUp();
  driver.put(...bodies(3));
  const payloads = backend.consume("k");
  await Promise.all([payloads.next(), payloads.next()]);
  assert.deepEqual((await payloads.next()).value, { n: 2 });
  await turn();
  assert.deepEqual(driver.settlements.toSorted(), [`ack lease-{"n":0}`, `ack lease-{"n":1}`]);
  await payloads.return!();
  assert.deepEqual(driver.settlements.slice(2), [`release lease-{"n":2}`]);
});

test("PayloadIterator releases all payloads in hand by leaving", async () => {
  const { backend, driver } = setUp();
  driver.put(...bodies(2));
  const payloads = backend.consume("k");
  await Promise.all([payloads.next(), payloads.next()]);
  await payloads.return!();
  assert.deepEqual(driver.settlements.toSorted(), [`release lease-{"n":0}`, `release lease-{"n":1}`]);
  assert.equal((await payloads.next()).done, true);
  assert.equal(driver.settlements.length, 2);
});

test("Subscription with stopWhenEmpty does not wait, and ends when none is ready", async () => {
  const { backend, driver, clock } = setUp();
  driver.put(...bodies(40));
  let seen = 0;
  for await (const _ of backend.consume("k", { stopWhenEmpty: true })) seen += 1;
  assert.equal(seen, 40);
  assert.ok(driver.asked.every(({ waitMs }) => waitMs === 0));
  await turn();
  assert.equal(driver.settlements.filter((one) => one.startsWith("ack")).length, 40);
  assert.deepEqual(clock.waits(), []);
});
