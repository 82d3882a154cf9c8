/**
 * Rule 6, what comes after: dead letters are replayed, purged, and each group's own.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { equal } from "../check.ts";
import { deadLetterNumbers, letters } from "./letters.ts";
import { ack, ns, put } from "./support.ts";

/** The cases of rule 6 about replay and purge. */
export const replay: readonly ConformanceCase[] = casesOf(6, [
  {
    id: "replay",
    title: "a replayed dead letter is delivered again, whole, at attempt 1, and is no dead letter any more",
    proves: "replay",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const headers = backend.capabilities.headers ? { kept: "yes" } : undefined;
      await put(t, backend, key, { n: 1, text: "whole" }, { headers });
      const reader = t.receive(backend, key);
      await t.settles((await reader.next("the first delivery")).retry(), "the retry");
      await t.settles((await reader.next("the second delivery")).deadLetter("no"), "the dead letter");
      await t.becomes(async () => (await letters(t, backend, key)).length === 1, "the dead letter");
      equal(await t.settles(backend.deadLetters.replay(key), "the replay"), 1, "how many were replayed");
      const again = await reader.next("the replayed message");
      equal([again.payload, again.attempts], [{ n: 1, text: "whole" }, 1], "the replayed message");
      equal({ ...again.headers }, headers ?? {}, "its headers");
      equal((await letters(t, backend, key)).length, 0, "dead letters that are left");
      await t.settles(again.deadLetter("again"), "giving it up again");
      await t.becomes(async () => (await letters(t, backend, key)).length === 1, "the dead letter again");
    },
  },
  {
    id: "replay-id",
    title: "a replayed message has the id that it had before, where ids are the publisher's",
    needs: ["replay", "dedup"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const reader = t.receive(backend, key);
      const first = await reader.next("the first delivery");
      await t.settles(first.deadLetter("no"), "the dead letter");
      await t.becomes(async () => (await letters(t, backend, key)).length === 1, "the dead letter");
      await t.settles(backend.deadLetters.replay(key), "the replay");
      const again = await reader.next("the replayed message");
      equal(again.id, first.id, "its id");
      await ack(t, again);
    },
  },
  {
    id: "replay-some",
    title: "replay and purge take those that were asked for, and leave the others",
    proves: "replay",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await deadLetterNumbers(t, backend, key, 6);
      const found = await letters(t, backend, key);
      const ids = [found[1]!.id, found[4]!.id];
      equal(await t.settles(backend.deadLetters.replay(key, { ids }), "the replay"), 2, "how many were replayed");
      equal(await t.settles(backend.deadLetters.replay(key, { limit: 1 }), "the replay of one"), 1, "how many then");
      equal(
        await t.settles(backend.deadLetters.purge(key, { ids: [found[2]!.id] }), "the purge"),
        1,
        "how many were purged",
      );
      equal((await letters(t, backend, key)).map(({ payload }) => payload?.n), [3, 5], "what is left");
      const back = await t.receive(backend, key, { prefetch: 3 }).take(3, "the replayed");
      equal(ns(back).toSorted(), [0, 1, 4], "what came back");
      equal(await t.settles(backend.deadLetters.purge(key), "the purge of the rest"), 2, "how many were purged then");
      equal(await letters(t, backend, key), [], "what is left in the end");
    },
  },
  {
    id: "replay-malformed",
    title: "an unreadable dead letter that is replayed comes back to the dead letters, as it was",
    needs: ["replay"],
    features: ["inject"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await t.power("inject")(key, "not json");
      const reader = t.receive(backend, key);
      void reader.ask();
      await t.becomes(async () => (await letters(t, backend, key)).length === 1, "the dead letter");
      await t.settles(backend.deadLetters.replay(key), "the replay");
      await t.becomes(async () => (await letters(t, backend, key)).length === 1, "the dead letter again");
      equal((await letters(t, backend, key))[0]?.body, "not json", "its body");
    },
  },
  {
    id: "purge-groups",
    title: "a purge removes the dead letters of its group alone",
    needs: ["groups", "deadLetters"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      const readers = ["bots", "audit"].map((group) => t.receive(backend, key, { group }));
      for (const reader of readers) void reader.ask();
      for (const reader of readers) {
        await t.settles((await reader.next("the message of a group")).deadLetter("no"), "the dead letter");
      }
      const of = async (group: string) => (await letters(t, backend, key, { group })).length;
      await t.becomes(async () => await of("bots") === 1 && await of("audit") === 1, "a dead letter in each group");
      equal(await t.settles(backend.deadLetters.purge(key, { group: "bots" }), "the purge"), 1, "purged dead letters");
      equal([await of("bots"), await of("audit")], [0, 1], "dead letters of the purged group and of the other");
    },
  },
  {
    id: "purge-spares",
    title: "a purge of dead letters leaves messages alone, waiting and in flight",
    needs: ["deadLetters"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await deadLetterNumbers(t, backend, key, 2);
      await put(t, backend, key, { n: 7 });
      const held = await t.receive(backend, key).next("a message");
      await put(t, backend, key, { n: 8 });
      equal(await t.settles(backend.deadLetters.purge(key), "the purge"), 2, "purged dead letters");
      await ack(t, held);
      const waiting = await t.receive(await t.connect(), key).next("the message that waited");
      equal(waiting.payload, { n: 8 }, "the message that waited");
      await ack(t, waiting);
    },
  },
  {
    id: "groups",
    title: "each group has dead letters of its own, and replay brings them to that group alone",
    needs: ["groups"],
    proves: "replay",
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      const [bots, audit] = [t.receive(backend, key, { group: "bots" }), t.receive(backend, key, { group: "audit" })];
      // Both groups are there before anything is settled.
      void audit.ask();
      await t.settles((await bots.next("the message of the bots")).deadLetter("no"), "the dead letter");
      await ack(t, await audit.next("the message of the audit"));
      equal((await letters(t, backend, key, { group: "audit" })).length, 0, "dead letters of the audit");
      equal((await letters(t, backend, key, { group: "bots" }))[0]?.group, "bots", "whose dead letter it is");
      equal(await t.settles(backend.deadLetters.replay(key, { group: "bots" }), "the replay"), 1, "how many came back");
      await ack(t, await bots.next("the replayed message"));
      await audit.quiet(Math.min(t.leaseMs, 1_000), "in the other group after the replay");
    },
  },
]);
