/**
 * Rule 13, the looks: whoever looks into a queue finds what is there, and changes nothing.
 *
 * A broker that cannot tell one of the looks rejects it as unsupported; what a case says of that look is passed over.
 *
 * @module
 */
import type { Inspection, LeasingBackend, PeekedMessage, PeekOptions } from "../../core/protocol.ts";
import { type CaseContext, casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { ack, ackAll, ns, numbers, put, putNumbers } from "./support.ts";

/** Waits for a look. `undefined`: the broker cannot tell. */
async function look<T>(
  t: CaseContext,
  backend: LeasingBackend,
  what: string,
  ask: (inspect: Inspection) => Promise<T>,
): Promise<{ readonly found: T } | undefined> {
  check(backend.inspect !== undefined, "capabilities.inspect is true, and the backend has no inspect");
  try {
    return { found: await t.settles(ask(backend.inspect), what) };
  } catch (error) {
    if ((error as { code?: unknown }).code === "unsupported") return undefined;
    throw error;
  }
}

/** Peeks. `undefined`: the broker cannot tell. */
async function peek(
  t: CaseContext,
  backend: LeasingBackend,
  options?: PeekOptions,
): Promise<readonly PeekedMessage[] | undefined> {
  return (await look(t, backend, "a peek", (inspect) => inspect.peek(t.key(), options)))?.found;
}

/** Checks that a peek finds the payload's `n`, the state and the attempts of each message. */
async function finds(
  t: CaseContext,
  backend: LeasingBackend,
  expected: readonly (readonly [n: number, state: PeekedMessage["state"], attempts: number])[],
  what: string,
): Promise<void> {
  const found = await peek(t, backend);
  const shown = found?.map(({ payload, state, attempts }) => [payload?.n, state, attempts]);
  if (shown) equal(shown, expected, `what a peek finds ${what}`);
}

/** Every look there is. */
async function lookAtAll(t: CaseContext, backend: LeasingBackend, group?: string): Promise<void> {
  const options = group === undefined ? {} : { group };
  await look(t, backend, "the keys", async (inspect) => {
    for await (const _key of inspect.keys());
  });
  await look(t, backend, "the groups", (inspect) => inspect.groups(t.key()));
  await look(t, backend, "the oldest", (inspect) => inspect.oldest(t.key(), options));
  await look(t, backend, "a peek", (inspect) => inspect.peek(t.key(), { ...options, limit: 100 }));
}

/** The cases of rule 13 about `inspect`. */
export const inspecting: readonly ConformanceCase[] = casesOf(13, [
  {
    id: "inspect-peek",
    title: "a peek finds the oldest messages in their order, each with its state and its attempts",
    proves: "inspect",
    async run(t) {
      const backend = await t.connect({ leaseMs: t.longMs });
      const { delay, deadLetters, release, attempts } = backend.capabilities;
      await finds(t, backend, [], "in a key that nobody has used");
      await putNumbers(t, backend, t.key(), 5);
      await finds(t, backend, numbers(5).map((n) => [n, "ready", 0]), "before any consumer");
      equal((await peek(t, backend, { limit: 2 }))?.length ?? 2, 2, "messages of a peek with a limit");
      const reader = t.receive(backend, t.key(), { prefetch: 3 });
      const held = await reader.take(3, "three messages");
      const first = attempts ? 1 : 0;
      if (!attempts) return;
      const flying = [0, 1, 2].map((n) => [n, "inFlight", first] as const);
      const waiting = [3, 4].map((n) => [n, "ready", 0] as const);
      await finds(t, backend, [...flying, ...waiting], "with three in flight");
      await ack(t, held[0]!);
      await t.settles(deadLetters ? held[1]!.deadLetter("no") : held[1]!.ack(), "the dead letter");
      await finds(t, backend, [[2, "inFlight", 1], ...waiting], "after an ack and a dead letter");
      await reader.leave();
      if (!delay || !release) return;
      await t.settles(held[2]!.retry({ delayMs: t.longMs }), "the delayed retry");
      await finds(t, backend, [[2, "delayed", 1], ...waiting], "after a delayed retry");
      await put(t, backend, t.key(), { n: 5 }, { delayMs: t.longMs });
      await finds(t, backend, [[2, "delayed", 1], ...waiting, [5, "delayed", 0]], "with a delayed publish");
    },
  },
  {
    id: "inspect-whole",
    title: "a peeked message is whole: id, headers, ordering key, time and payload are those of its delivery",
    proves: "inspect",
    async run(t) {
      const backend = await t.connect();
      const { headers, orderingKeys } = backend.capabilities;
      await put(t, backend, t.key(), { n: 1, text: "zwölf ☕" }, {
        ...headers && { headers: { "x-trace": "4711" } },
        ...orderingKeys && { orderingKey: "T1:C1" },
      });
      const [found] = await peek(t, backend) ?? [];
      const delivery = await t.receive(backend, t.key()).next("the message");
      if (!found) return check(await peek(t, backend) === undefined, "a peek found nothing");
      const { id, payload, orderingKey, publishedAt } = delivery;
      const whole = { id, payload, orderingKey, publishedAt, headers: { ...delivery.headers } };
      equal(
        {
          id: found.id,
          payload: found.payload,
          orderingKey: found.orderingKey,
          publishedAt: found.publishedAt,
          headers: { ...found.headers },
        },
        whole,
        "the peeked message",
      );
      equal(JSON.parse(found.body), payload, "its body");
      await ack(t, delivery);
    },
  },
  {
    id: "inspect-unreadable",
    title: "a peek shows a message that is no payload as it came, and leaves it where it is",
    proves: "inspect",
    features: ["inject"],
    async run(t) {
      const backend = await t.connect();
      await t.power("inject")(t.key(), "no json");
      await put(t, backend, t.key(), { n: 1 });
      const found = await peek(t, backend);
      if (found) equal(found.map(({ payload, body }) => payload?.n ?? body), ["no json", 1], "what a peek finds");
      if (found) equal(found[0]!.payload, undefined, "the payload of what is none");
      equal(ns(await t.drain(backend, t.key())), [1], "what a consumer gets afterwards");
    },
  },
  {
    id: "inspect-nothing-changes",
    title: "looking leases nothing, counts no attempt, keeps the order, and makes no group",
    proves: "inspect",
    async run(t) {
      const [backend, looker] = [await t.connect(), await t.connect()];
      const { groups, order, depth } = backend.capabilities;
      await putNumbers(t, backend, t.key(), 10);
      const newcomer = groups ? "newcomer" : undefined;
      for (const group of [undefined, newcomer]) await lookAtAll(t, looker, group);
      const reader = t.receive(backend, t.key(), { prefetch: 10 });
      const held = await reader.take(4, "four messages");
      const before = depth ? await t.settles(backend.depth(t.key()), "the depth") : undefined;
      for (const group of [undefined, newcomer, undefined]) await lookAtAll(t, looker, group);
      if (depth) equal({ ...await t.settles(backend.depth(t.key()), "the depth") }, { ...before }, "the depth");
      held.push(...await reader.take(6, "the others"));
      equal(held.map(({ attempts }) => attempts), numbers(10).map(() => 1), "the attempts");
      if (order === "fifo") equal(ns(held), numbers(10), "the messages in their order");
      await lookAtAll(t, looker);
      await ackAll(t, held);
      const found = groups && await look(t, looker, "the groups", (inspect) => inspect.groups(t.key()));
      if (found) check(!found.found.includes("newcomer"), "a look into a group that was not there has made it");
    },
  },
  {
    id: "inspect-oldest",
    title: "the oldest is the one that is not settled yet, also while it is in flight; dead letters are settled",
    proves: "inspect",
    async run(t) {
      const backend = await t.connect();
      const oldest = async () => (await look(t, backend, "the oldest", (inspect) => inspect.oldest(t.key())))?.found;
      const told = await look(t, backend, "the oldest", (inspect) => inspect.oldest(t.key()));
      if (!told) return;
      equal(told.found, undefined, "the oldest of a key that nobody has used");
      const times: { readonly from: number; readonly to: number }[] = [];
      for (const n of numbers(3)) {
        const from = t.now();
        await put(t, backend, t.key(), { n });
        times.push({ from, to: t.now() });
        await t.pass(50);
      }
      const isOf = async (n: number, what: string) => {
        const at = (await oldest())?.getTime();
        check(at !== undefined, `there is no oldest message ${what}`);
        t.notEarlier(at, times[n]!.from, `the oldest ${what}`);
        t.notEarlier(times[n]!.to, at, `the oldest ${what}, by as much as it is late,`);
      };
      await isOf(0, "before any consumer");
      const held = await t.receive(backend, t.key(), { prefetch: 3 }).take(3, "the messages");
      held.sort((a, b) => Number(a.payload.n) - Number(b.payload.n));
      await isOf(0, "while all are in flight");
      await ack(t, held[0]!);
      await isOf(1, "after the first ack");
      if (backend.capabilities.deadLetters) await t.settles(held[1]!.deadLetter("no"), "the dead letter");
      else await ack(t, held[1]!);
      await isOf(2, "after a dead letter");
      await ack(t, held[2]!);
      equal(await oldest(), undefined, "the oldest when all are settled");
    },
  },
  {
    id: "inspect-keys",
    title: "the keys are those that messages were published to, once each, and nothing else",
    proves: "inspect",
    async run(t) {
      const backend = await t.connect();
      const keys = [t.key("first"), t.key("second")];
      for (const key of keys) {
        await put(t, backend, key, { n: 1 });
        await put(t, backend, key, { n: 2 }, backend.capabilities.delay ? { delayMs: t.longMs } : {});
        const reader = t.receive(backend, key);
        await t.settles((await reader.next("a message")).deadLetter("no"), "the dead letter");
        await reader.leave();
      }
      const listed = await look(t, backend, "the keys", (inspect) => Array.fromAsync(inspect.keys()));
      const ours = listed?.found.filter((one) => keys.some((key) => one.includes(key)));
      if (ours) equal(ours.toSorted(), keys.toSorted(), "the keys");
    },
  },
  {
    id: "inspect-groups",
    title: "the groups of a key are those that have received from it, and each is looked at on its own",
    needs: ["inspect", "groups"],
    async run(t) {
      const backend = await t.connect();
      await putNumbers(t, backend, t.key(), 2);
      const [bots, audit] = ["bots", "audit"].map((group) => t.receive(backend, t.key(), { group, prefetch: 2 }));
      void audit!.ask(); // both groups are there before anything is settled
      const held = await bots!.take(2, "the messages of one group");
      await ackAll(t, held);
      await audit!.take(1, "a message of the other group");
      const names = await look(t, backend, "the groups", (inspect) => inspect.groups(t.key()));
      if (names) equal(names.found.toSorted(), ["audit", "bots"], "the groups");
      const none = await look(t, backend, "the groups", (inspect) => inspect.groups(t.key("unused")));
      if (none) equal([...none.found], [], "the groups of a key that nobody has used");
      equal((await peek(t, backend, { group: "bots" }))?.length ?? 0, 0, "messages of the group that has settled all");
      equal((await peek(t, backend, { group: "new" }))?.length ?? 2, 2, "messages of a group that has not come yet");
    },
  },
  {
    id: "inspect-blocked",
    title: "a peek tells a message that waits behind another of its ordering key, until that one is settled",
    needs: ["inspect", "orderingKeys"],
    async run(t) {
      const backend = await t.connect();
      for (const n of [0, 1]) await put(t, backend, t.key(), { n }, { orderingKey: "a" });
      await put(t, backend, t.key(), { n: 2 }, { orderingKey: "b" });
      await finds(t, backend, [[0, "ready", 0], [1, "blocked", 0], [2, "ready", 0]], "before any consumer");
      const reader = t.receive(backend, t.key(), { prefetch: 2 });
      const [first] = await reader.take(2, "the heads");
      await finds(t, backend, [[0, "inFlight", 1], [1, "blocked", 0], [2, "inFlight", 1]], "while the heads are out");
      await reader.leave();
      await ack(t, first!);
      const found = await peek(t, backend);
      if (found) equal(found[0]?.state, "ready", "the state of the next after the ack");
    },
  },
  {
    id: "inspect-absent",
    title: "a backend that cannot be looked into has no inspect",
    lacks: "inspect",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      equal(backend.inspect, undefined, "inspect");
    },
  },
]);
