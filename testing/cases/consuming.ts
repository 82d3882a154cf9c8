/**
 * Rule 9: `consume` acknowledges by asking; leaving a loop gives back what is held, uncounted.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { ack, ackAll, attemptsAre, nothingBut, ns, numbers, outlive, put, putNumbers, sorted } from "./support.ts";

/** The cases of rule 9. */
export const consuming: readonly ConformanceCase[] = casesOf(9, [
  {
    id: "asking",
    title: "asking for the next payload acknowledges the one before, and only that one",
    level: "queue",
    async run(t) {
      const first = await t.connectQueue();
      const key = t.key();
      await putNumbers(t, first, key, 3);
      const reader = t.consume(first, key);
      const done = await reader.next("the first payload");
      const inHand = await reader.next("the second payload");
      await reader.leave();
      await t.settles(first.close(), "the close");
      const rest = await t.consume(await t.connectQueue(), key, { prefetch: 3 }).take(2, "what is left");
      check(!ns(rest).includes(done.n), "the payload that was acknowledged came again");
      check(ns(rest).includes(inHand.n), "the payload in hand must come again");
    },
  },
  {
    id: "asking-is-enough",
    title: "the ack goes out when the next is asked for, though nothing comes",
    run: inTime(async (t) => {
      const [backend, other] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const reader = t.consume(backend, key);
      await reader.next("the payload");
      void reader.ask();
      await outlive(t, 2 * t.leaseMs);
      await t.settles(backend.close(), "the close");
      equal(ns(await t.drain(other, key)), [], "what is left");
    }),
  },
  {
    id: "break",
    title: "break gives back the payload in hand and everything prefetched, at once and uncounted",
    proves: "release",
    async run(t) {
      const [first, second] = [await t.connect(), await t.connect()];
      const key = t.key();
      await putNumbers(t, first, key, 6);
      const loop = async () => {
        for await (const payload of first.consume(key, { prefetch: 6 })) {
          check("n" in payload, "the payload");
          break;
        }
      };
      await t.settles(loop(), "the loop");
      // Leases last an hour here: what comes was given back.
      const deliveries = await t.receive(second, key, { prefetch: 6 }).take(6, "what was given back");
      equal(sorted(deliveries), numbers(6), "what came back");
      equal(deliveries.map(({ attempts }) => attempts), [1, 1, 1, 1, 1, 1], "the attempts");
      await ackAll(t, deliveries);
    },
  },
  {
    id: "throw",
    title: "an error in the loop gives back the payload in hand, at once and uncounted",
    proves: "release",
    async run(t) {
      const [first, second] = [await t.connect(), await t.connect()];
      const key = t.key();
      await put(t, first, key, { n: 1 });
      const loop = async () => {
        for await (const payload of first.consume(key)) throw new Error(`cannot handle ${payload.n}`);
      };
      equal((await t.rejects(loop(), "the loop")).message, "cannot handle 1", "the loop's own error");
      const delivery = await t.receive(second, key).next("what was given back");
      equal([delivery.payload, delivery.attempts], [{ n: 1 }, 1], "what came back");
      await ack(t, delivery);
    },
  },
  {
    id: "receive-left",
    title: "leaving a receive gives back what is prefetched, uncounted, and what is in hand can still be settled",
    proves: "release",
    async run(t) {
      const [first, second] = [await t.connect(), await t.connect()];
      const key = t.key();
      await putNumbers(t, first, key, 5);
      const reader = t.receive(first, key, { prefetch: 5 });
      const inHand = await reader.next("the message in hand");
      await reader.leave();
      const others = await t.receive(second, key, { prefetch: 4 }).take(4, "what was given back");
      equal(others.map(({ attempts }) => attempts), [1, 1, 1, 1], "the attempts");
      await ack(t, inHand);
      await ackAll(t, others);
      equal(sorted([inHand, ...others]), numbers(5), "all of them");
      await nothingBut(t, second, key, "after everything was settled");
    },
  },
  {
    id: "released-order",
    title: "what was given back comes before what was published later",
    proves: "fifo",
    needs: ["release"],
    async run(t) {
      const [first, second] = [await t.connect(), await t.connect()];
      const key = t.key();
      await putNumbers(t, first, key, 5);
      const reader = t.consume(first, key, { prefetch: 5 });
      await reader.next("the first payload");
      await reader.leave();
      await put(t, first, key, { n: 5 });
      equal(ns(await t.drain(second, key)), numbers(6), "the order");
    },
  },
  {
    id: "stop-when-empty",
    title: "with stopWhenEmpty the iteration ends when nothing is ready, and not before",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      equal(ns(await t.drain(backend, key)), [], "of an empty queue");
      await putNumbers(t, backend, key, t.size(150));
      equal(sorted(await t.drain(backend, key)), numbers(t.size(150)), "of a queue with messages");
    },
  },
  {
    id: "one-loop-left",
    title: "leaving one loop gives back nothing that another loop of the same backend has in hand",
    needs: ["release"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await putNumbers(t, backend, key, 2);
      const [stays, leaves] = [t.receive(backend, key), t.consume(backend, key)];
      const held = await stays.next("a message");
      const given = await leaves.next("the other message");
      await leaves.leave();
      const again = await t.receive(await t.connect(), key).next("the message that was given back");
      equal(again.payload, given, "the message that was given back");
      await ack(t, again);
      await nothingBut(t, backend, key, "while the first loop holds its message");
      await ack(t, held);
    },
  },
  {
    id: "after-the-end",
    title: "an iteration that was left stays ended",
    level: "queue",
    async run(t) {
      const backend = await t.connectQueue();
      const key = t.key();
      await putNumbers(t, backend, key, 2);
      const iterator = backend.consume(key);
      check(iterator[Symbol.asyncIterator]() === iterator, "the iterator must be its own iterable");
      await t.settles(iterator.next(), "the first payload");
      await t.settles(iterator.return!(), "the return");
      equal((await t.settles(iterator.next(), "one more next")).done, true, "done");
      await t.settles(iterator.return!(), "one more return");
    },
  },
  {
    id: "many-times",
    title: "a loop that is left and begun again and again loses nothing and repeats nothing",
    needs: ["release"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = t.size(30);
      await putNumbers(t, backend, key, count);
      const seen: unknown[] = [];
      while (seen.length < count) {
        const reader = t.receive(backend, key, { prefetch: 7 });
        const delivery = await reader.next(`message ${seen.length}`);
        seen.push(delivery.payload.n);
        attemptsAre(t, delivery, 1);
        await ack(t, delivery);
        await reader.leave();
      }
      equal(seen.toSorted((a, b) => Number(a) - Number(b)), numbers(count), "what was handled");
    },
  },
]);
