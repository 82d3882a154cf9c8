/**
 * Rule 5: delays are never early.
 *
 * @module
 */
import { createConsumer } from "../../core/consume/consumer.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { ack, ackAll, nothingBut, ns, put } from "./support.ts";

/** Milliseconds, more than a timer's 31 bits hold. */
const MONTH_MS = 31 * 24 * 3_600_000;

/** Resolves with the RangeError of a call that was refused, or with undefined. */
async function refusal(call: Promise<unknown>): Promise<RangeError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error;
    throw error;
  }
}

/** The cases of rule 5. */
export const delays: readonly ConformanceCase[] = casesOf(5, [
  {
    id: "publish",
    title: "a message that was published with a delay comes when it is over, not before",
    proves: "delay",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const reader = t.receive(backend, key);
      void reader.ask();
      const before = t.now();
      await put(t, backend, key, { n: 1 }, { delayMs: t.delayMs });
      const delivery = await reader.next("the message");
      t.notEarlier(t.now(), before + t.delayMs, "the message");
      equal([delivery.payload, delivery.attempts], [{ n: 1 }, 1], "the delivery");
      await ack(t, delivery);
    },
  },
  {
    id: "publish-long",
    title: "a delay of a publish may be longer than a lease",
    proves: "delay",
    run: inTime(async (t) => {
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      const before = t.now();
      const delayMs = 2 * t.leaseMs;
      await put(t, backend, key, { n: 1 }, { delayMs });
      const delivery = await t.receive(backend, key).next("the message");
      t.notEarlier(t.now(), before + delayMs, "the message");
      await ack(t, delivery);
    }),
  },
  {
    id: "publish-month",
    title: "a delay of a month is kept, or refused as too long",
    needs: ["delay"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const refused = await t.settles(refusal(backend.publish(key, { n: 1 }, { delayMs: MONTH_MS })), "the publish");
      if (refused) return;
      await nothingBut(t, backend, key, "before the month is over");
    },
  },
  {
    id: "retry-month",
    title: "a retry in a month is kept, or refused as too long",
    needs: ["delay"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const delivery = await t.receive(backend, key).next("the message");
      const refused = await t.settles(refusal(delivery.retry({ delayMs: MONTH_MS })), "the retry");
      if (refused) return await ack(t, delivery);
      await nothingBut(t, backend, key, "before the month is over");
    },
  },
  {
    id: "retry",
    title: "a retry with a delay comes when it is over, not before",
    proves: "delay",
    async run(t) {
      const [backend, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const first = await t.receive(backend, key).next("the first delivery");
      const reader = t.receive(other, key);
      void reader.ask();
      const before = t.now();
      check(await t.settles(first.retry({ delayMs: t.delayMs }), "the retry"), "the retry was refused");
      const again = await reader.next("the second delivery");
      t.notEarlier(t.now(), before + t.delayMs, "the second delivery");
      equal([again.payload, again.attempts], [{ n: 1 }, 2], "the second delivery");
      await ack(t, again);
    },
  },
  {
    id: "retry-long",
    title: "a delay of a retry may be longer than a lease",
    proves: "delay",
    run: inTime(async (t) => {
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const reader = t.receive(backend, key);
      const first = await reader.next("the first delivery");
      const before = t.now();
      const delayMs = 3 * t.leaseMs;
      await t.settles(first.retry({ delayMs }), "the retry");
      const again = await reader.next("the second delivery");
      t.notEarlier(t.now(), before + delayMs, "the second delivery");
      await ack(t, again);
    }),
  },
  {
    id: "backoff",
    title: "a consumer's backoff is kept between the failures of a handler: no call comes early",
    needs: ["attempts", "delay"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const calls: number[] = [];
      const failures = 2;
      const stop = new AbortController();
      const consumer = createConsumer({
        maxAttempts: failures + 1,
        backoff: () => t.delayMs,
        ...t.broker.clock && { clock: t.broker.clock },
        handler: () => {
          if (calls.push(t.now()) <= failures) throw new Error("not yet");
        },
      });
      const run = t.inBackground(consumer.run(backend, key, { signal: stop.signal }));
      await t.becomes(() => calls.length > failures, "the call that succeeds");
      stop.abort();
      const { retried, acked } = await t.settles(run, "the end of the run");
      equal([retried, acked], [failures, 1], "what the consumer counted");
      for (const [n, at] of calls.slice(1).entries()) t.notEarlier(at, calls[n]! + t.delayMs, `call ${n + 2}`);
    },
  },
  {
    id: "holds-nothing-up",
    title: "a delayed message holds nothing up: what was published later comes first",
    needs: ["delay"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 }, { delayMs: t.longMs });
      await put(t, backend, key, { n: 2 });
      const reader = t.receive(backend, key);
      equal((await reader.next("the message without a delay")).payload, { n: 2 }, "what came");
      await reader.quiet(Math.min(t.delayMs, 1_000), "before the delay is over");
    },
  },
  {
    id: "by-their-time",
    title: "delayed messages come by the time when they are due",
    needs: ["delay", "fifo"],
    run: inTime(async (t) => {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 3 }, { delayMs: 3 * t.delayMs });
      await put(t, backend, key, { n: 1 }, { delayMs: t.delayMs });
      await put(t, backend, key, { n: 2 }, { delayMs: 2 * t.delayMs });
      const deliveries = await t.receive(backend, key, { prefetch: 3 }).take(3, "the messages");
      equal(ns(deliveries), [1, 2, 3], "the order");
      await ackAll(t, deliveries);
    }),
  },
  {
    id: "publisher-gone",
    title: "a delayed message comes although its publisher is closed",
    needs: ["delay"],
    async run(t) {
      const publisher = await t.connect();
      const key = t.key();
      const before = t.now();
      await put(t, publisher, key, { n: 1 }, { delayMs: t.delayMs });
      await t.settles(publisher.close(), "the close");
      const delivery = await t.receive(await t.connect(), key).next("the message");
      t.notEarlier(t.now(), before + t.delayMs, "the message");
      await ack(t, delivery);
    },
  },
  {
    id: "consumer-gone",
    title: "a delayed retry comes, not early, although the consumer that asked for it is killed",
    needs: ["delay"],
    features: ["kill"],
    async run(t) {
      const victim = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      await put(t, victim, key, { n: 1 });
      const first = await t.receive(victim, key).next("the first delivery");
      const delayMs = 2 * t.leaseMs;
      const before = t.now();
      await t.settles(first.retry({ delayMs }), "the retry");
      await t.kill(victim);
      const again = await t.receive(await t.connect(), key).next("the second delivery");
      t.notEarlier(t.now(), before + delayMs, "the second delivery");
      await ack(t, again);
    },
  },
  {
    id: "restart",
    title: "a delay outlives a restart of the broker, and is not early",
    needs: ["delay", "durable"],
    features: ["restartBroker"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const before = t.now();
      const delayMs = 4 * t.delayMs;
      await put(t, backend, key, { n: 1 }, { delayMs });
      await t.settles(backend.close(), "the close");
      await t.power("restartBroker")();
      const delivery = await t.receive(await t.connect(), key).next("the message");
      t.notEarlier(t.now(), before + delayMs, "the message");
      await ack(t, delivery);
    },
  },
  {
    id: "duplicate",
    title: "an id that was published with a delay is known before the delay is over",
    needs: ["delay", "dedup"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 }, { id: "Ev1", delayMs: t.delayMs });
      equal((await put(t, backend, key, { n: 2 }, { id: "Ev1" })).outcome, "duplicate", "the second publish");
      const delivery = await t.receive(backend, key).next("the message");
      equal(delivery.payload, { n: 1 }, "what came");
      await ack(t, delivery);
    },
  },
  {
    id: "unsupported",
    title: "a delay that the backend does not offer is refused as unsupported",
    lacks: "delay",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      const error = await t.rejects(backend.publish(t.key(), { n: 1 }, { delayMs: 1_000 }), "a publish with delayMs");
      equal((error as { code?: unknown }).code, "unsupported", "the code");
    },
  },
  {
    id: "retry-unsupported",
    title: "a retry with a delay that the backend does not offer is refused as unsupported and settles nothing",
    lacks: "delay",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const delivery = await t.receive(backend, key).next("the message");
      const error = await t.rejects(delivery.retry({ delayMs: 1_000 }), "a retry with delayMs");
      equal((error as { code?: unknown }).code, "unsupported", "the code");
      await ack(t, delivery);
    },
  },
]);
