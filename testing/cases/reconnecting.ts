/**
 * Rule 12: it reconnects by itself and loses nothing that was confirmed; what is wrong for good is said.
 *
 * @module
 */
import { ConsumeError, QueueError } from "../../core/errors.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { atMost, check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { ack, nothingBut, ns, numbers, put, putNumbers } from "./support.ts";

/** The cases of rule 12. */
export const reconnecting: readonly ConformanceCase[] = casesOf(12, [
  {
    id: "full",
    title: "a consumer outlasts a broker that is full: it is the one that makes room",
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      for (const n of [0, 1]) await put(t, backend, key, { n });
      t.power("failNext")(backend, "receive", "queue-full", 2);
      const reader = t.receive(backend, key, { prefetch: 2 });
      const first = await reader.next("the message, once the broker takes the receive");
      t.power("failNext")(backend, "settle", "queue-full", 2);
      await ack(t, first);
      await ack(t, await reader.next("the other message"));
      await reader.leave();
      await nothingBut(t, backend, key, "what is left");
    },
  },
  {
    id: "waiting-read",
    title: "a consumer that waits gets what is published after its connection broke",
    features: ["dropConnections"],
    run: inTime(async (t) => {
      const [consumer, publisher] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      const reader = t.receive(consumer, key);
      void reader.ask();
      for (let n = 0; n < 3; n++) {
        await t.pass(1);
        await t.power("dropConnections")();
        await put(t, publisher, key, { n });
        const delivery = await reader.next(`the message after cut ${n + 1}`);
        equal(delivery.payload, { n }, "the payload");
        await ack(t, delivery);
        void reader.ask();
      }
    }),
  },
  {
    id: "while-publishing",
    title: "ten thousand messages go through while connections break: what was confirmed arrives, duplicates are few",
    features: ["dropConnections"],
    async run(t) {
      const [consumer, publisher] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect({ maxRetries: 10 })];
      const key = t.key();
      const count = t.size(10_000);
      const cuts = 8;
      const seen = new Map<number, number>();
      const prefetch = 100;
      const reader = t.receive(consumer, key, { prefetch });
      const work = reader.each((delivery) => {
        const n = Number(delivery.payload.n);
        seen.set(n, (seen.get(n) ?? 0) + 1);
        // Not waited for, so that acks travel together; where one fails for good, the message comes again.
        delivery.ack().catch(() => undefined);
      });
      const confirmed: number[] = [];
      for (let cut = 0; cut < cuts; cut++) {
        const publishes = numbers(count / cuts).map(async (n) => {
          const number = cut * count / cuts + n;
          try {
            await publisher.publish(key, { n: number });
            confirmed.push(number);
          } catch (error) {
            check(error instanceof QueueError, `a publish rejected with ${error}`);
          }
        });
        await t.pass(1);
        await t.power("dropConnections")();
        await t.settles(Promise.all(publishes), "the publishes");
      }
      const all = () => confirmed.every((n) => seen.has(n));
      while (!all()) {
        const before = seen.size;
        await t.becomes(() => seen.size > before || all(), `more than ${before} of ${confirmed.length} handled`);
      }
      await reader.leave();
      await t.settles(work, "the end of the loop");
      if (publisher.capabilities.dedup) {
        equal(confirmed.length, count, "with dedup every publish is confirmed in the end");
      }
      const duplicates = [...seen.values()].reduce((sum, times) => sum + times - 1, 0);
      // A cut can cost the replies of what is held at that moment, and no more.
      atMost(duplicates, cuts * 2 * prefetch, "how many came again");
    },
  },
  {
    id: "restart",
    title: "publisher and consumer carry on by themselves when the broker is stopped and started",
    needs: ["durable"],
    features: ["restartBroker"],
    async run(t) {
      const [consumer, publisher] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect({ maxRetries: 20 })];
      const key = t.key();
      const seen = new Set<unknown>();
      const reader = t.receive(consumer, key, { prefetch: 10 });
      const work = reader.each(async (delivery) => {
        seen.add(delivery.payload.n);
        await delivery.ack();
      });
      const confirmed: number[] = [];
      for (let round = 0; round < 3; round++) {
        const publishes = numbers(t.size(50)).map(async (n) => {
          const number = round * t.size(50) + n;
          await publisher.publish(key, { n: number }).then(() => confirmed.push(number), (error) => {
            check(error instanceof QueueError, `a publish rejected with ${error}`);
          });
        });
        await t.power("restartBroker")();
        await t.settles(Promise.all(publishes), "the publishes");
      }
      await t.becomes(async () => {
        await publisher.publish(key, { n: -1 });
        return seen.has(-1);
      }, "publishing and consuming after the restarts");
      await t.becomes(() => confirmed.every((n) => seen.has(n)), "everything that was confirmed was handled");
      await reader.leave();
      await t.settles(work, "the end of the loop");
    },
  },
  {
    id: "read-retried",
    title: "a read that fails for the moment is tried again for as long as it takes",
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect({ maxRetries: 1, retryDelayMs: 10 });
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      t.power("failNext")(backend, "receive", "connection", 5);
      const delivery = await t.receive(backend, key).next("the message");
      equal(delivery.payload, { n: 1 }, "the payload");
      await ack(t, delivery);
    },
  },
  {
    id: "read-refused",
    title: "a read that fails for good is rejected with a ConsumeError that keeps its cause, and ends",
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      t.power("failNext")(backend, "receive", "unauthorized", 1);
      const reader = t.receive(backend, key);
      const error = await t.rejects(reader.ask(), "the read");
      check(error instanceof ConsumeError, `it must reject with a ConsumeError, not ${error.name}`);
      equal([error.code, error.key, error.retryable], ["unauthorized", key, false], "code, key and retryable");
      check(error.cause instanceof Error, "the error beneath must be kept as the cause");
      reader.forget();
      await reader.end("the end of the iteration");
      await put(t, backend, key, { n: 1 });
      equal(ns(await t.drain(backend, key)), [1], "what a new iteration gets");
    },
  },
  {
    id: "lost-read",
    title: "messages whose delivery was lost on the wire come again after the lease",
    features: ["loseNextReply"],
    run: inTime(async (t) => {
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      await putNumbers(t, backend, key, 3);
      await t.power("loseNextReply")(backend, "receive");
      const deliveries = await t.receive(backend, key, { prefetch: 3 }).take(3, "the messages");
      equal(new Set(ns(deliveries)).size, 3, "different messages");
      for (const delivery of deliveries) await ack(t, delivery);
      await nothingBut(t, backend, key, "after everything was settled");
    }),
  },
  {
    id: "settle-refused",
    title: "a settlement that fails for good is rejected with a ConsumeError, and the message comes again",
    features: ["failNext"],
    run: inTime(async (t) => {
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const reader = t.receive(backend, key);
      const delivery = await reader.next("the first delivery");
      t.power("failNext")(backend, "settle", "invalid");
      const error = await t.rejects(delivery.ack(), "the ack");
      check(error instanceof ConsumeError, `it must reject with a ConsumeError, not ${error.name}`);
      equal(error.code, "invalid", "the code");
      const again = await reader.next("the second delivery");
      equal(again.payload, { n: 1 }, "the payload");
      await ack(t, again);
    }),
  },
  {
    id: "healthy",
    title: "health answers ok where the broker answers, and publishes nothing",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      const { ok, latencyMs, error } = await t.settles(backend.health(), "the health");
      equal([ok, error], [true, undefined], "ok and error");
      check(latencyMs >= 0, `the latency must not be negative, got ${latencyMs}`);
      if (backend.capabilities.depth) {
        const { ready, delayed } = await t.settles(backend.depth(t.key()), "the depth");
        equal([ready, delayed], [0, 0], "what is queued");
      }
    },
  },
  {
    id: "unhealthy",
    title: "health is not ok, with the reason, where the broker does not answer; or it says that nobody asked",
    sendOnly: true,
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect();
      t.power("failNext")(backend, "ping", "connection", 10);
      const { ok, error, asked = true } = await t.settles(backend.health(), "the health");
      if (!asked) return check(error === undefined, "an error needs a broker that was asked");
      check(!ok, "it must not be ok");
      check(error instanceof QueueError, "the error must be a QueueError");
      equal(error.code, "connection", "the code");
    },
  },
]);
