/**
 * Rule 2: a message leaves the queue only when it is settled, and a killed consumer's message comes again.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { atMost, check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { ack, ackAll, nothingBut, ns, numbers, outlive, put, putNumbers, sorted } from "./support.ts";

/** The cases of rule 2. */
export const atLeastOnce: readonly ConformanceCase[] = casesOf(2, [
  {
    id: "before-any-consumer",
    title: "what was published before any consumer came is delivered",
    level: "queue",
    async run(t) {
      const publisher = await t.connectQueue();
      const key = t.key();
      await putNumbers(t, publisher, key, 5);
      const payloads = await t.consume(await t.connectQueue(), key).take(5, "the messages");
      equal(sorted(payloads), numbers(5), "what arrived");
    },
  },
  {
    id: "waiting-consumer",
    title: "a consumer that waits gets what is published afterwards, by whatever process",
    proves: "pull",
    level: "queue",
    async run(t) {
      const consumer = await t.connectQueue();
      const publisher = await t.connectQueue();
      const key = t.key();
      const reader = t.consume(consumer, key);
      const pending = reader.ask();
      await put(t, publisher, key, { n: 1 });
      equal((await t.settles(pending, "the message")).value, { n: 1 }, "the payload");
      await reader.leave();
    },
  },
  {
    id: "killed",
    title: "a killed consumer's message comes again after the lease, not before",
    features: ["kill"],
    async run(t) {
      const [victim, heir] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await put(t, victim, key, { n: 1 });
      const before = t.now();
      await t.receive(victim, key).next("the first delivery");
      await t.kill(victim);
      const again = await t.receive(heir, key).next("the second delivery");
      t.notEarlier(t.now(), before + t.leaseMs, "the second delivery");
      equal(again.payload, { n: 1 }, "the payload");
      await ack(t, again);
    },
  },
  {
    id: "killed-prefetched",
    title: "everything that a killed consumer had prefetched comes again, once",
    features: ["kill"],
    async run(t) {
      const [victim, heir] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      const count = t.size(20);
      await putNumbers(t, victim, key, count);
      await t.receive(victim, key, { prefetch: count }).take(3, "the first deliveries");
      await t.kill(victim);
      const again = await t.receive(heir, key, { prefetch: count }).take(count, "what comes again");
      equal(sorted(again), numbers(count), "what came again");
      await ackAll(t, again);
      await nothingBut(t, heir, key, "after everything was settled");
    },
  },
  {
    id: "killed-payloads",
    title: "a consumer killed between two payloads loses neither the one in hand nor the next",
    features: ["kill"],
    async run(t) {
      const [victim, heir] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await putNumbers(t, victim, key, 3);
      const first = await t.consume(victim, key, { prefetch: 1 }).next("the first payload");
      await t.kill(victim);
      const rest = await t.receive(heir, key, { prefetch: 3 }).take(3, "what comes again");
      equal(sorted(rest), numbers(3), "what came again");
      check(rest.some(({ payload }) => payload.n === first.n), "the payload in hand must come again");
      await ackAll(t, rest);
    },
  },
  {
    id: "acked",
    title: "what was acked never comes again, however many leases pass",
    run: inTime(async (t) => {
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      await putNumbers(t, backend, key, 5);
      await ackAll(t, await t.receive(backend, key, { prefetch: 5 }).take(5, "the messages"));
      await outlive(t, 3 * t.leaseMs);
      await nothingBut(t, backend, key, "after three leases");
      equal(ns(await t.drain(await t.connect(), key)), [], "what another process finds");
    }),
  },
  {
    id: "retried",
    title: "what a handler gives back comes again at once, whole",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const { id } = await put(t, backend, key, { n: 1, text: "whole" });
      const reader = t.receive(backend, key);
      const first = await reader.next("the first delivery");
      check(await t.settles(first.retry({ reason: new Error("not yet") }), "the retry"), "the retry was refused");
      const again = await reader.next("the second delivery");
      equal([again.payload, again.id], [{ n: 1, text: "whole" }, first.id], "the second delivery");
      if (backend.capabilities.dedup) equal(again.id, id, "the publisher's id");
      await ack(t, again);
    },
  },
  {
    id: "leased",
    title: "what one consumer holds nobody else gets",
    async run(t) {
      const [one, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      await put(t, one, key, { n: 1 });
      const held = await t.receive(one, key).next("the message");
      await nothingBut(t, other, key, "while another holds the message");
      await t.receive(other, key).quiet(Math.min(t.leaseMs, 1_000), "while another holds the message");
      await ack(t, held);
    },
  },
  {
    id: "shared",
    title: "several consumers share the messages: each comes once, to one of them",
    async run(t) {
      const key = t.key();
      const count = t.size(120);
      const backends = await Promise.all(numbers(4).map(() => t.connect()));
      const seen: unknown[] = [];
      const readers = backends.map((backend) => t.receive(backend, key, { prefetch: 5 }));
      const work = readers.map((reader) =>
        reader.each(async (delivery) => {
          seen.push(delivery.payload.n);
          await delivery.ack();
        })
      );
      await putNumbers(t, backends[0]!, key, count);
      await t.becomes(() => seen.length >= count, "all messages handled");
      await Promise.all(readers.map((reader) => reader.leave()));
      await t.settles(Promise.all(work), "the end of the loops");
      equal(seen.toSorted((a, b) => Number(a) - Number(b)), numbers(count), "what was handled");
    },
  },
  {
    id: "few-duplicates",
    title: "after a kill no more comes twice than the killed consumer held",
    features: ["kill"],
    run: inTime(async (t) => {
      const [victim, heir] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      const count = t.size(60);
      await putNumbers(t, heir, key, count);
      const reader = t.receive(victim, key, { prefetch: 8 });
      for (let n = 0; n < 10; n++) await ack(t, await reader.next(`message ${n}`));
      const held = await reader.take(4, "four more");
      await t.kill(victim);
      const rest = await t.receive(heir, key, { prefetch: count - 10 }).take(count - 10, "the rest");
      await ackAll(t, rest);
      equal(new Set(ns(rest)).size, count - 10, "different messages");
      const twice = rest.filter(({ payload }) => held.some((one) => one.payload.n === payload.n));
      atMost(twice.length, 8, "how many came twice");
      await nothingBut(t, heir, key, "after everything was settled");
    }),
  },
  {
    id: "reopened",
    title: "closing and opening again loses nothing",
    async run(t) {
      const first = await t.connect();
      const key = t.key();
      await putNumbers(t, first, key, 10);
      const reader = t.receive(first, key, { prefetch: 4 });
      await ackAll(t, await reader.take(3, "the first three"));
      await t.settles(first.close(), "the close");
      const second = await t.connect();
      const rest = await t.receive(second, key, { prefetch: 7 }).take(7, "the rest");
      equal(new Set(ns(rest)).size, 7, "different messages");
      await ackAll(t, rest);
    },
  },
  {
    id: "restarted",
    title: "a broker that stops hard and starts again has all that was confirmed",
    proves: "durable",
    features: ["restartBroker"],
    async run(t) {
      const before = await t.connect();
      const key = t.key();
      await putNumbers(t, before, key, t.size(50));
      await ackAll(t, await t.receive(before, key, { prefetch: 5 }).take(5, "the first five"));
      await t.settles(before.close(), "the close");
      await t.power("restartBroker")();
      const after = await t.connect();
      const rest = await t.receive(after, key, { prefetch: 100 }).take(t.size(50) - 5, "the rest");
      equal(new Set(ns(rest)).size, t.size(50) - 5, "different messages");
      await ackAll(t, rest);
    },
  },
  {
    id: "lost-ack",
    title: "an ack whose reply is lost is settled all the same: the message does not come again",
    features: ["loseNextReply"],
    run: inTime(async (t) => {
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const delivery = await t.receive(backend, key).next("the message");
      await t.power("loseNextReply")(backend, "settle");
      await ack(t, delivery);
      await outlive(t, t.leaseMs);
      await nothingBut(t, backend, key, "after the lost reply");
    }),
  },
  {
    id: "ack-retried",
    title: "an ack that fails for the moment is tried again, and answers true",
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const delivery = await t.receive(backend, key).next("the message");
      t.power("failNext")(backend, "settle", "unavailable", 2);
      await ack(t, delivery);
      await nothingBut(t, backend, key, "after the ack");
    },
  },
  {
    id: "first-settlement",
    title: "the first settlement wins: later ones change nothing and answer as the first",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const delivery = await t.receive(backend, key).next("the message");
      const answers = await t.settles(
        Promise.all([delivery.ack(), delivery.ack(), delivery.retry(), delivery.deadLetter("late")]),
        "four settlements",
      );
      equal(answers, [true, true, true, true], "their answers");
      equal(await t.settles(delivery.retry(), "one more"), true, "its answer");
      await nothingBut(t, backend, key, "after the ack");
      if (backend.capabilities.depth) equal((await t.settles(backend.depth(key), "the depth")).dead, 0, "dead letters");
    },
  },
]);
