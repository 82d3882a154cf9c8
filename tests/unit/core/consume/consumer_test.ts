import { test } from "node:test";
import assert from "node:assert/strict";
import type { ConsumerOptions } from "../../../../core/consume/consumer.ts";
import { type ConsumeError, PermanentError } from "../../../../core/errors.ts";
import type { Delivery } from "../../../../core/protocol.ts";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { turn } from "../../../doubles/hand_clock.ts";
import { failure, hang } from "../../../doubles/scripted_driver.ts";
import { bodies, setUp } from "./support/scripted_consumer.ts";

/** A handler whose runs end when the test says so. */
function gated() {
  const running = new Map<unknown, { resolve(): void; reject(error: unknown): void }>();
  let most = 0;
  const handler = ({ payload }: Delivery) =>
    new Promise<void>((resolve, reject) => {
      running.set(payload.n, { resolve, reject });
      most = Math.max(most, running.size);
    }).finally(() => running.delete(payload.n));
  return { handler, running, most: () => most };
}

test("Consumer acks, retries and gives up by the handler's outcome, with the cause", async () => {
  const { backend, driver, consumer } = setUp();
  driver.put(
    { id: "good", body: `{"n":0}` },
    { id: "bad", body: `{"n":1}`, attempts: 2 },
    { id: "last", body: `{"n":1}`, attempts: 3 },
    { id: "permanent", body: `{"n":2}` },
  );
  const handler = ({ payload }: Delivery) => {
    if (payload.n === 1) throw new TypeError("fails");
    if (payload.n === 2) throw new PermanentError("no such user");
  };
  const summary = await consumer({ handler, maxAttempts: 3, concurrency: 1 }).drain(backend, "k");
  assert.deepEqual(summary, { acked: 1, retried: 1, deadLettered: 2, lost: 0 });
  const cause = { name: "TypeError", message: "fails" };
  assert.deepEqual(driver.settled.flat(), [
    { lease: "lease-good", kind: "ack" },
    { lease: "lease-bad", kind: "retry", delayMs: 1_000, cause }, // half of 1 s, doubled once
    { lease: "lease-last", kind: "dead", cause },
    { lease: "lease-permanent", kind: "dead", cause: { name: "PermanentError", message: "no such user" } },
  ]);
});

test("Consumer waits longer with each of the broker's attempts, or as a function says", async () => {
  const waits = async (options: Partial<ConsumerOptions>) => {
    const { backend, driver, consumer } = setUp();
    driver.put(...[1, 2, 3, 20].map((attempts) => ({ id: String(attempts), body: "{}", attempts })));
    const handler = () => {
      throw new Error("fails");
    };
    await consumer({ handler, maxAttempts: 100, concurrency: 1, ...options }).drain(backend, "k");
    return driver.settled.flat().map((one) => one.kind === "retry" && one.delayMs);
  };
  assert.deepEqual(await waits({}), [500, 1_000, 2_000, 150_000]);
  assert.deepEqual(await waits({ backoff: { jitter: "none" } }), [1_000, 2_000, 4_000, 300_000]);
  assert.deepEqual(await waits({ backoff: { baseMs: 10, factor: 3, maxMs: 80 } }), [5, 15, 40, 40]);
  const seen: unknown[] = [];
  const backoff = (attempts: number, error: unknown) => {
    seen.push((error as Error).message);
    return attempts * 7;
  };
  assert.deepEqual(await waits({ backoff }), [7, 14, 21, 140]);
  assert.deepEqual(seen, Array(4).fill("fails"));
});

test("Consumer runs no more handlers than its concurrency, and a slow one blocks none", async () => {
  const { backend, driver, consumer } = setUp();
  driver.put(...bodies(10));
  const { handler, running, most } = gated();
  const draining = consumer({ handler, concurrency: 3 }).drain(backend, "k");
  await turn();
  assert.deepEqual([...running.keys()], [0, 1, 2]);
  for (let n = 1; n < 10; n++) {
    running.get(n)!.resolve();
    await turn();
  }
  assert.deepEqual([...running.keys()], [0]);
  running.get(0)!.resolve();
  assert.equal((await draining).acked, 10);
  assert.equal(most(), 3);
});

test("Consumer prefetches twice its concurrency, so that others get messages", async () => {
  const { backend, driver, consumer } = setUp();
  driver.put(...bodies(100));
  const { handler, running } = gated();
  const controller = new AbortController();
  const run = consumer({ handler, concurrency: 4 }).run(backend, "k", { signal: controller.signal });
  await turn();
  assert.deepEqual([running.size, driver.asked.map(({ max }) => max)], [4, [8]]);
  controller.abort();
  for (const { resolve } of running.values()) resolve();
  assert.equal((await run).acked, 4);
});

test("Consumer stops fetching on abort, releases the unstarted, lets handlers finish", async () => {
  const { backend, driver, clock, consumer } = setUp();
  driver.put(...bodies(4));
  const { handler, running } = gated();
  const { controller, signal, listeners } = countedSignal();
  let over = false;
  const run = consumer({ handler, concurrency: 2 }).run(backend, "k", { signal }).finally(() => over = true);
  await turn();
  controller.abort();
  await turn();
  assert.deepEqual([driver.settlements, over], [[`release lease-{"n":2}`, `release lease-{"n":3}`], false]);
  await clock.advance(60_000);
  assert.ok(driver.extended.length >= 5, "what runs was not renewed");
  running.get(0)!.resolve();
  running.get(1)!.reject(new Error("fails"));
  assert.deepEqual(await run, { acked: 1, retried: 1, deadLettered: 0, lost: 0 });
  assert.deepEqual([clock.waits(), listeners()], [[], 0]);
});

test("Consumer fetches nothing for a signal that has aborted", async () => {
  const { backend, driver, consumer } = setUp();
  driver.put(...bodies(1));
  const lazy = consumer({ handler: () => assert.fail("it ran") });
  const signal = AbortSignal.abort();
  assert.deepEqual(await lazy.run(backend, "k", { signal }), { acked: 0, retried: 0, deadLettered: 0, lost: 0 });
  assert.deepEqual(await lazy.drain(backend, "k", { signal }), { acked: 0, retried: 0, deadLettered: 0, lost: 0 });
  assert.deepEqual(driver.asked, []);
});

test("Consumer ends its run when the backend closes", async () => {
  const { backend, driver, consumer } = setUp();
  driver.put(...bodies(1));
  const run = consumer({ handler: () => undefined }).run(backend, "k");
  await turn();
  await backend.close();
  assert.equal((await run).acked, 1);
});

test("Consumer ends its run with a refusal for good, once running handlers are done", async () => {
  const { backend, driver, consumer } = setUp({
    receive: (_options, call) => call > 1 ? Promise.reject(failure("unauthorized", "no")) : undefined,
  });
  driver.put(...bodies(1));
  const { handler, running } = gated();
  let over = false;
  const run = consumer({ handler }).run(backend, "k").finally(() => over = true);
  const rejected = assert.rejects(run, (error: ConsumeError) => error.code === "unauthorized");
  await turn();
  assert.equal(over, false);
  running.get(0)!.resolve();
  await rejected;
  assert.deepEqual(driver.settlements, [`ack lease-{"n":0}`]);
});

test("Consumer ends its run when a message cannot be settled, also while it waits", async () => {
  const { backend, driver, clock, consumer } = setUp({
    settle: (all) =>
      all.some(({ kind }) => kind === "ack") ? Promise.reject(failure("unauthorized", "no")) : all.map(() => true),
  });
  driver.put(...bodies(1));
  await assert.rejects(consumer({ handler: () => undefined }).run(backend, "k"), /no$/);
  assert.deepEqual(clock.waits(), []);
});

test("Consumer lets others finish under their leases when a run ends with an error", async () => {
  const { backend, driver, clock, consumer } = setUp({
    settle: (all) =>
      all.some(({ lease }) => lease === `lease-{"n":0}`)
        ? Promise.reject(failure("invalid", "no"))
        : all.map(() => true),
  });
  driver.put(...bodies(4));
  const { handler, running } = gated();
  const run = consumer({ handler, concurrency: 2 }).run(backend, "k");
  const rejected = assert.rejects(run, /no$/);
  await turn();
  running.get(0)!.resolve();
  await turn();
  assert.deepEqual(driver.settlements, [`ack lease-{"n":0}`, `release lease-{"n":2}`, `release lease-{"n":3}`]);
  await clock.advance(40_000);
  assert.ok(driver.extended.length > 0 && driver.extended.every(({ leases }) => leases.join() === `lease-{"n":1}`));
  running.get(1)!.resolve();
  await rejected;
  assert.equal(driver.settlements.at(-1), `ack lease-{"n":1}`);
  await clock.advance(60_000);
  assert.deepEqual(clock.waits(), []);
});

test("Consumer fails a handler that takes too long, and ignores what it does later", async () => {
  const { backend, driver, clock, consumer } = setUp();
  driver.put(...bodies(1));
  const { handler, running } = gated();
  let reason: unknown;
  const draining = consumer({
    handler: (delivery) => {
      delivery.signal.addEventListener("abort", () => reason = delivery.signal.reason);
      return handler(delivery);
    },
    timeoutMs: 700,
  }).drain(backend, "k");
  await clock.advance(699);
  assert.equal(reason, undefined);
  await clock.advance(1);
  assert.deepEqual(await draining, { acked: 0, retried: 1, deadLettered: 0, lost: 0 });
  assert.match(String(reason), /Cannot finish the handler: it took longer than 700 ms/);
  const [settlement] = driver.settled.flat();
  assert.ok(settlement?.kind === "retry");
  assert.equal(settlement.cause?.message, "Cannot finish the handler: it took longer than 700 ms");
  running.get(0)!.reject(new Error("too late to matter")); // no unhandled rejection
  await turn();
  assert.deepEqual([driver.settled.length, clock.waits()], [1, []]);
});

test("Consumer aborts the signal of a handler with a time limit with the lease too", async () => {
  const { backend, driver, clock, consumer } = setUp({ extend: (leases) => leases.map(() => false) });
  driver.put(...bodies(1));
  let aborted = false;
  const draining = consumer({
    handler: ({ signal }) =>
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(void (aborted = true)))),
    timeoutMs: 60_000,
  }).drain(backend, "k");
  await clock.advance(10_000);
  assert.deepEqual(await draining, { acked: 0, retried: 0, deadLettered: 0, lost: 1 });
  assert.equal(aborted, true);
});

test("Consumer gives a handler with a time limit a complete delivery", async () => {
  const { backend, driver, consumer } = setUp();
  driver.put({ id: "1", body: `{"n":1}`, attempts: 2, headers: { h: "1" }, publishedAt: 5 });
  const seen: unknown[] = [];
  await consumer({
    timeoutMs: 1_000,
    handler: async (delivery) => {
      const { id, key, payload, attempts, headers, publishedAt } = delivery;
      seen.push(id, key, payload, attempts, headers, publishedAt);
      seen.push(await delivery.extend(5_000), await delivery.retry({ delayMs: 9 }), await delivery.deadLetter("x"));
    },
  }).drain(backend, "k");
  assert.deepEqual(seen, ["1", "k", { n: 1 }, 2, { h: "1" }, new Date(5), true, true, true]);
  assert.deepEqual(driver.settlements, ["retry lease-1"]); // the handler's own settlement wins
});

test("Consumer.drain handles ready messages and ends; retried ones are ready again", async () => {
  const { backend, driver, clock, consumer } = setUp({
    settle: (all) => {
      for (const one of all) if (one.kind === "retry") driver.put({ id: "again", body: `{"n":0}`, attempts: 2 });
      return all.map(() => true);
    },
  });
  driver.put({ id: "first", body: `{"n":0}` });
  const summary = await consumer({
    backoff: () => 0,
    handler: ({ attempts }) => {
      if (attempts === 1) throw new Error("fails once");
    },
    concurrency: 1,
  }).drain(backend, "k");
  assert.deepEqual(summary, { acked: 1, retried: 1, deadLettered: 0, lost: 0 });
  assert.deepEqual(clock.waits(), []);
});

test("Consumer.drain returns at its deadline, and does not renew leases forever", async () => {
  const { backend, driver, clock, consumer } = setUp();
  driver.put(...bodies(4));
  const seen: string[] = [];
  const draining = consumer({
    concurrency: 2,
    handler: ({ signal, payload }) => {
      signal.addEventListener("abort", () => seen.push(`${payload.n} ${signal.reason.name}`));
      return hang();
    },
  }).drain(backend, "k", { deadlineMs: 5_000 });
  await clock.advance(4_999);
  assert.deepEqual(seen, []);
  await clock.advance(1);
  assert.deepEqual(await draining, { acked: 0, retried: 0, deadLettered: 0, lost: 0 });
  assert.deepEqual(seen, ["0 TimeoutError", "1 TimeoutError"]);
  await turn();
  assert.deepEqual(driver.settlements, [`release lease-{"n":2}`, `release lease-{"n":3}`]);
  await clock.advance(60_000);
  assert.deepEqual([driver.extended.length, clock.waits()], [0, []]);
});
