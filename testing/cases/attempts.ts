/**
 * Rule 4: attempts are exact, and the broker's.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { equal } from "../check.ts";
import { inTime } from "./in_time.ts";
import { ack, ackAll, attemptsAre, numbers, put, putNumbers } from "./support.ts";

/** The cases of rule 4. */
export const attempts: readonly ConformanceCase[] = casesOf(4, [
  {
    id: "first",
    title: "the first delivery is attempt 1, of a batch too",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await putNumbers(t, backend, key, 5);
      const deliveries = await t.receive(backend, key, { prefetch: 5 }).take(5, "the messages");
      equal(deliveries.map(({ attempts }) => attempts), [1, 1, 1, 1, 1], "the attempts");
      await ackAll(t, deliveries);
    },
  },
  {
    id: "retries",
    title: "each retry counts one, whichever process gets it",
    async run(t) {
      const [one, other] = [await t.connect(), await t.connect()];
      const key = t.key();
      await put(t, one, key, { n: 1 });
      const seen: number[] = [];
      for (const backend of [one, one, other, one, other]) {
        const reader = t.receive(backend, key, { prefetch: 1 });
        const delivery = await reader.next(`delivery ${seen.length + 1}`);
        seen.push(delivery.attempts);
        await t.settles(delivery.retry(), "the retry");
        await reader.leave();
      }
      equal(seen, [1, 2, 3, 4, 5], "the attempts");
    },
  },
  {
    id: "kills",
    title: "consumers that are killed count, each once",
    proves: "attempts",
    features: ["kill"],
    async run(t) {
      const key = t.key();
      await put(t, await t.connect(), key, { n: 1 });
      const seen: number[] = [];
      for (const _ of numbers(4)) {
        const victim = await t.connect({ leaseMs: t.leaseMs });
        seen.push((await t.receive(victim, key, { prefetch: 1 }).next(`delivery ${seen.length + 1}`)).attempts);
        await t.kill(victim);
      }
      const last = await t.receive(await t.connect(), key).next("the last delivery");
      equal([...seen, last.attempts], [1, 2, 3, 4, 5], "the attempts");
      await ack(t, last);
    },
  },
  {
    id: "kills-and-retries",
    title: "kills and retries add up, each message on its own",
    proves: "attempts",
    features: ["kill"],
    run: inTime(async (t) => {
      const key = t.key();
      const victim = await t.connect({ leaseMs: t.leaseMs });
      await putNumbers(t, victim, key, 3);
      const reader = t.receive(victim, key, { prefetch: 3 });
      const held = await reader.take(3, "the first deliveries");
      const retried = held.find(({ payload }) => payload.n === 1)!;
      await t.settles(retried.retry(), "the retry");
      equal((await reader.next("the retried")).attempts, 2, "its attempts");
      await t.kill(victim);
      const heir = await t.connect();
      const last = await t.receive(heir, key, { prefetch: 3 }).take(3, "the last deliveries");
      const counts = Object.fromEntries(last.map(({ payload, attempts }) => [`message ${payload.n}`, attempts]));
      equal(counts, { "message 0": 2, "message 1": 3, "message 2": 2 }, "the attempts");
      await ackAll(t, last);
    }),
  },
  {
    id: "restart",
    title: "the count outlives a restart of the broker",
    needs: ["durable"],
    proves: "attempts",
    features: ["restartBroker"],
    async run(t) {
      const before = await t.connect();
      const key = t.key();
      await put(t, before, key, { n: 1 });
      for (const _ of numbers(2)) {
        const reader = t.receive(before, key, { prefetch: 1 });
        await t.settles((await reader.next("a delivery")).retry(), "the retry");
        await reader.leave();
      }
      await t.settles(before.close(), "the close");
      await t.power("restartBroker")();
      const last = await t.receive(await t.connect(), key).next("the third delivery");
      equal(last.attempts, 3, "the attempts");
      await ack(t, last);
    },
  },
  {
    id: "many",
    title: "a dozen deliveries are counted one by one",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const reader = t.receive(backend, key);
      const seen: number[] = [];
      for (const _ of numbers(12)) {
        const delivery = await reader.next(`delivery ${seen.length + 1}`);
        seen.push(delivery.attempts);
        await t.settles(delivery.retry(), "the retry");
      }
      equal(seen, numbers(12).map((n) => n + 1), "the attempts");
    },
  },
  {
    id: "groups",
    title: "each group counts for itself",
    needs: ["groups"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      const bots = t.receive(backend, key, { group: "bots" });
      await t.settles((await bots.next("the first of the bots")).retry(), "the retry");
      const second = await bots.next("the second of the bots");
      const first = await t.receive(backend, key, { group: "audit" }).next("the first of the audit");
      attemptsAre(t, second, 2);
      equal(first.attempts, 1, "the attempts of the other group");
      await ackAll(t, [second, first]);
    },
  },
  {
    id: "back-after-failures",
    title: "a message that failed some times and then succeeded is gone",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const reader = t.receive(backend, key);
      for (const attempt of [1, 2, 3]) {
        const delivery = await reader.next(`delivery ${attempt}`);
        if (attempt < 3) await t.settles(delivery.retry(), "the retry");
        else await ack(t, delivery);
      }
      await reader.quiet(Math.min(t.leaseMs, 1_000), "after the ack");
    },
  },
]);
