/**
 * Rule 1, repeating: the same id adds nothing, so what is in doubt can be sent again.
 *
 * @module
 */
import { PublishError } from "../../core/errors.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { ack, nothingBut, ns, numbers, put, sorted } from "./support.ts";

/** The cases of rule 1 about ids. */
export const dedup: readonly ConformanceCase[] = casesOf(1, [
  {
    id: "batch-partial",
    title: "a batch that fails in part says which messages are in the queue, and repeating it adds the others alone",
    features: ["failSomeOfNext"],
    needs: ["dedup"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      t.power("failSomeOfNext")(backend, [1, 3]);
      const messages = numbers(5).map((n) => ({ payload: { n }, id: `id-${n}` }));
      const error = await t.rejects(backend.publishBatch(key, messages), "the batch");
      check(error instanceof PublishError, `a batch must fail with a PublishError, not ${error.name}`);
      equal(error.code, "unavailable", "the code");
      const outcomes = error.outcomes?.map((outcome) => outcome instanceof Error ? "failed" : outcome.outcome);
      equal(outcomes, ["added", "failed", "added", "failed", "added"], "the outcomes");
      const receipts = await t.settles(backend.publishBatch(key, messages), "the batch again");
      const again = receipts.map(({ outcome }) => outcome);
      equal(again, ["duplicate", "added", "duplicate", "added", "duplicate"], "the outcomes of the second try");
      const deliveries = await t.drain(backend, key);
      equal(sorted(deliveries), numbers(5), "what arrived");
    },
  },
  {
    id: "lost-reply-repeated",
    title: "a publish whose reply is lost is repeated by itself where that is safe, and arrives once",
    proves: "dedup",
    features: ["loseNextReply"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await t.power("loseNextReply")(backend, "send");
      await t.settles(Promise.all(numbers(3).map((n) => backend.publish(key, { n }))), "publishes without a reply");
      await t.power("loseNextReply")(backend, "send");
      await put(t, backend, key, { n: 3 }, { id: "Ev3" });
      equal(sorted(await t.drain(backend, key)), numbers(4), "what is queued");
    },
  },
  {
    id: "duplicate",
    title: "an id that is published again adds nothing and answers duplicate",
    proves: "dedup",
    async run(t) {
      const backend = await t.connect();
      const other = await t.connect();
      const key = t.key();
      equal((await put(t, backend, key, { n: 1 }, { id: "Ev1" })).outcome, "added", "the first");
      equal((await put(t, backend, key, { n: 2 }, { id: "Ev1" })).outcome, "duplicate", "the second");
      equal((await put(t, other, key, { n: 3 }, { id: "Ev1" })).outcome, "duplicate", "from another process");
      equal(ns(await t.drain(backend, key)), [1], "what is queued");
      equal((await put(t, backend, key, { n: 4 }, { id: "Ev1" })).outcome, "duplicate", "after it was settled");
      equal(ns(await t.drain(backend, key)), [], "what is queued afterwards");
    },
  },
  {
    id: "duplicate-elsewhere",
    title: "the same id under another key is another message",
    proves: "dedup",
    async run(t) {
      const backend = await t.connect();
      const [first, second] = [t.key("orders"), t.key("refunds")];
      await put(t, backend, first, { n: 1 }, { id: "Ev1" });
      equal((await put(t, backend, second, { n: 2 }, { id: "Ev1" })).outcome, "added", "under another key");
      equal(ns(await t.drain(backend, second)), [2], "what is queued there");
    },
  },
  {
    id: "duplicate-retried",
    title: "an id is known while its message waits to be tried again",
    needs: ["dedup"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 }, { id: "Ev1" });
      const reader = t.receive(backend, key);
      await t.settles((await reader.next("the first delivery")).retry(), "the retry");
      equal((await put(t, backend, key, { n: 2 }, { id: "Ev1" })).outcome, "duplicate", "the outcome after a retry");
      const again = await reader.next("the second delivery");
      equal(again.payload, { n: 1 }, "the second delivery");
      await ack(t, again);
      await nothingBut(t, backend, key, "after the second delivery");
    },
  },
  {
    id: "duplicate-race",
    title: "of many publishes of one id at once, from several processes, one is added",
    proves: "dedup",
    async run(t) {
      const backends = await Promise.all(numbers(3).map(() => t.connect()));
      const key = t.key();
      const tries = numbers(t.size(30)).map((n) => backends[n % 3]!.publish(key, { n }, { id: "Ev1" }));
      const receipts = await t.settles(Promise.all(tries), "the publishes");
      equal(receipts.filter(({ outcome }) => outcome === "added").length, 1, "how many were added");
      equal((await t.drain(backends[0]!, key)).length, 1, "what is queued");
    },
  },
]);
