/**
 * Rule 11: every wait can be aborted, and close ends cleanly.
 *
 * @module
 */
import { createConsumer } from "../../core/consume/consumer.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { ack, ackAll, ns, numbers, outlive, put, putNumbers, sorted } from "./support.ts";

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

/** The cases of rule 11. */
export const closing: readonly ConformanceCase[] = casesOf(11, [
  {
    id: "close-twice",
    title: "close may be called again, and at the same time",
    level: "queue",
    sendOnly: true,
    async run(t) {
      const backend = await t.connectQueue();
      await put(t, backend, t.key(), { n: 1 });
      await t.settles(Promise.all([backend.close(), backend.close()]), "two closes at once");
      await t.settles(backend.close(), "a third close");
      await t.settles(backend[Symbol.asyncDispose](), "the disposal");
    },
  },
  {
    id: "unused",
    title: "a backend that was never used can be closed",
    level: "queue",
    sendOnly: true,
    async run(t) {
      await t.settles((await t.connectQueue()).close(), "the close");
    },
  },
  {
    id: "publish-after-close",
    title: "a publish after close is rejected with the code closed",
    level: "queue",
    sendOnly: true,
    async run(t) {
      const backend = await t.connectQueue();
      await t.settles(backend.close(), "the close");
      equal(codeOf(await t.rejects(backend.publish(t.key(), { n: 1 }), "a publish after close")), "closed", "the code");
    },
  },
  {
    id: "calls-after-close",
    title: "every call after close is rejected with the code closed",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await t.settles(backend.close(), "the close");
      const { depth, deadLetters, replay } = backend.capabilities;
      const calls: Record<string, () => Promise<unknown>> = {
        publishBatch: () => backend.publishBatch(key, [{ payload: { n: 1 } }]),
        receive: async () => await backend.receive(key).next(),
        consume: async () => await backend.consume(key).next(),
        ...depth && { depth: () => backend.depth(key) },
        ...deadLetters &&
          { list: () => backend.deadLetters.list(key).next(), purge: () => backend.deadLetters.purge(key) },
        ...replay && { replay: () => backend.deadLetters.replay(key) },
      };
      for (const [name, call] of Object.entries(calls)) {
        equal(codeOf(await t.rejects(call(), `${name} after close`)), "closed", `the code of ${name}`);
      }
      const health = await t.settles(backend.health().catch((error: Error) => ({ ok: false, error })), "the health");
      equal([health.ok, codeOf(health.error)], [false, "closed"], "the health after close");
    },
  },
  {
    id: "pending-read",
    title: "close ends a read that waits",
    level: "queue",
    async run(t) {
      const backend = await t.connectQueue();
      const reader = t.consume(backend, t.key());
      void reader.ask();
      await t.pass(1);
      await t.settles(backend.close(), "the close");
      await reader.end("the end of the read");
    },
  },
  {
    id: "sends-what-was-published",
    title: "what was published before close is sent",
    async run(t) {
      const backend = await t.connect({ closeDeadlineMs: 5_000 });
      const key = t.key();
      const publishes = numbers(50).map((n) => t.inBackground(backend.publish(key, { n })));
      const closed = t.inBackground(backend.close());
      await t.settles(Promise.all(publishes), "the publishes");
      await t.settles(closed, "the close");
      equal(sorted(await t.drain(await t.connect(), key)), numbers(50), "what is queued");
    },
  },
  {
    id: "handlers-finish",
    title: "close lets running handlers finish, and takes their acks",
    async run(t) {
      const [backend, other] = [await t.connect({ closeDeadlineMs: 5_000 }), await t.connect()];
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const delivery = await t.receive(backend, key).next("the message");
      const closed = t.inBackground(backend.close());
      check(!delivery.signal.aborted, "the signal must not abort before the deadline");
      await ack(t, delivery);
      await t.settles(closed, "the close");
      equal(ns(await t.drain(other, key)), [], "what is left");
    },
  },
  {
    id: "releases-the-rest",
    title:
      "what is in hand at the deadline of close is given back uncounted, its signal aborts, and its ack answers false",
    proves: "release",
    async run(t) {
      const [backend, heir] = [await t.connect({ closeDeadlineMs: 100 }), await t.connect()];
      const key = t.key();
      await putNumbers(t, backend, key, 5);
      const held = await t.receive(backend, key, { prefetch: 5 }).take(2, "two in hand");
      await t.settles(backend.close(), "the close");
      equal(held.map(({ signal }) => signal.aborted), [true, true], "the signals");
      equal(await t.settles(held[0]!.ack(), "an ack after close"), false, "its answer");
      const back = await t.receive(heir, key, { prefetch: 5 }).take(5, "what was given back");
      equal(back.map(({ attempts }) => attempts), [1, 1, 1, 1, 1], "the attempts");
      await ackAll(t, back);
    },
  },
  {
    id: "others-live",
    title: "closing one backend leaves the others on the same broker alone",
    async run(t) {
      const [one, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      const reader = t.receive(other, key);
      const pending = reader.ask();
      await t.settles(one.close(), "the close");
      await put(t, other, key, { n: 1 });
      const step = await t.settles(pending, "the message");
      check(!step.done, "the other's iteration ended");
      await ack(t, step.value);
    },
  },
  {
    id: "abort-waiting",
    title: "an abort ends a read that waits, and leases nothing afterwards",
    async run(t) {
      const [backend, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      const abort = new AbortController();
      const reader = t.receive(backend, key, { signal: abort.signal, prefetch: 10 });
      void reader.ask();
      await t.pass(1);
      abort.abort();
      await reader.end("the end of the read");
      await putNumbers(t, other, key, 3);
      equal(sorted(await t.receive(other, key, { prefetch: 3 }).take(3, "the messages, elsewhere")), numbers(3), "all");
    },
  },
  {
    id: "abort-before",
    title: "a read whose signal has aborted ends at once and leases nothing",
    async run(t) {
      const [backend, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      await put(t, other, key, { n: 1 });
      await t.receive(backend, key, { signal: AbortSignal.abort() }).end("the end of the read");
      equal(ns(await t.drain(other, key)), [1], "what is queued");
    },
  },
  {
    id: "abort-in-hand",
    title: "after an abort what is prefetched is given back uncounted, and what is in hand is kept and can be settled",
    proves: "release",
    needs: ["extend"],
    run: inTime(async (t) => {
      const [backend, other] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await putNumbers(t, backend, key, 4);
      const abort = new AbortController();
      const reader = t.receive(backend, key, { signal: abort.signal, prefetch: 4 });
      const inHand = await reader.next("the message in hand");
      abort.abort();
      await reader.end("the end of the read");
      const rest = await t.receive(other, key, { prefetch: 3 }).take(3, "what was given back");
      equal(rest.map(({ attempts }) => attempts), [1, 1, 1], "the attempts");
      await outlive(t, 3 * t.leaseMs);
      await ack(t, inHand);
      await ackAll(t, rest);
      equal(ns(await t.drain(other, key)), [], "what is left");
    }),
  },
  {
    id: "abort-publish",
    title: "an abort gives up the wait for a confirmation",
    features: ["delayResponses"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 0 }); // the queue is there: the next publish leaves at once
      await t.power("delayResponses")(backend, 2_000);
      const abort = new AbortController();
      const publish = t.inBackground(backend.publish(key, { n: 1 }, { signal: abort.signal }));
      await t.pass(10);
      abort.abort(new Error("enough"));
      const error = await t.rejects(publish, "the publish");
      equal(codeOf(error), "unknown-outcome", "the code: it had left already");
      await t.power("delayResponses")(backend, 0);
    },
  },
  {
    id: "consumer-drains",
    title: "a consumer that is told to stop lets its handlers finish and gives the rest back",
    proves: "release",
    async run(t) {
      const [backend, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      await putNumbers(t, backend, key, 10);
      const stop = new AbortController();
      const { promise: release, resolve: finish } = Promise.withResolvers<void>();
      const { promise: full, resolve: onFull } = Promise.withResolvers<void>();
      let started = 0;
      const consumer = createConsumer({
        concurrency: 3,
        ...t.broker.clock && { clock: t.broker.clock },
        handler: async () => {
          if (++started === 3) onFull();
          await release;
        },
      });
      const run = t.inBackground(consumer.run(backend, key, { signal: stop.signal }));
      await t.settles(full, "three handlers at work");
      stop.abort();
      finish();
      const { acked } = await t.settles(run, "the end of the run");
      equal([started, acked], [3, 3], "handlers begun and messages acked");
      const rest = await t.receive(other, key, { prefetch: 7 }).take(7, "what was given back");
      equal(rest.map(({ attempts }) => attempts), [1, 1, 1, 1, 1, 1, 1], "the attempts");
      await ackAll(t, rest);
    },
  },
  {
    id: "consumer-closes",
    title: "closing the backend ends a consumer that runs",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const { promise: handled, resolve: onHandled } = Promise.withResolvers<void>();
      const consumer = createConsumer({
        ...t.broker.clock && { clock: t.broker.clock },
        handler: () => onHandled(),
      });
      const run = t.inBackground(consumer.run(backend, key));
      await put(t, backend, key, { n: 1 });
      await t.settles(handled, "the handler");
      await t.settles(backend.close(), "the close");
      equal((await t.settles(run, "the end of the run")).acked, 1, "how many were acked");
    },
  },
]);
