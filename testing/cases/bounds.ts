/**
 * Rule 7: bounded, and never at the cost of what is not settled.
 *
 * @module
 */
import { PublishError } from "../../core/errors.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { ack, ackAll, ns, numbers, put, putNumbers, sorted } from "./support.ts";

/** The cases of rule 7. */
export const bounds: readonly ConformanceCase[] = casesOf(7, [
  {
    id: "full",
    title: "a full queue refuses the next publish, and keeps what waits",
    proves: "maxLength",
    async run(t) {
      const backend = await t.connect({ maxLength: 5 });
      const key = t.key();
      await putNumbers(t, backend, key, 5);
      const error = await t.rejects(backend.publish(key, { n: 5 }), "the sixth publish");
      check(error instanceof PublishError, `it must reject with a PublishError, not ${error.name}`);
      equal(error.code, "queue-full", "the code");
      equal(sorted(await t.drain(backend, key)), numbers(5), "what is queued");
    },
  },
  {
    id: "room-again",
    title: "what is settled makes room",
    proves: "maxLength",
    async run(t) {
      const backend = await t.connect({ maxLength: 3 });
      const key = t.key();
      for (let round = 0; round < 4; round++) {
        await putNumbers(t, backend, key, 3);
        await t.rejects(backend.publish(key, { n: 9 }), "one too many");
        equal(sorted(await t.drain(backend, key)), numbers(3), `round ${round}`);
      }
    },
  },
  {
    id: "full-in-flight",
    title: "what is in flight is not dropped for what comes",
    proves: "maxLength",
    async run(t) {
      const [backend, heir] = [await t.connect({ maxLength: 3, leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await putNumbers(t, backend, key, 3);
      const reader = t.receive(backend, key, { prefetch: 3 });
      const held = await reader.take(3, "the messages");
      for (const n of [3, 4]) await backendPublish(t, backend.publish(key, { n }));
      for (const delivery of held) await t.settles(delivery.retry(), "the retry");
      await reader.leave();
      const came = await t.receive(heir, key, { prefetch: 3 }).take(3, "what was in flight");
      check(numbers(3).every((n) => ns(came).includes(n)), `what was in flight must come again, got ${ns(came)}`);
      await ackAll(t, came);
    },
  },
  {
    id: "full-delayed",
    title: "messages whose delay is not over count as waiting",
    needs: ["maxLength", "delay"],
    async run(t) {
      const backend = await t.connect({ maxLength: 2 });
      const key = t.key();
      for (const n of [0, 1]) await put(t, backend, key, { n }, { delayMs: t.longMs });
      const error = await t.rejects(backend.publish(key, { n: 2 }), "a publish to a queue full of delayed messages");
      equal((error as { code?: unknown }).code, "queue-full", "the code");
    },
  },
  {
    id: "full-retried",
    title: "a message that waits for its retry takes one place, however many behind it are settled",
    proves: "maxLength",
    needs: ["delay"],
    async run(t) {
      const backend = await t.connect({ maxLength: 3 });
      const key = t.key();
      await put(t, backend, key, { n: 0 });
      const [late] = await t.receive(backend, key).take(1, "the message that is retried late");
      check(await t.settles(late!.retry({ delayMs: t.longMs }), "its retry"), "its retry must be taken");
      for (let n = 1; n < 13; n++) {
        await put(t, backend, key, { n });
        equal(ns(await t.drain(backend, key)), [n], "the message behind it");
      }
      for (const n of [13, 14]) await put(t, backend, key, { n });
      await t.rejects(backend.publish(key, { n: 15 }), "one too many");
    },
  },
  {
    id: "full-expired",
    title: "expired messages make room, though nobody receives",
    needs: ["maxLength", "ttl"],
    sendOnly: true,
    async run(t) {
      const backend = await t.connect({ maxLength: 3 });
      const key = t.key();
      for (let round = 0; round < 3; round++) {
        for (const n of [0, 1, 2]) await put(t, backend, key, { n }, { ttlMs: t.delayMs });
        await t.becomes(
          () => backend.publish(key, { n: 3 }, { ttlMs: t.delayMs }).then(() => true, () => false),
          "a publish to a queue whose messages have expired",
        );
        await t.pass(t.delayMs + 50);
      }
    },
  },
  {
    id: "full-abandoned",
    title: "messages that expire leave a group whose consumers are gone too",
    needs: ["maxLength", "ttl", "groups"],
    features: ["kill"],
    async run(t) {
      const [backend, victim] = [await t.connect({ maxLength: 3 }), await t.connect({ leaseMs: t.leaseMs })];
      const key = t.key("groups");
      const ttlMs = t.leaseMs * 2;
      for (const n of [0, 1, 2]) await put(t, backend, key, { n }, { ttlMs });
      await t.receive(victim, key, { group: "abandoned" }).next("a message of the abandoned group");
      await t.kill(victim);
      await t.drain(backend, key, { group: "live" });
      await t.pass(ttlMs + t.leaseMs + 50);
      for (const n of [3, 4, 5]) await put(t, backend, key, { n });
      equal(sorted(await t.drain(backend, key, { group: "live" })), [3, 4, 5], "what the live group got");
    },
  },
  {
    id: "full-batch",
    title: "of a batch that does not fit, the error says what is in the queue",
    proves: "maxLength",
    async run(t) {
      const backend = await t.connect({ maxLength: 3 });
      const key = t.key();
      const error = await t.rejects(
        backend.publishBatch(key, numbers(5).map((n) => ({ payload: { n } }))),
        "a batch of five",
      );
      check(error instanceof PublishError, `it must reject with a PublishError, not ${error.name}`);
      equal(error.code, "queue-full", "the code");
      const added = error.outcomes?.flatMap((outcome, n) => outcome instanceof Error ? [] : [n]) ?? [];
      equal(sorted(await t.drain(backend, key)), added, "what is queued");
    },
  },
  {
    id: "slow-group",
    title: "what one group has settled stays for the group that has not",
    needs: ["groups"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      const count = t.size(100);
      const slow = t.receive(backend, key, { group: "slow", prefetch: 1 });
      await put(t, backend, key, { n: 0 });
      const first = await slow.next("the first message of the slow group");
      const rest = numbers(count).slice(1).map((n) => backend.publish(key, { n }));
      await t.settles(Promise.all(rest), "the publishes");
      equal((await t.drain(backend, key, { group: "fast" })).length, count, "what the fast group got");
      await ack(t, first);
      const others = await t.drain(backend, key, { group: "slow" });
      equal(sorted(others), numbers(count).slice(1), "what the slow group got afterwards");
    },
  },
  {
    id: "largest",
    title: "a payload of exactly the declared size settles, a byte more is refused before it is sent",
    proves: "maxPayloadBytes",
    async run(t) {
      t.allowRealWork();
      const limit = 2_000;
      const declared = (await t.connect()).capabilities.maxPayloadBytes;
      // Compressing takes real time, which a clock turned by hand does not wait for: no limit may run out meanwhile.
      const timeoutMs = t.longMs;
      const backend = await t.connect(declared > 10_000_000 ? { maxPayloadBytes: limit, timeoutMs } : { timeoutMs });
      const key = t.key();
      const bytes = declared > 10_000_000 ? limit : declared;
      // `{"text":"…"}` is eleven bytes around the text.
      const text = "x".repeat(bytes - 11);
      await put(t, backend, key, { text });
      const error = await t.rejects(backend.publish(key, { text: `${text}x` }), "a byte more");
      check(error instanceof RangeError, `it must reject with a RangeError, not ${error.name}`);
      // Counted as bytes, not as characters.
      const wide = await t.rejects(backend.publish(key, { text: "ä".repeat(bytes - 11) }), "as many wide characters");
      check(wide instanceof RangeError, `it must reject with a RangeError, not ${wide.name}`);
      const deliveries = await t.drain(backend, key);
      equal(deliveries.map(({ payload }) => (payload.text as string).length), [text.length], "what is queued");
    },
  },
]);

/** A publish that may be refused for lack of room. */
async function backendPublish(
  t: { settles<T>(promise: Promise<T>, what: string): Promise<T> },
  publish: Promise<unknown>,
): Promise<void> {
  const error = await t.settles(publish.then(() => undefined, (error: unknown) => error), "a publish to a full queue");
  check(
    error === undefined || (error as { code?: unknown }).code === "queue-full",
    `a full queue refused with ${error}`,
  );
}
