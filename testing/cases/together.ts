/**
 * Messages and settlements that travel together: each keeps its own options, and gets its own answer.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { FakeClock } from "../faults/fake_clock.ts";
import { ack, ackAll, nothingBut, ns, outlive, put, putNumbers, sorted } from "./support.ts";

/** The cases of several rules about batches whose members differ. */
export const together: readonly ConformanceCase[] = [
  ...casesOf(1, [
    {
      id: "duplicate-in-batch",
      title: "an id that stands twice in one batch is added once",
      proves: "dedup",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const messages = [1, 2, 3].map((n) => ({ payload: { n }, id: n === 3 ? "Ev1" : `Ev${n}` }));
        const receipts = await t.settles(backend.publishBatch(key, messages), "the batch");
        equal(receipts.map(({ outcome }) => outcome), ["added", "added", "duplicate"], "the outcomes");
        equal(sorted(await t.drain(backend, key)), [1, 2], "the messages in the queue");
      },
    },
  ]),
  ...casesOf(2, [
    {
      id: "batch-headers",
      title: "each message of a batch has its own headers",
      needs: ["headers"],
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const messages = [{ color: "red" }, undefined, { color: "blue" }].map((headers, n) => ({
          payload: { n },
          headers,
        }));
        await t.settles(backend.publishBatch(key, messages), "the batch");
        const deliveries = await t.receive(backend, key, { prefetch: 3 }).take(3, "the messages");
        for (const { payload, headers } of deliveries) {
          equal({ ...headers }, messages[Number(payload.n)]!.headers ?? {}, `the headers of message ${payload.n}`);
        }
        await ackAll(t, deliveries);
      },
    },
    {
      id: "batch-ttl",
      title: "each message of a batch has its own time to live",
      needs: ["ttl"],
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const messages = [undefined, t.delayMs, t.longMs].map((ttlMs, n) => ({ payload: { n }, ttlMs }));
        await t.settles(backend.publishBatch(key, messages), "the batch");
        await outlive(t, t.delayMs);
        equal(sorted(await t.drain(backend, key)), [0, 2], "the messages that are left");
      },
    },
    {
      id: "mixed-settlements",
      title: "an ack, a retry and a dead letter of the same moment each do their own work",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        await putNumbers(t, backend, key, 3);
        const held = await t.receive(backend, key, { prefetch: 3 }).take(3, "the messages");
        const [acked, retried, dead] = [0, 1, 2].map((n) => held.find(({ payload }) => payload.n === n)!);
        const { deadLetters, depth } = backend.capabilities;
        const answers = [acked!.ack(), retried!.retry(), deadLetters ? dead!.deadLetter("no") : dead!.ack()];
        equal(await t.settles(Promise.all(answers), "three settlements"), [true, true, true], "their answers");
        const again = await t.receive(await t.connect(), key).next("the retried message");
        equal([again.payload, again.attempts], [{ n: 1 }, 2], "the message that comes again");
        await ack(t, again);
        await nothingBut(t, backend, key, "after the retried message");
        if (depth) {
          equal((await t.settles(backend.depth(key), "the depth")).dead, deadLetters ? 1 : 0, "dead letters");
        }
      },
    },
    {
      id: "headers-again",
      title: "headers are there at the second delivery too",
      needs: ["headers"],
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        await put(t, backend, key, { n: 1 }, { headers: { kept: "yes" } });
        const reader = t.receive(backend, key);
        await t.settles((await reader.next("the first delivery")).retry(), "the retry");
        const again = await reader.next("the second delivery");
        equal({ ...again.headers }, { kept: "yes" }, "the headers");
        await ack(t, again);
      },
    },
  ]),
  ...casesOf(3, [
    {
      id: "mixed-answers",
      title: "of a late and a timely ack of the same moment, the first is refused and the second taken",
      proves: "fencing",
      async run(t) {
        const stopped = new FakeClock(t.now());
        const [sleeper, backend] = [await t.connect({ leaseMs: t.leaseMs, clock: stopped }), await t.connect()];
        const key = t.key();
        await put(t, backend, key, { n: 1 });
        const late = await t.receive(sleeper, key).next("the first delivery");
        const current = await t.receive(backend, key).next("the second delivery");
        await put(t, backend, key, { n: 2 });
        const timely = await t.receive(sleeper, key, { leaseMs: t.longMs }).next("another message");
        try {
          equal(timely.payload, { n: 2 }, "the other message");
          const answers = await t.settles(Promise.all([late.ack(), timely.ack()]), "two acks");
          equal(answers, [false, true], "the answers to the late and the timely ack");
          await ack(t, current);
          await nothingBut(t, backend, key, "after all acks");
        } finally {
          await stopped.advance(t.longMs);
        }
      },
    },
  ]),
  ...casesOf(5, [
    {
      id: "batch-delays",
      title: "each message of a batch has its own delay",
      needs: ["delay"],
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const messages = [0, t.longMs, 0].map((delayMs, n) => ({ payload: { n }, delayMs }));
        await t.settles(backend.publishBatch(key, messages), "the batch");
        const deliveries = await t.receive(backend, key, { prefetch: 2 }).take(2, "the messages without a delay");
        equal(sorted(deliveries), [0, 2], "the messages without a delay");
        await ackAll(t, deliveries);
        await nothingBut(t, backend, key, "before the delay is over");
      },
    },
    {
      id: "mixed-retries",
      title: "two retries of the same moment each have their own delay",
      needs: ["delay"],
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        await putNumbers(t, backend, key, 2);
        const held = await t.receive(backend, key, { prefetch: 2 }).take(2, "the messages");
        const waitMs = (n: unknown) => n === 0 ? 0 : t.longMs;
        const retries = held.map((one) => one.retry({ delayMs: waitMs(one.payload.n) }));
        check((await t.settles(Promise.all(retries), "two retries")).every(Boolean), "a retry was refused");
        const again = await t.receive(backend, key).next("the message without a delay");
        equal(ns([again]), [0], "the message without a delay");
        await ack(t, again);
        await nothingBut(t, backend, key, "before the delay is over");
      },
    },
  ]),
];
