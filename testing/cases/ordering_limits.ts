/**
 * Rule 15: ordering keys under load and together with what else a queue does, and those that are refused.
 *
 * @module
 */
import type { Delivery } from "../../core/protocol.ts";
import { type CaseDraft, casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { putKeyed, takeInOrder, takeNext } from "./keyed.ts";
import { ack, ackAll, nothingBut, ns, numbers, put, sorted } from "./support.ts";

const drafts: readonly CaseDraft[] = [
  {
    id: "hot-key",
    title: "an ordering key with a long backlog does not starve the others",
    async run(t) {
      const backend = await t.connect();
      const waiting = t.size(2_000);
      const hot = numbers(waiting).map((n) => ({ payload: { n }, orderingKey: "hot" }));
      const others = numbers(100).map((n) => ({ payload: { n: waiting + n }, orderingKey: `key-${n}` }));
      await t.settles(backend.publishBatch(t.key(), [...hot, ...others]), "the publishes");
      const reader = t.receive(backend, t.key(), { prefetch: 200 });
      const taken = await reader.take(101, "the head of each ordering key");
      equal(sorted(taken), [0, ...numbers(100).map((n) => waiting + n)], "the heads");
      await ackAll(t, taken);
      equal(ns(await reader.take(1, "the next of the hot key")), [1], "the next of the hot key");
    },
  },
  {
    id: "many-keys",
    title: "thousands of ordering keys each come in order, and leave nothing behind",
    async run(t) {
      const backend = await t.connect();
      const keys = t.size(1_000);
      const messages = numbers(2 * keys).map((n) => ({ payload: { n }, orderingKey: `thread-${n % keys}` }));
      await t.settles(backend.publishBatch(t.key(), messages), "the publishes");
      const seen = new Map<string, number>();
      const reader = t.receive(backend, t.key(), { prefetch: 100 });
      const taken: Delivery[] = [];
      while (taken.length < messages.length) {
        // A hundred acks at a time: one by one, thousands of round trips take minutes on a busy machine.
        const some = await reader.take(100, `messages after the first ${taken.length}`);
        for (const { payload, orderingKey } of some) {
          const before = seen.get(orderingKey!) ?? -1;
          check(Number(payload.n) > before, `message ${payload.n} of ${orderingKey} came after ${before}`);
          seen.set(orderingKey!, Number(payload.n));
        }
        await ackAll(t, some);
        taken.push(...some);
      }
      equal(sorted(taken), numbers(2 * keys), "all messages");
      await reader.leave();
      await nothingBut(t, backend, t.key(), "after thousands of ordering keys");
    },
  },
  {
    id: "under-load",
    title: "several consumers with failures keep each ordering key in order and never overlap",
    async run(t) {
      const key = t.key();
      const consumers = await Promise.all(numbers(3).map(() => t.connect()));
      const [threads, each] = [20, t.size(10)];
      const messages = numbers(threads * each).map((n) => ({ payload: { n }, orderingKey: `thread-${n % threads}` }));
      await t.settles(consumers[0]!.publishBatch(key, messages), "the publishes");
      const busy = new Set<string>();
      const done = new Map<string, number>();
      const problems: string[] = [];
      const failed = new Set<number>();
      let left = messages.length;
      const readers = consumers.map((backend) => t.receive(backend, key, { prefetch: 8 }));
      for (const reader of readers) {
        void reader.each(async (delivery) => {
          const { orderingKey = "none", payload: { n } } = delivery;
          if (busy.has(orderingKey)) problems.push(`two messages of ${orderingKey} at once`);
          busy.add(orderingKey);
          const expected = (done.get(orderingKey) ?? Number(orderingKey.slice(7)) - threads) + threads;
          if (n !== expected) problems.push(`${n} of ${orderingKey} came in place of ${expected}`);
          await undefined;
          busy.delete(orderingKey);
          if (!failed.has(Number(n)) && t.random.next() < 0.2) {
            failed.add(Number(n));
            await delivery.retry();
            return;
          }
          done.set(orderingKey, Number(n));
          left -= 1;
          await delivery.ack();
        });
      }
      await t.becomes(() => left === 0 || problems.length > 0, "all messages are handled");
      equal(problems.slice(0, 3), [], "what went wrong");
      for (const reader of readers) await reader.leave();
    },
  },
  {
    id: "duplicate",
    title: "an id that is published again under its ordering key adds nothing",
    needs: ["dedup"],
    async run(t) {
      const backend = await t.connect();
      const options = { id: "Ev1", orderingKey: "a" };
      await put(t, backend, t.key(), { n: 1 }, options);
      equal((await put(t, backend, t.key(), { n: 9 }, options)).outcome, "duplicate", "the outcome");
      await putKeyed(t, backend, "a", 2);
      await takeInOrder(t, backend, [1, 2], "each once");
    },
  },
  {
    id: "full",
    title: "messages that wait behind their ordering key count for maxLength",
    needs: ["maxLength"],
    async run(t) {
      const backend = await t.connect({ maxLength: 3 });
      await putKeyed(t, backend, "a", 1, 2, 3);
      const head = await takeNext(t, backend, 1, "the head");
      const error = await t.rejects(backend.publish(t.key(), { n: 4 }, { orderingKey: "a" }), "a publish too many");
      equal((error as { readonly code?: unknown }).code, "queue-full", "the code");
      await ack(t, head);
      await putKeyed(t, backend, "a", 4);
      await takeInOrder(t, backend, [2, 3, 4], "all in their order");
    },
  },
  {
    id: "depth",
    title: "depth counts what waits behind an ordering key as blocked, and as nothing else",
    needs: ["depth"],
    async run(t) {
      const backend = await t.connect();
      const counts = async (what: string, expected: { ready: number; inFlight: number; blocked: number }) => {
        const { ready, inFlight, blocked } = await t.settles(backend.depth(t.key()), "the depth");
        equal({ ready, inFlight, blocked }, expected, `the depth ${what}`);
      };
      await putKeyed(t, backend, "a", 1, 2, 3);
      const head = await takeNext(t, backend, 1, "the head");
      await counts("while the head is held", { ready: 0, inFlight: 1, blocked: 2 });
      await ack(t, head);
      await counts("after its ack", { ready: 1, inFlight: 0, blocked: 1 });
      await takeInOrder(t, backend, [2, 3], "the rest");
      await counts("at the end", { ready: 0, inFlight: 0, blocked: 0 });
    },
  },
  {
    id: "restart",
    title: "ordering keys keep their order over a restart of the broker",
    needs: ["durable"],
    features: ["restartBroker"],
    run: inTime(async (t) => {
      const backend = await t.connect({ maxRetries: 20, timeoutMs: 60_000, leaseMs: t.leaseMs });
      await putKeyed(t, backend, "a", 1, 2, 3);
      await takeInOrder(t, backend, [1], "the first");
      await t.settles(t.power("restartBroker")(), "a restart");
      await takeInOrder(t, backend, [2, 3], "the rest");
    }),
  },
];

/** The cases of rule 15 about what ordering keys go together with. */
export const orderingLimits: readonly ConformanceCase[] = casesOf(15, [
  ...drafts.map((draft) => ({ ...draft, proves: "orderingKeys" as const })),
  {
    id: "unsupported",
    title: "an ordering key that the backend does not offer is refused as unsupported",
    lacks: "orderingKeys",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      const error = await t.rejects(backend.publish(t.key(), { n: 1 }, { orderingKey: "a" }), "the publish");
      equal((error as { readonly code?: unknown }).code, "unsupported", "the code");
    },
  },
  {
    id: "refuses-wrong-keys",
    title: "an ordering key that is no text, empty or longer than 1,024 characters is refused before anything is sent",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      for (const wrong of ["", 7, null, "\ud800", "k".repeat(1_025)]) {
        const options = { orderingKey: wrong as string };
        const error = await t.rejects(backend.publish(t.key(), { n: 1 }, options), `the ordering key ${typeof wrong}`);
        check(error instanceof TypeError || error instanceof RangeError, `expected a TypeError, got ${error.name}`);
        check(error.message.includes("orderingKey"), `the message must name orderingKey: ${error.message}`);
      }
    },
  },
]);
