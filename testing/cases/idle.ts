/**
 * Rule 13: cheap when idle, and looking changes nothing.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { atMost, equal } from "../check.ts";
import { ack, ackAll, numbers, put, putNumbers } from "./support.ts";

/** Milliseconds for which an idle consumer is watched: an hour where the clock is fake. */
const WATCHED_MS = { fake: 3_600_000, real: 5_000 } as const;

/** `costPerMessage` where a backend declares none. */
const DEFAULT_COST = 1;

/** Commands that a backend may spend once, to connect and to create the queue and its group. */
const SETUP_COST = 20;

/** The cases of rule 13. */
export const idle: readonly ConformanceCase[] = casesOf(13, [
  {
    id: "idle-cost",
    title: "an idle consumer costs no more commands or requests than the backend declares",
    proves: "idleCostPerHour",
    features: ["cost"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const watchedMs = t.broker.clock ? WATCHED_MS.fake : WATCHED_MS.real;
      const reader = t.receive(backend, key, { prefetch: 10 });
      // One message first, so that what has to be set up is set up, and the consumer has gone quiet.
      void reader.ask();
      await put(t, backend, key, { n: 1 });
      await ack(t, await reader.next("the message"));
      void reader.ask();
      await t.pass(watchedMs / 10);
      const before = await t.power("cost")();
      await t.pass(watchedMs);
      const cost = await t.power("cost")() - before;
      const declared = backend.capabilities.idleCostPerHour * watchedMs / 3_600_000;
      // One command may fall into a short watch though the hour has few of them.
      atMost(cost, t.broker.clock ? declared : Math.ceil(declared) + 1, `the cost of ${watchedMs} ms`);
    },
  },
  {
    id: "batched",
    title:
      "many messages published, consumed and settled together cost no more commands each than the backend declares",
    proves: "costPerMessage",
    features: ["cost"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = t.size(500);
      const { costPerMessage = DEFAULT_COST } = backend.capabilities;
      const before = await t.power("cost")();
      await putNumbers(t, backend, key, count);
      const deliveries = await t.receive(backend, key, { prefetch: count }).take(count, "the messages");
      await ackAll(t, deliveries);
      const cost = await t.power("cost")() - before;
      atMost(cost, count * costPerMessage + SETUP_COST, `the commands for ${count} messages`);
    },
  },
  {
    id: "depth",
    title: "depth counts what is ready, in flight, delayed and dead, at each step",
    proves: "depth",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const { delay, deadLetters, release } = backend.capabilities;
      async function counts(
        what: string,
        ready: number,
        inFlight: number,
        delayed: number,
        dead: number,
      ): Promise<void> {
        const depth = await t.settles(backend.depth(key), "the depth");
        equal({ ...depth }, { ready, inFlight, delayed, blocked: 0, dead }, `the depth ${what}`);
      }
      await counts("of a key that nobody has used", 0, 0, 0, 0);
      await putNumbers(t, backend, key, 4);
      await counts("after four publishes", 4, 0, 0, 0);
      await counts("once more: looking changes nothing", 4, 0, 0, 0);
      const later = delay ? 1 : 0;
      if (delay) await put(t, backend, key, { n: 4 }, { delayMs: t.longMs });
      await counts("with a delayed one", 4, 0, later, 0);
      const reader = t.receive(backend, key, { prefetch: 3 });
      const held = await reader.take(3, "three messages");
      await counts("with three in flight", 1, 3, later, 0);
      await ack(t, held[0]!);
      await counts("after an ack", 1, 2, later, 0);
      const dead = deadLetters ? 1 : 0;
      await t.settles(deadLetters ? held[1]!.deadLetter("no") : held[1]!.ack(), "the dead letter");
      await counts("after a dead letter", 1, 1, later, dead);
      if (delay) {
        await t.settles(held[2]!.retry({ delayMs: t.longMs }), "the delayed retry");
        await counts("after a delayed retry", 1, 0, 2, dead);
      } else {
        await ack(t, held[2]!);
      }
      await reader.leave();
      await counts("after the loop was left", 1, 0, delay ? 2 : 0, dead);
      if (release) {
        const again = t.receive(backend, key, { prefetch: 1 });
        await again.next("the last message");
        await counts("with the last one in flight", 0, 1, delay ? 2 : 0, dead);
        await t.settles(backend.close(), "the close");
        const other = await t.connect();
        equal((await t.settles(other.depth(key), "the depth")).ready, 1, "ready after it was given back");
      }
    },
  },
  {
    id: "depth-expired",
    title: "a message whose lease has run out counts as ready, not as in flight",
    needs: ["depth"],
    features: ["kill"],
    async run(t) {
      const [victim, backend] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      await t.receive(victim, key).next("the message");
      await t.kill(victim);
      await t.becomes(async () => {
        const { ready, inFlight } = await t.settles(backend.depth(key), "the depth");
        return ready === 1 && inFlight === 0;
      }, "one message ready and none in flight");
    },
  },
  {
    id: "depth-groups",
    title: "depth counts for each group on its own",
    proves: "depth",
    needs: ["groups"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await putNumbers(t, backend, key, 3);
      await t.receive(backend, key, { group: "audit" }).next("a message");
      await ackAll(t, await t.receive(backend, key, { group: "bots", prefetch: 2 }).take(2, "two messages"));
      const of = async (group: string) => ({ ...await t.settles(backend.depth(key, { group }), "the depth") });
      equal(await of("bots"), { ready: 1, inFlight: 0, delayed: 0, blocked: 0, dead: 0 }, "of one group");
      equal(await of("audit"), { ready: 2, inFlight: 1, delayed: 0, blocked: 0, dead: 0 }, "of another");
      equal(
        await of("new"),
        { ready: 3, inFlight: 0, delayed: 0, blocked: 0, dead: 0 },
        "of a group that has not come yet",
      );
      equal(numbers(3).length, (await t.drain(backend, key, { group: "new" })).length, "what that group gets");
    },
  },
  {
    id: "depth-dead-groups",
    title: "depth counts the dead letters of its group alone",
    needs: ["depth", "groups", "deadLetters"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      await put(t, backend, key, { n: 1 });
      const [bots, audit] = [t.receive(backend, key, { group: "bots" }), t.receive(backend, key, { group: "audit" })];
      void audit.ask();
      await t.settles((await bots.next("the message of one group")).deadLetter("no"), "the dead letter");
      await ack(t, await audit.next("the message of the other group"));
      const dead = async (group: string) => (await t.settles(backend.depth(key, { group }), "the depth")).dead;
      equal([await dead("bots"), await dead("audit")], [1, 0], "dead letters of each group");
    },
  },
  {
    id: "depth-unsupported",
    title: "a depth that the backend does not know is refused as unsupported",
    lacks: "depth",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      const error = await t.rejects(backend.depth(t.key()), "the depth");
      equal((error as { code?: unknown }).code, "unsupported", "the code");
    },
  },
]);
