/**
 * Rule 6: nothing is dropped. What is given up is kept whole, listed and replayed.
 *
 * @module
 */
import { toBase64 } from "../../core/util/bytes.ts";
import { createConsumer } from "../../core/consume/consumer.ts";
import { PermanentError } from "../../core/errors.ts";
import { DEFAULT_GROUP } from "../../core/protocol.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { atLeast, atMost, check, equal } from "../check.ts";
import { causes, deadLetterNumbers, letters } from "./letters.ts";
import { inTime } from "./in_time.ts";
import { ack, nothingBut, numbers, put, putNumbers } from "./support.ts";

/** The cases of rule 6. */
export const deadLetters: readonly ConformanceCase[] = casesOf(6, [
  {
    id: "whole",
    title: "a dead letter has the payload, headers, cause, attempts, key, group and times",
    proves: "deadLetters",
    async run(t) {
      const backend = await t.connect();
      const key = t.key("groups");
      const payload = { order: 7, text: "whole ä" };
      const headers = backend.capabilities.headers ? { traceparent: "00-1" } : undefined;
      const before = t.now();
      const { id } = await put(t, backend, key, payload, { headers });
      const reader = t.receive(backend, key);
      await t.settles((await reader.next("the first delivery")).retry(), "the retry");
      const delivery = await reader.next("the second delivery");
      check(await t.settles(delivery.deadLetter(new RangeError("no such order")), "the dead letter"), "it was refused");
      const [letter, ...others] = await letters(t, backend, key);
      check(letter, "there is no dead letter");
      equal(others, [], "other dead letters");
      equal([letter.payload, JSON.parse(letter.body)], [payload, payload], "payload and body");
      equal({ ...letter.headers }, headers ?? {}, "the headers");
      equal({ ...letter.cause }, { name: "RangeError", message: "no such order" }, "the cause");
      equal([letter.key, letter.group], [key, DEFAULT_GROUP], "key and group");
      if (backend.capabilities.attempts) equal(letter.attempts, 2, "the attempts");
      if (backend.capabilities.dedup) equal(letter.messageId, id, "the message's id");
      for (const [name, at] of [["publishedAt", letter.publishedAt], ["diedAt", letter.diedAt]] as const) {
        if (at === undefined) continue;
        atLeast(at.getTime(), before - 1_000, name);
        atMost(at.getTime(), t.now() + 1_000, name);
      }
    },
  },
  {
    id: "gone",
    title: "what was given up is not delivered again, and the next message flows",
    needs: ["deadLetters"],
    run: inTime(async (t) => {
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      await putNumbers(t, backend, key, 2);
      const reader = t.receive(backend, key);
      const first = await reader.next("the first message");
      await t.settles(first.deadLetter("no"), "the dead letter");
      const second = await reader.next("the next message");
      equal(sum(first.payload.n, second.payload.n), 1, "both messages");
      await ack(t, second);
      await reader.quiet(2 * t.leaseMs, "after the last message");
    }),
  },
  {
    id: "exactly-n",
    title: "a handler that always fails gets a message maxAttempts times, then it is dead with the last cause",
    needs: ["attempts", "delay"],
    proves: "deadLetters",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      await put(t, backend, key, { n: 2 });
      const calls: unknown[] = [];
      const stop = new AbortController();
      const consumer = createConsumer({
        maxAttempts: 4,
        backoff: () => 1,
        ...t.broker.clock && { clock: t.broker.clock },
        handler: ({ payload, attempts }) => {
          if (payload.n !== 1) return;
          calls.push(attempts);
          throw new TypeError(`failed at ${attempts}`);
        },
      });
      const run = t.inBackground(consumer.run(backend, key, { signal: stop.signal }));
      await t.becomes(async () => (await letters(t, backend, key)).length > 0, "a dead letter");
      stop.abort();
      const summary = await t.settles(run, "the end of the run");
      equal(calls, [1, 2, 3, 4], "the attempts that the handler saw");
      const found = await letters(t, backend, key);
      equal(causes(found), ["TypeError: failed at 4"], "the causes");
      equal(found[0]?.attempts, 4, "the attempts of the dead letter");
      equal([summary.retried, summary.deadLettered, summary.acked], [3, 1, 1], "what the consumer counted");
    },
  },
  {
    id: "long-reason",
    title: "a dead letter with a long reason stands in nobody's way",
    needs: ["deadLetters"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      for (const n of [0, 1, 2]) await put(t, backend, key, { n });
      const held = await t.receive(backend, key, { prefetch: 3 }).take(3, "the messages");
      const reason = new Error(`Cannot handle it: ${"ü\n".repeat(20_000)}`);
      const settled = Promise.all([held[0]!.ack(), held[1]!.deadLetter(reason), held[2]!.ack()]);
      equal(await t.settles(settled, "the settlements"), [true, true, true], "their answers");
      const [letter] = await letters(t, backend, key);
      check(letter?.cause.message.startsWith("Cannot handle it: ü") === true, "the reason begins as it was given");
      await nothingBut(t, backend, key, "what is left");
    },
  },
  {
    id: "permanent",
    title: "a PermanentError gives up at once",
    needs: ["deadLetters"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      let calls = 0;
      const consumer = createConsumer({
        ...t.broker.clock && { clock: t.broker.clock },
        handler: () => {
          calls++;
          throw new PermanentError("no such customer");
        },
      });
      await t.settles(consumer.drain(backend, key), "the drain");
      equal(calls, 1, "calls of the handler");
      equal(causes(await letters(t, backend, key)), ["PermanentError: no such customer"], "the causes");
    },
  },
  {
    id: "malformed",
    title: "an entry that is not JSON goes to the dead letters as it came, and the next message flows",
    needs: ["deadLetters"],
    features: ["inject"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const body = '{"n": 1, "text": "cut off her';
      await t.power("inject")(key, body);
      await put(t, backend, key, { n: 2 });
      const reader = t.receive(backend, key);
      const delivery = await reader.next("the next message");
      equal(delivery.payload, { n: 2 }, "the next message");
      await ack(t, delivery);
      void reader.ask(); // given back in between, it may stand behind the other now
      await t.becomes(async () => (await letters(t, backend, key)).length === 1, "a dead letter");
      const [letter] = await letters(t, backend, key);
      equal([letter?.payload, letter?.body], [undefined, body], "payload and body");
      check(letter!.cause.message !== "", "the cause must say why");
      check(!letter!.cause.message.includes("cut off her"), "the cause must not quote the body");
    },
  },
  {
    id: "foreign",
    title: "JSON that is no object goes to the dead letters, each as it came",
    needs: ["deadLetters"],
    features: ["inject"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const bodies = ["[1, 2]", "null", "17", '"text"', "true", "", "\u0000"];
      for (const body of bodies) await t.power("inject")(key, body);
      await put(t, backend, key, { n: 1 });
      const reader = t.receive(backend, key);
      const delivery = await reader.next("the message among them");
      equal(delivery.payload, { n: 1 }, "the message among them");
      await ack(t, delivery);
      void reader.ask(); // given back in between, some may stand behind it now
      await t.becomes(async () => (await letters(t, backend, key)).length === bodies.length, "the dead letters");
      const found = await letters(t, backend, key);
      equal(found.map(({ body }) => body).toSorted(), bodies.toSorted(), "their bodies");
    },
  },
  {
    id: "bytes",
    title: "bytes that are no UTF-8 go to the dead letters, the same bytes, also after a replay; no handler sees them",
    needs: ["deadLetters"],
    features: ["injectBytes"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      // gzip, JSON in Latin-1, every byte there is, half a character, and JSON with more behind a NUL: a lenient decoder
      // makes text of each.
      const bodies = [
        Uint8Array.of(31, 139, 8, 0, 0, 255),
        Uint8Array.from('{"name":"J\u00fcrgen"}', (char) => char.charCodeAt(0)),
        Uint8Array.from({ length: 256 }, (_, n) => n),
        Uint8Array.of(123, 34, 97, 34, 58, 34, 195),
        Uint8Array.of(123, 125, 0, 255),
      ];
      const expected = bodies.map((body) => ["base64", toBase64(body)]).toSorted();
      for (const body of bodies) await t.power("injectBytes")(key, body);
      const replacement = { text: "\ufffd is text" };
      await put(t, backend, key, replacement);
      const reader = t.receive(backend, key);
      const delivery = await reader.next("the message behind them");
      equal(delivery.payload, replacement, "the message behind them");
      await ack(t, delivery);
      void reader.ask();
      const found = async () =>
        (await letters(t, backend, key)).map(({ bodyEncoding, body, payload }) => {
          equal(payload, undefined, "the payload");
          return [bodyEncoding, body];
        }).toSorted();
      await t.becomes(async () => (await found()).length === bodies.length, "the dead letters");
      equal(await found(), expected, "their bytes");
      if (!backend.capabilities.replay) return;
      equal(await t.settles(backend.deadLetters.replay(key), "the replay"), bodies.length, "how many were replayed");
      await t.becomes(async () => (await found()).length === bodies.length, "the dead letters again");
      equal(await found(), expected, "their bytes after the replay");
    },
  },
  {
    id: "foreign-producer",
    title: "a plain JSON object that somebody else put there is a message like any other",
    features: ["inject"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      await t.power("inject")(key, '{ "n": 1,\n "text": "\\u00e4" }');
      const delivery = await t.receive(backend, key).next("the message");
      equal(
        [delivery.payload, delivery.attempts, { ...delivery.headers }],
        [{ n: 1, text: "ä" }, 1, {}],
        "the delivery",
      );
      check(delivery.id !== "", "it needs an id");
      await ack(t, delivery);
      await nothingBut(t, backend, key, "after the ack");
    },
  },
  {
    id: "list",
    title: "listing takes nothing away, gives the oldest first, all pages of it, or as many as were asked for",
    proves: "deadLetters",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const count = Math.min(t.size(250), t.maxListed);
      await deadLetterNumbers(t, backend, key, count);
      const found = await letters(t, backend, key);
      equal(found.map(({ payload }) => payload?.n), numbers(count), "all of them");
      equal(new Set(found.map(({ id }) => id)).size, count, "different ids");
      const some = await letters(t, backend, key, { limit: 3 });
      equal(some.map(({ payload }) => payload?.n), [0, 1, 2], "the first three");
      const wanted = [found[5]!.id, found[7]!.id];
      const picked = await letters(t, backend, key, { ids: wanted });
      equal(picked.map(({ payload }) => payload?.n), [5, 7], "those asked for");
    },
  },
  {
    id: "restart",
    title: "dead letters outlive a restart of the broker",
    needs: ["deadLetters", "durable"],
    features: ["restartBroker"],
    async run(t) {
      const before = await t.connect();
      const key = t.key();
      await deadLetterNumbers(t, before, key, 3);
      await t.settles(before.close(), "the close");
      await t.power("restartBroker")();
      const found = await letters(t, await t.connect(), key);
      equal(found.map(({ payload }) => payload?.n), [0, 1, 2], "the dead letters");
    },
  },
  {
    id: "unsupported",
    title: "dead letters that the backend does not keep are refused as unsupported",
    lacks: "deadLetters",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      const error = await t.rejects(backend.deadLetters.list(t.key()).next(), "the list of dead letters");
      equal((error as { code?: unknown }).code, "unsupported", "the code");
    },
  },
]);

function sum(a: unknown, b: unknown): number {
  return Number(a) + Number(b);
}
