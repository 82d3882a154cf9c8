/**
 * Rule 2, the queue itself: order, keys apart from each other, and messages whose time is over.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { ack, ns, numbers, outlive, put, putNumbers } from "./support.ts";

/** The cases of rule 2 about order, keys and times to live. */
export const queueing: readonly ConformanceCase[] = casesOf(2, [
  {
    id: "keys-apart",
    title: "keys do not see each other's messages",
    async run(t) {
      const backend = await t.connect();
      const [first, second] = [t.key("orders"), t.key("orders:eu")];
      await put(t, backend, first, { n: 1 });
      await put(t, backend, second, { n: 2 });
      equal(ns(await t.drain(backend, first)), [1], "the first key");
      const [delivery] = await t.drain(backend, second);
      equal([delivery?.payload, delivery?.key], [{ n: 2 }, second], "the second key");
    },
  },
  {
    id: "keys-case",
    title: "keys that differ in upper and lower case are different keys",
    async run(t) {
      const backend = await t.connect();
      const [lower, upper] = [t.key("orders"), t.key("Orders")];
      await put(t, backend, lower, { n: 1 });
      await put(t, backend, upper, { n: 2 });
      equal(ns(await t.drain(backend, lower)), [1], "the lower-case key");
      equal(ns(await t.drain(backend, upper)), [2], "the other key");
    },
  },
  {
    id: "thousand-keys",
    title: "a thousand keys in one process, or all that the harness allows, keep their messages apart",
    async run(t) {
      const backend = await t.connect();
      const count = Math.min(t.size(1_000), t.maxKeys);
      const keys = numbers(count).map((n) => t.key(`key-${n}`));
      await t.settles(Promise.all(keys.map((key, n) => backend.publish(key, { n }))), "a publish to each key");
      for (let from = 0; from < count; from += 50) {
        const some = keys.slice(from, from + 50);
        const drained = await Promise.all(some.map((key) => t.drain(backend, key)));
        equal(drained.map(ns), some.map((_, n) => [from + n]), `the keys from ${from}`);
      }
    },
  },
  {
    id: "in-order",
    title: "messages of one publisher come in the order in which they were published",
    proves: "fifo",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = t.size(200);
      await putNumbers(t, backend, key, count / 2);
      const messages = numbers(count / 2).map((n) => ({ payload: { n: n + count / 2 } }));
      await t.settles(backend.publishBatch(key, messages), "a batch");
      equal(ns(await t.drain(backend, key)), numbers(count), "the order");
    },
  },
  {
    id: "order-under-load",
    title: "the order holds while publishing and consuming overlap, and over several fetches",
    proves: "fifo",
    async run(t) {
      const [publisher, consumer] = [await t.connect(), await t.connect()];
      const key = t.key();
      const count = t.size(300);
      const reader = t.receive(consumer, key, { prefetch: 7 });
      const first = reader.ask();
      for (let n = 0; n < count; n += 30) {
        const some = numbers(30).map((offset) => publisher.publish(key, { n: n + offset }));
        await t.settles(Promise.all(some), "thirty publishes");
      }
      await t.settles(first, "the first message");
      const seen: unknown[] = [];
      while (seen.length < count) {
        const delivery = await reader.next(`message ${seen.length}`);
        seen.push(delivery.payload.n);
        await ack(t, delivery);
      }
      equal(seen, numbers(count), "the order");
      await reader.leave();
    },
  },
  {
    id: "ttl",
    title: "a message leaves by itself when its time is over",
    proves: "ttl",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 }, { ttlMs: t.delayMs });
      await put(t, backend, key, { n: 2 });
      await outlive(t, t.delayMs);
      equal(ns(await t.drain(backend, key)), [2], "what is left");
    },
  },
  {
    id: "ttl-not-over",
    title: "a message whose time is not over is delivered",
    proves: "ttl",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 }, { ttlMs: t.longMs });
      await put(t, backend, key, { n: 2 }, { ttlMs: t.delayMs });
      await outlive(t, t.delayMs);
      equal(ns(await t.drain(backend, key)), [1], "what is left");
    },
  },
  {
    id: "ttl-retried",
    title: "a message that was retried leaves when its time is over all the same",
    proves: "ttl",
    run: inTime(async (t) => {
      const backend = await t.connect();
      const key = t.key();
      const ttlMs = 2 * t.leaseMs;
      await put(t, backend, key, { n: 1 }, { ttlMs });
      const reader = t.receive(backend, key);
      const first = await reader.next("the first delivery");
      check(await t.settles(first.retry({ delayMs: 0 }), "the retry"), "the retry was refused");
      await reader.leave();
      await put(t, backend, key, { n: 2 });
      await outlive(t, ttlMs);
      equal(ns(await t.drain(backend, key)), [2], "the messages that are left");
    }),
  },
  {
    id: "ttl-unsupported",
    title: "a time to live that the backend does not offer is refused as unsupported",
    lacks: "ttl",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      const error = await t.rejects(backend.publish(t.key(), { n: 1 }, { ttlMs: 60_000 }), "a publish with ttlMs");
      equal((error as { code?: unknown }).code, "unsupported", "the code");
    },
  },
]);
