/**
 * Rule 15: messages of one ordering key are handled one at a time, in order, whatever fails; all others flow.
 *
 * @module
 */
import { type CaseDraft, casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { putKeyed, takeInOrder, takeNext } from "./keyed.ts";
import { ack, ackAll, nothingBut, ns, outlive, put, sorted } from "./support.ts";

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
    run: inTime(async (t) => {
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
    }),
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
    run: inTime(async (t) => {
      const backend = await t.connect();
      await put(t, backend, t.key(), { n: 1 }, { orderingKey: "a", delayMs: t.delayMs });
      await putKeyed(t, backend, "a", 2);
      await takeInOrder(t, backend, [2, 1], "the one that was ready, then the delayed one");
    }),
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
];

/** The cases of rule 15 about whose turn it is. */
export const ordering: readonly ConformanceCase[] = casesOf(
  15,
  drafts.map((draft) => ({ ...draft, proves: "orderingKeys" })),
);
