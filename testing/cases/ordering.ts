/**
 * Rule 15: messages of one ordering key are handled one at a time, in order, whatever fails; all others flow.
 *
 * @module
 */
import type { Delivery, LeasingBackend } from "../../core/protocol.ts";
import type { CaseContext, CaseDraft } from "../case.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { ack, ackAll, nothingBut, ns, numbers, outlive, put, sorted } from "./support.ts";

/** Ordering keys that an encoding or a lookup may get wrong. */
const AWKWARD_KEYS: readonly string[] = [
  "a",
  "k".repeat(1_024),
  "T1:C1:1700000000.123456",
  "with space, comma; {brace} [bracket] \"quote\" 'apostrophe' \\ / %20 * ? : | =",
  "zwölf ☕ 日本語 🧵",
  "line\nbreak\ttab\u0000nul",
  "__proto__",
  "constructor",
  "0",
  "null",
];

/** Publishes `{ n }` under an ordering key for each number, in order. */
async function putKeyed(
  t: CaseContext,
  backend: LeasingBackend,
  orderingKey: string | undefined,
  ...values: number[]
): Promise<void> {
  for (const n of values) await put(t, backend, t.key(), { n }, { ...orderingKey !== undefined && { orderingKey } });
}

/** Takes the next message, which must be `{ n }`. */
async function takeNext(t: CaseContext, backend: LeasingBackend, n: number, what: string): Promise<Delivery> {
  const reader = t.receive(backend, t.key(), { prefetch: 1 });
  const delivery = await reader.next(what);
  equal(delivery.payload, { n }, what);
  return delivery;
}

/** Takes `expected` in this order, each after the ack of the one before. */
async function takeInOrder(t: CaseContext, backend: LeasingBackend, expected: number[], what: string): Promise<void> {
  for (const n of expected) await ack(t, await takeNext(t, backend, n, what));
}

const drafts: readonly CaseDraft[] = [
  {
    id: "one-at-a-time",
    title: "of one ordering key one message is delivered, the next after its ack; all others flow",
    async run(t) {
      const backend = await t.connect();
      await putKeyed(t, backend, "a", 1, 2);
      await putKeyed(t, backend, "b", 3);
      await putKeyed(t, backend, undefined, 4);
      const reader = t.receive(backend, t.key(), { prefetch: 3 });
      const first = await reader.take(3, "the heads");
      equal(sorted(first), [1, 3, 4], "the messages that may be delivered at once");
      await nothingBut(t, backend, t.key(), "while the head of a is held");
      await ackAll(t, first);
      equal(ns([await reader.next("the second of a")]), [2], "the message after the ack");
    },
  },
  {
    id: "across-consumers",
    title: "the one lease of an ordering key is the only one in all consumers",
    async run(t) {
      const [one, other] = [await t.connect(), await t.connect()];
      await putKeyed(t, one, "a", 1, 2);
      const head = await takeNext(t, one, 1, "the head");
      await nothingBut(t, other, t.key(), "to another consumer while the head is held");
      await ack(t, head);
      await takeInOrder(t, other, [2], "the next, at the other consumer");
    },
  },
  {
    id: "key-told",
    title: "a delivery tells the ordering key as it was published, whatever characters it has",
    async run(t) {
      const backend = await t.connect();
      for (const [n, orderingKey] of AWKWARD_KEYS.entries()) await putKeyed(t, backend, orderingKey, n, 100 + n);
      await putKeyed(t, backend, undefined, 200);
      const reader = t.receive(backend, t.key(), { prefetch: 50 });
      const first = await reader.take(AWKWARD_KEYS.length + 1, "one of each key");
      for (const { payload, orderingKey } of first) {
        equal(orderingKey, AWKWARD_KEYS[Number(payload.n)], `the ordering key of message ${payload.n}`);
      }
      await ackAll(t, first);
      const second = await reader.take(AWKWARD_KEYS.length, "the second of each key");
      equal(sorted(second), AWKWARD_KEYS.map((_, n) => 100 + n), "the second messages");
      await ackAll(t, second);
    },
  },
  {
    id: "killed",
    title: "a killed consumer's message comes again before the next of its ordering key",
    features: ["kill"],
    async run(t) {
      const [dying, other] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      await putKeyed(t, dying, "a", 1, 2);
      await takeNext(t, dying, 1, "the head");
      await t.kill(dying);
      const again = await takeNext(t, other, 1, "the head once more");
      equal(again.attempts, 2, "its attempts");
      await nothingBut(t, other, t.key(), "while the head is held again");
      await ack(t, again);
      await takeInOrder(t, other, [2], "the next");
    },
  },
  {
    id: "released",
    title: "a release keeps the place: the message comes again, uncounted, before the next of its ordering key",
    needs: ["release"],
    async run(t) {
      const backend = await t.connect();
      await putKeyed(t, backend, "a", 1, 2);
      const reader = t.consume(backend, t.key());
      equal(await reader.next("the head"), { n: 1 }, "the head");
      await reader.leave();
      const again = await takeNext(t, backend, 1, "the head once more");
      equal(again.attempts, 1, "its attempts");
      await ack(t, again);
      await takeInOrder(t, backend, [2], "the next");
    },
  },
  {
    id: "retried",
    title: "a retry without a delay comes before the next of its ordering key",
    async run(t) {
      const backend = await t.connect();
      await putKeyed(t, backend, "a", 1, 2, 3);
      for (const attempt of [1, 2, 3]) {
        const head = await takeNext(t, backend, 1, `the head, attempt ${attempt}`);
        check(await t.settles(head.retry(), "a retry"), "the retry was refused");
      }
      await takeInOrder(t, backend, [1, 2, 3], "all, in their order");
    },
  },
  {
    id: "retried-late",
    title: "while a message waits for its delayed retry its ordering key waits, and all others flow",
    needs: ["delay"],
    async run(t) {
      const backend = await t.connect();
      await putKeyed(t, backend, "a", 1, 2);
      const head = await takeNext(t, backend, 1, "the head");
      const before = t.now();
      check(await t.settles(head.retry({ delayMs: t.delayMs }), "a delayed retry"), "the retry was refused");
      await putKeyed(t, backend, "b", 3);
      await takeInOrder(t, backend, [3], "another ordering key");
      const again = await takeNext(t, backend, 1, "the head once more");
      t.notEarlier(t.now(), before + t.delayMs, "the retried head");
      await ack(t, again);
      await takeInOrder(t, backend, [2], "the next");
    },
  },
  {
    id: "dead",
    title: "a dead letter frees its ordering key",
    needs: ["deadLetters"],
    async run(t) {
      const backend = await t.connect();
      await putKeyed(t, backend, "a", 1, 2);
      const head = await takeNext(t, backend, 1, "the head");
      check(await t.settles(head.deadLetter("no"), "a dead letter"), "the dead letter was refused");
      await takeInOrder(t, backend, [2], "the next");
    },
  },
  {
    id: "malformed",
    title: "a message that cannot be read frees nobody's turn and holds nobody up",
    needs: ["deadLetters"],
    features: ["inject"],
    async run(t) {
      const backend = await t.connect();
      await putKeyed(t, backend, "a", 1, 2);
      await t.power("inject")(t.key(), "{ no JSON");
      const head = await takeNext(t, backend, 1, "the head");
      await nothingBut(t, backend, t.key(), "while the head is held");
      await ack(t, head);
      await takeInOrder(t, backend, [2], "the next");
    },
  },
  {
    id: "replayed",
    title: "a replayed dead letter joins its ordering key at the end",
    needs: ["replay"],
    async run(t) {
      const backend = await t.connect();
      await putKeyed(t, backend, "a", 1, 2, 3);
      const head = await takeNext(t, backend, 1, "the head");
      await t.settles(head.deadLetter("no"), "a dead letter");
      equal(await t.settles(backend.deadLetters.replay(t.key()), "a replay"), 1, "how many were replayed");
      await takeInOrder(t, backend, [2, 3, 1], "all, the replayed one last");
    },
  },
  {
    id: "expired",
    title: "a message that expires while it waits frees its ordering key",
    needs: ["ttl"],
    async run(t) {
      const backend = await t.connect();
      await put(t, backend, t.key(), { n: 1 }, { orderingKey: "a", ttlMs: t.delayMs });
      await putKeyed(t, backend, "a", 2);
      await t.pass(t.delayMs + 50);
      await takeInOrder(t, backend, [2], "the next");
      await nothingBut(t, backend, t.key(), "of the expired one");
    },
  },
  {
    id: "delayed",
    title: "a delayed publish holds its ordering key up only from when it is due",
    needs: ["delay"],
    async run(t) {
      const backend = await t.connect();
      await put(t, backend, t.key(), { n: 1 }, { orderingKey: "a", delayMs: t.delayMs });
      await putKeyed(t, backend, "a", 2);
      await takeInOrder(t, backend, [2, 1], "the one that was ready, then the delayed one");
    },
  },
  {
    id: "groups",
    title: "each group has its own turn of an ordering key",
    needs: ["groups"],
    async run(t) {
      const backend = await t.connect();
      await putKeyed(t, backend, "a", 1, 2);
      const readers = ["bots", "audit"].map((group) => t.receive(backend, t.key(), { group, prefetch: 1 }));
      const heads = [];
      for (const reader of readers) heads.push(await reader.next("a group's head"));
      equal(ns(heads), [1, 1], "the heads");
      await ack(t, heads[0]!);
      equal(ns([await readers[0]!.next("the next of the first group")]), [2], "the next of the first group");
      await nothingBut(t, backend, t.key(), "in the second group", "audit");
    },
  },
  {
    id: "late-ack",
    title: "a late ack of a lost lease frees nothing",
    needs: ["fencing"],
    async run(t) {
      const [slow, other] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      await putKeyed(t, slow, "a", 1, 2);
      const reader = t.receive(slow, t.key(), { prefetch: 1 });
      const lost = await reader.next("the head");
      await reader.leave();
      await outlive(t, t.leaseMs);
      const again = await takeNext(t, other, 1, "the head once more");
      equal(await t.settles(lost.ack(), "the late ack"), false, "the late ack");
      await nothingBut(t, other, t.key(), "after a late ack");
      await ack(t, again);
      await takeInOrder(t, other, [2], "the next");
    },
  },
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
      const taken = await t.drain(backend, t.key());
      for (const { payload, orderingKey } of taken) {
        const before = seen.get(orderingKey!) ?? -1;
        check(Number(payload.n) > before, `message ${payload.n} of ${orderingKey} came after ${before}`);
        seen.set(orderingKey!, Number(payload.n));
      }
      equal(sorted(taken), numbers(2 * keys), "all messages");
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
    async run(t) {
      const backend = await t.connect({ maxRetries: 20, timeoutMs: 60_000, leaseMs: t.leaseMs });
      await putKeyed(t, backend, "a", 1, 2, 3);
      await takeInOrder(t, backend, [1], "the first");
      await t.settles(t.power("restartBroker")(), "a restart");
      await takeInOrder(t, backend, [2, 3], "the rest");
    },
  },
];

/** The cases of rule 15. */
export const ordering: readonly ConformanceCase[] = casesOf(15, [
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
