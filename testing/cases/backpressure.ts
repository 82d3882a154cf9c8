/**
 * Rule 10: no more is taken than can be held.
 *
 * @module
 */
import { createConsumer } from "../../core/consume/consumer.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { atMost, check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { ack, ackAll, nothingBut, ns, numbers, put, putNumbers, sorted } from "./support.ts";

/** The cases of rule 10. */
export const backpressure: readonly ConformanceCase[] = casesOf(10, [
  {
    id: "prefetch",
    title: "a consumer holds no more than its prefetch: the rest is there for the others",
    async run(t) {
      const [greedy, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      await putNumbers(t, greedy, key, 20);
      const reader = t.receive(greedy, key, { prefetch: 5 });
      const held = await reader.take(5, "as many as may be held");
      await reader.quiet(Math.min(t.delayMs, 1_000), "beyond the prefetch");
      const rest = await t.receive(other, key, { prefetch: 15 }).take(15, "the rest");
      equal(sorted([...held, ...rest]), numbers(20), "all of them");
      await ackAll(t, [...held, ...rest]);
    },
  },
  {
    id: "settling-makes-room",
    title: "settling one lets one more come",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await putNumbers(t, backend, key, 6);
      const reader = t.receive(backend, key, { prefetch: 2 });
      const held = await reader.take(2, "as many as may be held");
      const seen = [...held];
      for (let n = 0; n < 4; n++) {
        const pending = reader.ask();
        await ack(t, held.shift()!);
        const step = await t.settles(pending, "one more");
        check(!step.done, "the iteration ended");
        reader.forget();
        held.push(step.value);
        seen.push(step.value);
      }
      equal(sorted(seen), numbers(6), "all of them");
      await ackAll(t, held);
    },
  },
  {
    id: "one-at-a-time",
    title: "with a prefetch of one the next comes only after the one before is settled",
    async run(t) {
      const [backend, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      await putNumbers(t, backend, key, 3);
      const reader = t.receive(backend, key, { prefetch: 1 });
      const first = await reader.next("the first");
      await reader.quiet(Math.min(t.delayMs, 1_000), "before the first is settled");
      const rest = await t.receive(other, key, { prefetch: 2 }).take(2, "the others, elsewhere");
      equal(sorted([first, ...rest]), numbers(3), "all of them");
      await ackAll(t, [first, ...rest]);
    },
  },
  {
    id: "in-flight",
    title: "under a slow handler no more is in flight than the prefetch",
    needs: ["depth"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = t.size(100);
      await putNumbers(t, backend, key, count);
      const reader = t.receive(backend, key, { prefetch: 10 });
      for (let n = 0; n < count; n++) {
        const delivery = await reader.next(`message ${n}`);
        if (n % 10 === 0) {
          const { inFlight } = await t.settles(backend.depth(key), "the depth");
          atMost(inFlight, 10, "how many are in flight");
        }
        await ack(t, delivery);
      }
    },
  },
  {
    id: "concurrency",
    title: "a consumer runs as many handlers at once as it was told, and no more",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = t.size(40);
      await putNumbers(t, backend, key, count);
      let running = 0;
      let most = 0;
      const seen: unknown[] = [];
      const stop = new AbortController();
      const consumer = createConsumer({
        concurrency: 4,
        ...t.broker.clock && { clock: t.broker.clock },
        handler: async ({ payload }) => {
          most = Math.max(most, ++running);
          // Long enough for any other handler that may start to have started.
          await t.pass(1);
          running--;
          seen.push(payload.n);
        },
      });
      const run = t.inBackground(consumer.run(backend, key, { signal: stop.signal }));
      // Check every millisecond: longer waits would use up the patience before all messages are handled.
      for (let passed = 0; seen.length < count; passed++) {
        check(passed < 1_000 * count, `only ${seen.length} of ${count} messages were handled`);
        await Promise.race([run, t.pass(1)]); // a run that fails says why
      }
      stop.abort();
      equal((await t.settles(run, "the end of the run")).acked, count, "how many were acked");
      equal(most, 4, "how many ran at once");
      equal(seen.toSorted((a, b) => Number(a) - Number(b)), numbers(count), "what was handled");
    },
  },
  {
    id: "large-messages",
    title: "large messages all come, once each, however many a consumer asks for and although an answer was lost",
    features: ["loseNextReply"],
    run: inTime(async (t) => {
      t.allowRealWork();
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      const count = 8;
      const text = "x".repeat(Math.min(300_000, backend.capabilities.maxPayloadBytes - 100));
      for (const n of numbers(count)) await put(t, backend, key, { n, text });
      await t.power("loseNextReply")(backend, "receive");
      const reader = t.receive(backend, key, { prefetch: 100 });
      const came: unknown[] = [];
      while (came.length < count) {
        const delivery = await reader.next(`large message ${came.length}`);
        equal((delivery.payload.text as string).length, text.length, "its length");
        came.push(delivery.payload.n);
        await ack(t, delivery);
      }
      equal(came.sort(), numbers(count), "the messages");
      await reader.leave();
      await nothingBut(t, backend, key, "what is left");
    }),
  },
  {
    id: "large-backlog",
    title: "a large backlog flows through a small prefetch, each message once",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = t.size(2_000);
      for (let from = 0; from < count; from += 500) {
        const messages = numbers(500).map((n) => ({ payload: { n: from + n } }));
        await t.settles(backend.publishBatch(key, messages), "a batch");
      }
      const reader = t.receive(backend, key, { prefetch: 20 });
      const seen: unknown[] = [];
      const acks: Promise<boolean>[] = [];
      while (seen.length < count) {
        const delivery = await reader.next(`message ${seen.length}`);
        seen.push(delivery.payload.n);
        acks.push(t.inBackground(delivery.ack()));
      }
      check((await t.settles(Promise.all(acks), "the acks")).every(Boolean), "an ack was refused");
      equal(new Set(seen).size, count, "different messages");
      await reader.leave();
      equal(ns(await t.drain(backend, key)), [], "what is left");
    },
  },
]);
