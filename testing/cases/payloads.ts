/**
 * Rule 2, the message itself: what was published is what arrives, whatever is in it.
 *
 * @module
 */
import type { JsonObject, JsonValue, LeasingBackend } from "../../core/protocol.ts";
import { type CaseContext, casesOf, type ConformanceCase } from "../case.ts";
import { atLeast, atMost, check, equal } from "../check.ts";
import { ack, put } from "./support.ts";

async function roundTrip(t: CaseContext, payloads: readonly JsonObject[]): Promise<void> {
  const backend = await t.connectQueue();
  const key = t.key();
  const reader = t.consume(backend, key, { prefetch: 1 });
  for (const payload of payloads) {
    await put(t, backend, key, payload);
    equal(await reader.next("the message"), payload, "the payload");
  }
  await reader.leave();
}

function nested(depth: number): JsonObject {
  let inner: JsonValue = "bottom";
  for (let level = 0; level < depth; level++) inner = level % 2 === 0 ? { inner } : [inner];
  return { inner };
}

/** The bytes of the largest payload, where the backend says so; else of one that every backend takes. */
async function longest(t: CaseContext): Promise<number> {
  const { capabilities } = await t.connectQueue() as Partial<LeasingBackend>;
  return capabilities?.maxPayloadBytes ?? 100_000;
}

/** A length that every backend takes: a megabyte, or what it declares, but for some room. */
function longText(t: CaseContext, limit: number): string {
  // Eight bytes as JSON, where the line break takes two.
  return "ä漢a\n".repeat(Math.floor(Math.min(t.size(1_000_000), limit - 1_000) / 8));
}

/** The cases of rule 2 about payloads, headers, ids and keys. */
export const payloads: readonly ConformanceCase[] = casesOf(2, [
  {
    id: "payload-text",
    title: "text arrives to the letter: every alphabet, control characters, NUL, quotes, lone surrogates",
    level: "queue",
    run: (t) =>
      roundTrip(t, [
        { text: "Grüße, 世界, مرحبا, 👩‍👩‍👧, \u{10FFFF}" },
        { text: '\u0000\u0001\u001f\u007f\u0080\ufeff\u2028\u2029\r\n\t"\\/' },
        { text: "a lone \ud800 surrogate, another \udfff one" },
        { text: "" },
        { text: "<![CDATA[ ' OR 1=1 -- ${x} {{y}} %s %00" },
      ]),
  },
  {
    id: "payload-numbers",
    title: "numbers arrive to the last bit, and text that looks like a number stays text",
    level: "queue",
    run: (t) =>
      roundTrip(t, [
        { list: [0, -1, 1.5, 0.1, 1e21, 1e-7, 5e-324, Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON] },
        { list: [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 53, 2 ** 63] },
        { ts: "1700000000.123456", big: "12345678901234567890", hex: "0x10", yes: "true", nothing: "null" },
      ]),
  },
  {
    id: "payload-names",
    title: "awkward names arrive, those of prototypes, empty ones and digits among them, and no prototype is changed",
    level: "queue",
    async run(t) {
      const awkward = JSON.parse(
        '{"__proto__":{"polluted":true},"constructor":1,"":2,"0":3,"toString":4,"a.b":5,"ключ":6}',
      );
      await roundTrip(t, [awkward]);
      check((({}) as Record<string, unknown>).polluted === undefined, "a prototype was changed");
    },
  },
  {
    id: "payload-shapes",
    title: "empty, nested and wide payloads arrive",
    level: "queue",
    async run(t) {
      // About seventeen bytes a name.
      const wide = Math.min(t.size(1_000), Math.floor(await longest(t) / 20));
      await roundTrip(t, [
        {},
        { list: [], object: {}, nothing: null, yes: true, no: false },
        nested(200),
        Object.fromEntries(Array.from({ length: wide }, (_, n) => [`name-${n}`, n])),
        { list: Array.from({ length: wide }, (_, n) => n) },
      ]);
    },
  },
  {
    id: "payload-large",
    title: "a text of a megabyte, or of what the backend declares, arrives whole",
    async run(t) {
      t.allowRealWork();
      const backend = await t.connect({ timeoutMs: t.longMs });
      await roundTrip(t, [{ text: longText(t, backend.capabilities.maxPayloadBytes) }]);
    },
  },
  {
    id: "payload-copied",
    title: "what the publisher or a consumer changes afterwards changes no message",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const payload = { list: [1] };
      const publishing = backend.publish(key, payload);
      payload.list.push(2);
      await t.settles(publishing, "the publish");
      payload.list.push(3);
      const reader = t.receive(backend, key);
      const first = await reader.next("the first delivery");
      equal(first.payload, { list: [1] }, "the first delivery");
      (first.payload.list as number[]).push(4);
      await t.settles(first.retry(), "the retry");
      const second = await reader.next("the second delivery");
      equal(second.payload, { list: [1] }, "the second delivery");
      await ack(t, second);
    },
  },
  {
    id: "headers",
    title: "headers arrive as they were sent, whatever is in them",
    proves: "headers",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const headers = {
        traceparent: "00-abc-01",
        "Content-Type": "x/ä 世界",
        "": "no name",
        data: "{}",
        __proto: "\u0000\n",
        long: "x".repeat(2_000),
      };
      await put(t, backend, key, { n: 1 }, { headers });
      await put(t, backend, key, { n: 2 });
      const reader = t.receive(backend, key);
      for (let came = 0; came < 2; came++) {
        const delivery = await reader.next("the message");
        equal({ ...delivery.headers }, delivery.payload.n === 1 ? headers : {}, "the headers");
        await ack(t, delivery);
      }
    },
  },
  {
    id: "headers-unsupported",
    title: "headers that the backend does not carry are refused as unsupported",
    lacks: "headers",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect();
      const error = await t.rejects(
        backend.publish(t.key(), { n: 1 }, { headers: { a: "b" } }),
        "a publish with headers",
      );
      equal((error as { code?: unknown }).code, "unsupported", "the code");
    },
  },
  {
    id: "ids",
    title: "an id of awkward characters comes back as it was given",
    needs: ["dedup"],
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      for (const id of ["Ev:1/2?3#4", "ä 世界\n", "0", "__proto__", "x".repeat(200), "*", "$1"]) {
        equal(await put(t, backend, key, { id }, { id }), { id, outcome: "added" }, "the receipt");
        const reader = t.receive(backend, key, { prefetch: 1 });
        const delivery = await reader.next("the message");
        equal([delivery.id, delivery.payload], [id, { id }], "the delivery");
        await ack(t, delivery);
        await reader.leave();
        equal((await put(t, backend, key, { id }, { id })).outcome, "duplicate", `the id ${id} again`);
      }
    },
  },
  {
    id: "keys",
    title: "a key of awkward characters is a key like any other",
    async run(t) {
      const backend = await t.connect();
      const names = [
        "a b",
        "ä/世界",
        "{braces}",
        "x{y}z",
        "a:b:*",
        "#$?[x]",
        "__proto__",
        "\u0000",
        "k".repeat(200),
        "'\"\\",
      ];
      for (const name of names) {
        const key = t.key(name);
        await put(t, backend, key, { name });
        const reader = t.receive(backend, key, { prefetch: 1 });
        const delivery = await reader.next(`a message under ${JSON.stringify(name)}`);
        equal([delivery.key, delivery.payload], [key, { name }], "the delivery");
        await ack(t, delivery);
        await reader.leave();
      }
    },
  },
  {
    id: "published-at",
    title: "the time of publishing, where it is known, is when it was published, also at a later delivery",
    async run(t) {
      const backend = await t.connect();
      const key = t.key();
      const before = t.now();
      await put(t, backend, key, { n: 1 });
      const after = t.now();
      const reader = t.receive(backend, key);
      for (let delivery = 1; delivery <= 2; delivery++) {
        const { publishedAt, retry } = await reader.next(`delivery ${delivery}`).then((one) => ({
          publishedAt: one.publishedAt,
          retry: () => one.retry(),
        }));
        if (publishedAt !== undefined) {
          check(publishedAt instanceof Date, "publishedAt must be a Date");
          // A second either way: brokers keep clocks of their own, and some of them whole seconds.
          atLeast(publishedAt.getTime(), before - 1_000, "publishedAt");
          atMost(publishedAt.getTime(), after + 1_000, "publishedAt");
        }
        await t.settles(retry(), "the retry");
      }
    },
  },
]);
