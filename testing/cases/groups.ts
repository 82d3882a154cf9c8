/**
 * Rule 8: each group receives every message; its members share them.
 *
 * @module
 */
import { DEFAULT_GROUP } from "../../core/protocol.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { ack, ackAll, nothingBut, numbers, put, putNumbers, sorted } from "./support.ts";

/** The cases of rule 8. */
export const groups: readonly ConformanceCase[] = casesOf(8, [
  {
    id: "every-message",
    title: "each group gets every message",
    proves: "groups",
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      const readers = ["bots", "audit"].map((group) => t.receive(backend, key, { group, prefetch: 10 }));
      for (const reader of readers) void reader.ask();
      await putNumbers(t, backend, key, 10);
      for (const reader of readers) {
        const deliveries = await reader.take(10, "the messages");
        equal(sorted(deliveries), numbers(10), "what a group got");
        await ackAll(t, deliveries);
      }
    },
  },
  {
    id: "members-share",
    title: "members of one group share: no message comes to two of them",
    proves: "groups",
    async run(t) {
      const key = t.key("groups");
      const members = await Promise.all(numbers(3).map(() => t.connect()));
      await putNumbers(t, members[0]!, key, 9);
      const taken = [];
      for (const member of members) {
        const reader = t.receive(member, key, { group: "bots", prefetch: 3 });
        taken.push(...await reader.take(3, "a member's share"));
      }
      equal(sorted(taken), numbers(9), "what the members got together");
      await ackAll(t, taken);
    },
  },
  {
    id: "from-the-oldest",
    title: "a new group starts with the oldest message that is kept",
    proves: "groups",
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await putNumbers(t, backend, key, 5);
      const held = await t.receive(backend, key, { group: "first", prefetch: 5 }).take(5, "the first group's messages");
      equal(sorted(await t.drain(backend, key, { group: "second" })), numbers(5), "what a later group got");
      await ackAll(t, held);
    },
  },
  {
    id: "default",
    title: "a consumer that names no group is in the group slack-mcp",
    proves: "groups",
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      const reader = t.receive(backend, key);
      const held = await reader.next("the message");
      await nothingBut(t, backend, key, "in the group of the default's name", DEFAULT_GROUP);
      await ack(t, held);
      equal((await t.drain(backend, key, { group: DEFAULT_GROUP })).length, 0, "what that group finds afterwards");
    },
  },
  {
    id: "settled-apart",
    title: "what one group does with a message changes nothing for the others",
    proves: "groups",
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      const open = (group: string) => t.receive(backend, key, { group });
      const [acking, retrying, burying, last] = [open("acks"), open("retries"), open("buries"), open("last")];
      for (const reader of [acking, retrying, burying, last]) await t.settles(reader.ask(), "the message of a group");
      await ack(t, await acking.next("the message of the first group"));
      await t.settles((await retrying.next("the message of the second group")).retry(), "the retry");
      if (backend.capabilities.deadLetters) {
        await t.settles((await burying.next("the message of the third group")).deadLetter("no"), "the dead letter");
      }
      const delivery = await last.next("the message of the last group");
      equal([delivery.payload, delivery.attempts], [{ n: 1 }, 1], "the last group's delivery");
      await ack(t, delivery);
      const again = await retrying.next("the second group's second delivery");
      equal(again.attempts, 2, "its attempts");
      await ack(t, again);
    },
  },
  {
    id: "retried-apart",
    title: "a delayed retry in one group holds the message back in no other",
    needs: ["groups", "delay"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      const [bots, audit] = [t.receive(backend, key, { group: "bots" }), t.receive(backend, key, { group: "audit" })];
      const first = await bots.next("the message of one group");
      check(await t.settles(first.retry({ delayMs: t.longMs }), "the retry"), "the retry was refused");
      const other = await audit.next("the message of the other group");
      equal([other.payload, other.attempts], [{ n: 1 }, 1], "the other group's delivery");
      await ack(t, other);
    },
  },
  {
    id: "ten",
    title: "ten groups, several members each, all get everything",
    proves: "groups",
    async run(t) {
      const key = t.key("groups");
      const count = t.size(30);
      const publisher = await t.connect();
      const names = numbers(10).map((n) => `group-${n}`);
      const seen = new Map(names.map((name) => [name, [] as number[]]));
      const readers = [];
      for (const group of names) {
        for (const backend of [await t.connect(), await t.connect()]) {
          readers.push([group, t.receive(backend, key, { group, prefetch: 4 })] as const);
        }
      }
      const work = readers.map(([group, reader]) =>
        reader.each(async (delivery) => {
          seen.get(group)!.push(Number(delivery.payload.n));
          await delivery.ack();
        })
      );
      await putNumbers(t, publisher, key, count);
      await t.becomes(() => [...seen.values()].every((list) => list.length >= count), "all groups have everything");
      await Promise.all(readers.map(([, reader]) => reader.leave()));
      await t.settles(Promise.all(work), "the end of the loops");
      for (const [group, list] of seen) equal(list.toSorted((a, b) => a - b), numbers(count), `what ${group} handled`);
    },
  },
  {
    id: "names",
    title: "a group of awkward characters is a group like any other",
    proves: "groups",
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      for (const group of ["a b", "ä/世界", "a:b:*", "{x}", "0", "__proto__", "g".repeat(200)]) {
        const delivery = await t.receive(backend, key, { group }).next(`the message in ${JSON.stringify(group)}`);
        equal(delivery.payload, { n: 1 }, "the payload");
      }
    },
  },
  {
    id: "names-case",
    title: "groups that differ in upper and lower case are different groups",
    needs: ["groups"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      const readers = ["bots", "Bots"].map((group) => t.receive(backend, key, { group }));
      const deliveries = [];
      for (const reader of readers) deliveries.push(await reader.next("the message of a group"));
      await ackAll(t, deliveries);
    },
  },
  {
    id: "unsupported",
    title: "a group that the backend does not offer is refused as unsupported",
    lacks: "groups",
    async run(t) {
      const backend = await t.connect();
      const ask = async () => await backend.receive(t.key("groups"), { group: "bots" }).next();
      const error = await t.rejects(ask(), "a receive with a group");
      check((error as { code?: unknown }).code === "unsupported", `the code must be unsupported, not ${error}`);
    },
  },
]);
