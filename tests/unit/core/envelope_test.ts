import { test } from "node:test";
import assert from "node:assert/strict";
import { encoded, ENVELOPE, envelope, type EnvelopeFields, needsEnvelope, open, pack } from "../../../core/envelope.ts";
import type { JsonObject } from "../../../core/protocol.ts";

const throughJson = (body: unknown): unknown => JSON.parse(JSON.stringify(body));

/** The body of a payload that needs no compression, as it arrives. */
async function bodyOf(payload: JsonObject, fields: EnvelopeFields): Promise<unknown> {
  return JSON.parse((await pack(payload, fields, 100_000))!);
}

test("pack writes the payload itself where there is nothing to carry", async () => {
  const payload = { type: "event_callback" };
  assert.deepEqual(await bodyOf(payload, {}), payload);
  assert.deepEqual(await bodyOf(payload, { id: undefined, headers: undefined }), payload);
  assert.deepEqual(await open(payload), { payload });
});

test("open returns id, headers and the story of a death as they were packed", async () => {
  const fields = {
    id: "Ev1",
    headers: { team: "T1" },
    cause: { name: "TypeError", message: "no user" },
    attempts: 5,
    key: "slack_events",
    publishedAt: 1,
    diedAt: 2,
    contentType: "v8",
  };
  const { payload, body, ...rest } = await open(await bodyOf({ a: 1 }, fields));
  assert.deepEqual(payload, { a: 1 });
  assert.equal(body, undefined);
  assert.deepEqual(rest, fields);
});

test("pack writes the documented shape", async () => {
  assert.deepEqual(await bodyOf({ a: 1 }, { id: "Ev1" }), {
    "@slack-mcp/queue": { v: 1, id: "Ev1" },
    payload: { a: 1 },
  });
});

test("pack compresses what is over the limit, or returns nothing if that fails", async () => {
  const payload = { text: "x".repeat(200), list: ["x".repeat(200)], ["x".repeat(70)]: "\0" };
  const whole = JSON.stringify(payload).length;
  assert.equal(await pack(payload, {}, whole), JSON.stringify(payload));
  const packed = await pack(payload, { id: "Ev1" }, whole - 1);
  assert.ok(packed!.length < whole);
  assert.deepEqual(await open(JSON.parse(packed!)), { payload, id: "Ev1" });
  assert.equal(await pack(payload, { id: "Ev1" }, packed!.length - 1), undefined);
  // The documented form: two lines of JSON, gzipped.
  const bytes = Uint8Array.from(atob(JSON.parse(packed!).body), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const [texts, rest] = (await new Response(stream).text()).split("\n");
  assert.deepEqual(JSON.parse(texts!), ["x".repeat(200), "\0"]);
  assert.deepEqual(JSON.parse(rest!), { text: "\0" + "0", list: ["\0" + "0"], ["x".repeat(70)]: "\0" + "1" });
});

test("open returns a payload that looks like an envelope unchanged, at any depth", async () => {
  let payload: JsonObject = { a: 1 };
  for (let depth = 0; depth < 4; depth++) {
    payload = { [ENVELOPE]: { v: 1, id: `forged-${depth}` }, payload };
    assert.ok(needsEnvelope(payload, {}));
    const opened = await open(await bodyOf(payload, {}));
    assert.deepEqual(opened.payload, payload);
    assert.equal(opened.id, undefined);
  }
  for (const encoding of [undefined, "gzip", "base64"]) {
    const unreadable = { [ENVELOPE]: { v: 1, ...encoding && { encoding } }, body: "text" } as JsonObject;
    assert.deepEqual((await open(await bodyOf(unreadable, {}))).payload, unreadable);
  }
});

test("open takes no foreign payload for an envelope", async () => {
  const foreign: JsonObject[] = [
    {},
    { payload: { a: 1 } },
    { [ENVELOPE]: { v: 1 } },
    { [ENVELOPE]: { v: 2 }, payload: {} },
    { [ENVELOPE]: { v: "1" }, payload: {} },
    { [ENVELOPE]: null, payload: {} },
    { [ENVELOPE]: [1], payload: {} },
    { [ENVELOPE]: { v: 1 }, payload: [] },
    { [ENVELOPE]: { v: 1 }, payload: "text" },
    { [ENVELOPE]: { v: 1 }, payload: {}, more: 1 },
  ];
  for (const body of foreign) {
    assert.ok(!needsEnvelope(body, {}), JSON.stringify(body));
    assert.equal((await open(body)).payload, body);
  }
});

test("open leaves out fields of a wrong type and keeps the payload", async () => {
  const opened = await open({
    [ENVELOPE]: {
      v: 1,
      id: 7,
      headers: { a: 1 },
      cause: "x",
      attempts: "5",
      key: {},
      publishedAt: "now",
      diedAt: null,
      contentType: 1,
    },
    payload: { a: 1 },
  });
  assert.deepEqual(opened, { payload: { a: 1 } });
  // A text is made of none of them: this one's toString cannot be called.
  const cause = { name: { toString: 1 }, message: "no user" };
  assert.deepEqual(await open({ [ENVELOPE]: { v: 1, cause }, payload: {} }), { payload: {} });
});

test("open keeps whole what could not be read", async () => {
  for (const body of ["{not json", "[1]", [1, 2], null, 7]) {
    const opened = await open(
      throughJson(envelope({ body }, { cause: { name: "SyntaxError", message: "no object" } })),
    );
    assert.equal(opened.payload, undefined);
    assert.deepEqual(opened.body, body);
    assert.equal(opened.cause?.name, "SyntaxError");
  }
  const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
  const { payload, body, id } = await open(throughJson(encoded("base64", bytes, { id: "Ev1" })));
  assert.deepEqual([payload, body, id], [undefined, bytes, "Ev1"]);
});

test("open returns a body whose content cannot be decoded as it came", async () => {
  for (const fields of [{ v: 1, encoding: "gzip" }, { v: 1, encoding: "base64" }]) {
    for (const content of ["%", 7, null, ["x"]]) {
      const body = { [ENVELOPE]: fields, body: content };
      assert.deepEqual(await open(body), { payload: undefined, body }, JSON.stringify(body));
    }
  }
});

test("open returns what is no plain object as the body", async () => {
  for (const body of [null, 7, "text", [1], new Date(0), new Map(), undefined]) {
    assert.deepEqual(await open(body), { payload: undefined, body });
  }
});

test("open returns a payload with __proto__ as it was packed and changes no prototype", async () => {
  const payload = JSON.parse('{"__proto__":{"polluted":true},"a":1}');
  const opened = await open(await bodyOf(payload, { id: "x" }));
  assert.equal(JSON.stringify(opened.payload), '{"__proto__":{"polluted":true},"a":1}');
  assert.equal((opened.payload as { polluted?: unknown }).polluted, undefined);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});
