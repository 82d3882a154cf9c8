/**
 * Rule 1: a publish resolves when the broker has confirmed it, and not before.
 *
 * @module
 */
import { PublishError, QueueError } from "../../core/errors.ts";
import { isLeasing, type JsonObject } from "../../core/protocol.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { ackAll, ns, numbers, put, sorted } from "./support.ts";

/** The cases of rule 1. */
export const confirmed: readonly ConformanceCase[] = casesOf(1, [
  {
    id: "arrives",
    title: "a published message is consumed as it was published",
    proves: "pull",
    level: "queue",
    async run(t) {
      const backend = await t.connectQueue();
      const key = t.key();
      await put(t, backend, key, { hello: "world", list: [1, { two: null }] });
      const reader = t.consume(backend, key);
      equal(await reader.next("the message"), { hello: "world", list: [1, { two: null }] }, "the payload");
      await reader.leave();
    },
  },
  {
    id: "receipt",
    title: "a receipt tells the id that was given, else a new one each time",
    level: "queue",
    sendOnly: true,
    async run(t) {
      const backend = await t.connectQueue();
      const key = t.key();
      equal(await put(t, backend, key, { n: 1 }, { id: "Ev1" }), { id: "Ev1", outcome: "added" }, "the receipt");
      const first = await put(t, backend, key, { n: 2 });
      const second = await put(t, backend, key, { n: 2 });
      check(typeof first.id === "string" && first.id !== "", "a receipt needs an id");
      check(first.id !== second.id, "two publishes without an id got the same one");
      equal(first.outcome, "added", "the outcome without an id");
    },
  },
  {
    id: "concurrent",
    title: "many publishes at once all arrive, each once",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = t.size(200);
      const receipts = await t.settles(
        Promise.all(numbers(count).map((n) => backend.publish(key, { n }))),
        `${count} publishes`,
      );
      equal(new Set(receipts.map(({ id }) => id)).size, count, "different ids");
      const deliveries = await t.receive(backend, key, { prefetch: count }).take(count, "the messages");
      equal(sorted(deliveries), numbers(count), "what arrived");
      await ackAll(t, deliveries);
    },
  },
  {
    id: "batch",
    title: "a batch answers one receipt per message, in order, and all of it arrives",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = t.size(120);
      const messages = numbers(count).map((n) => ({ payload: { n }, id: `id-${n}` }));
      const receipts = await t.settles(backend.publishBatch(key, messages), "the batch");
      equal(receipts.map(({ id }) => id), messages.map(({ id }) => id), "the receipts");
      const deliveries = await t.receive(backend, key, { prefetch: count }).take(count, "the messages");
      equal(sorted(deliveries), numbers(count), "what arrived");
      await ackAll(t, deliveries);
    },
  },
  {
    id: "batch-empty",
    title: "an empty batch answers no receipts",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      equal(await t.settles(backend.publishBatch(t.key(), []), "the batch"), [], "the receipts");
    },
  },
  {
    id: "waits",
    title: "a publish is not resolved before the broker has answered",
    level: "queue",
    sendOnly: true,
    features: ["delayResponses"],
    async run(t) {
      const backend = await t.connectQueue();
      const lateMs = Math.min(t.delayMs, 2_000);
      await t.power("delayResponses")(backend, lateMs);
      const before = t.now();
      await put(t, backend, t.key(), { n: 1 });
      t.notEarlier(t.now(), before + lateMs, "the confirmation");
      await t.power("delayResponses")(backend, 0);
    },
  },
  {
    id: "refused",
    title: "a publish that the broker refuses is rejected with the broker's reason, and nothing is queued",
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const beneath = new Error("the broker said no");
      t.power("failNext")(backend, "send", "invalid");
      const error = await t.rejects(backend.publish(key, { n: 1 }), "a refused publish");
      check(error instanceof PublishError, `a refused publish must reject with a PublishError, not ${error.name}`);
      equal(error.code, "invalid", "the code");
      equal(error.key, key, "the key");
      equal(error.retryable, false, "retryable");
      t.power("failNext")(backend, "send", beneath);
      const second = await t.rejects(backend.publish(key, { n: 1 }), "a publish that fails with an error");
      const { cause } = second;
      check(cause instanceof Error && cause.message === beneath.message, "the error beneath must be kept as the cause");
      equal(ns(await t.drain(backend, key)), [], "what is queued");
    },
  },
  {
    id: "transient",
    title: "a publish that fails for the moment is tried again, and arrives once",
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect({ maxRetries: 3 });
      const key = t.key();
      t.power("failNext")(backend, "send", "unavailable", 2);
      equal((await put(t, backend, key, { n: 1 })).outcome, "added", "the outcome");
      equal(ns(await t.drain(backend, key)), [1], "what is queued");
    },
  },
  {
    id: "given-up",
    title: "a publish that keeps failing is rejected after maxRetries, as retryable",
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect({ maxRetries: 2 });
      t.power("failNext")(backend, "send", "unavailable", 3);
      const error = await t.rejects(backend.publish(t.key(), { n: 1 }), "a publish that keeps failing");
      check(error instanceof PublishError, `it must reject with a PublishError, not ${error.name}`);
      equal([error.code, error.retryable], ["unavailable", true], "code and retryable");
      // The three failures are used up: the next one succeeds.
      await put(t, backend, t.key(), { n: 2 });
    },
  },
  {
    id: "lost-reply",
    title: "a publish whose reply is lost is an unknown outcome, and repeating it with its id is safe",
    features: ["loseNextReply"],
    async run(t) {
      const backend = await t.connect({ maxRetries: 0 });
      const key = t.key();
      await t.power("loseNextReply")(backend, "send");
      const error = await t.rejects(backend.publish(key, { n: 1 }, { id: "Ev1" }), "a publish without a reply");
      check(error instanceof PublishError, `it must reject with a PublishError, not ${error.name}`);
      equal([error.code, error.id], ["unknown-outcome", "Ev1"], "code and id");
      const receipt = await put(t, backend, key, { n: 1 }, { id: "Ev1" });
      const arrived = ns(await t.drain(backend, key));
      // A backend may know the id again though it does not declare it.
      if (backend.capabilities.dedup) equal(receipt.outcome, "duplicate", "the outcome of the second try");
      equal(arrived, receipt.outcome === "duplicate" ? [1] : [1, 1], "what is queued");
    },
  },
  {
    id: "timeout",
    title: "a publish without an answer in time is an unknown outcome",
    level: "queue",
    sendOnly: true,
    features: ["delayResponses"],
    async run(t) {
      const backend = await t.connectQueue();
      const key = t.key();
      await put(t, backend, key, { n: 0 }); // connected, and the queue is there: the next publish leaves in time
      await t.power("delayResponses")(backend, 1_000);
      const error = await t.rejects(
        backend.publish(key, { n: 1 }, { timeoutMs: 200 }),
        "a publish without an answer",
      );
      check(error instanceof QueueError, `it must reject with a QueueError, not ${error.name}`);
      equal(error.code, "unknown-outcome", "the code");
      await t.power("delayResponses")(backend, 0);
    },
  },
  {
    id: "unreachable",
    title: "without a broker every call names the cause, and no publish is an unknown outcome, whatever its timeout",
    sendOnly: true,
    features: ["connectUnreachable"],
    async run(t) {
      const { clock } = t.broker;
      const timeoutMs = 900;
      const backend = await t.power("connectUnreachable")({
        timeoutMs,
        closeDeadlineMs: 50,
        ...clock && { clock },
      });
      check(isLeasing(backend), "the backend offers no leases");
      const refused = (error: Error | undefined, what: string) => {
        check(error instanceof QueueError, `${what} must fail with a QueueError, not ${error?.name}`);
        equal(error.code, "connection", `the code of ${what}`);
        check(/refused/i.test(error.message), `the message of ${what} must name the cause, found: ${error.message}`);
      };
      try {
        const message = { payload: { n: 1 } };
        refused(await t.rejects(backend.publish(t.key(), message.payload), "a publish"), "a publish");
        const calls = [timeoutMs / 3, timeoutMs, timeoutMs * 2].flatMap((timeoutMs) => [
          { what: `a publish of ${timeoutMs} ms`, call: backend.publish(t.key(), message.payload, { timeoutMs }) },
          {
            what: `a batch of ${timeoutMs} ms`,
            call: backend.publishBatch(t.key(), [message, message], { timeoutMs }),
          },
        ]);
        await Promise.all(calls.map(async ({ what, call }) => refused(await t.rejects(call, what), what)));
        if (backend.capabilities.depth) refused(await t.rejects(backend.depth(t.key()), "depth"), "depth");
        refused((await t.settles(backend.health(), "health")).error, "health");
      } finally {
        await t.settles(backend.close(), "closing");
      }
    },
  },
  {
    id: "aborted",
    title: "a publish whose signal has aborted is rejected with the reason, and nothing is sent",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const reason = new Error("changed my mind");
      const error = await t.rejects(
        backend.publish(key, { n: 1 }, { signal: AbortSignal.abort(reason) }),
        "an aborted publish",
      );
      equal(error.message, reason.message, "the reason");
      equal(ns(await t.drain(backend, key)), [], "what is queued");
    },
  },
  {
    id: "refuses-wrong-payloads",
    title: "an empty key and a payload that no JSON object can be are refused",
    level: "queue",
    sendOnly: true,
    async run(t) {
      const backend = await t.connectQueue();
      const cycle: Record<string, unknown> = {};
      cycle.self = cycle;
      await t.rejects(backend.publish("", { n: 1 }), "an empty key");
      for (const payload of [undefined, null, 1, "text", [], { a: 1n }, cycle]) {
        await t.rejects(backend.publish(t.key(), payload as JsonObject), "a payload that is no JSON object");
      }
    },
  },
  {
    id: "refuses-wrong-calls",
    title: "a wrong key, payload or option is a TypeError or RangeError, before anything is sent",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const cycle: Record<string, unknown> = {};
      cycle.self = cycle;
      const payloads = [null, 1, [], new Date(0), { a: 1n }, { a: () => 1 }, { a: undefined }, { a: NaN }, cycle];
      for (const payload of payloads) {
        const error = await t.rejects(backend.publish(key, payload as JsonObject), "a wrong payload");
        check(error instanceof TypeError, `a wrong payload must reject with a TypeError, not ${error.name}`);
      }
      for (const wrong of ["", 7, undefined] as string[]) {
        const error = await t.rejects(backend.publish(wrong, { n: 1 }), "a wrong key");
        check(error instanceof TypeError, `a wrong key must reject with a TypeError, not ${error.name}`);
      }
      for (const options of [{ delayMs: -1 }, { delayMs: NaN }, { delayMs: Infinity }, { timeoutMs: -5 }, { id: "" }]) {
        const error = await t.rejects(backend.publish(key, { n: 1 }, options), `the options ${Object.keys(options)}`);
        check(error instanceof TypeError || error instanceof RangeError, `a wrong option rejected with ${error.name}`);
      }
      if (backend.capabilities.consume !== "push") equal(ns(await t.drain(backend, key)), [], "what is queued");
    },
  },
]);
