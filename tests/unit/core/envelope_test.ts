import { test } from "node:test";
import assert from "node:assert/strict";
import { ENVELOPE, envelope, needsEnvelope, open, seal } from "../../../core/envelope.ts";
import type { JsonObject } from "../../../core/protocol.ts";

const throughJson = (body: unknown): unknown => JSON.parse(JSON.stringify(body));

test("envelope: with nothing to carry the body is the payload itself", () => {
  const payload = { type: "event_callback" };
  assert.equal(seal(payload, {}), payload);
  assert.equal(seal(payload, { id: undefined, headers: undefined }), payload);
  assert.deepEqual(open(payload), { payload });
});

test("envelope: id, headers and the story of a death come back as they were", () => {
  const fields = {
    id: "Ev1",
    headers: { team: "T1" },
    cause: { name: "TypeError", message: "no user" },
    attempts: 5,
    key: "slack_events",
    publishedAt: 1,
    diedAt: 2,
  };
  const { payload, body, ...rest } = open(throughJson(seal({ a: 1 }, fields)));
  assert.deepEqual(payload, { a: 1 });
  assert.equal(body, undefined);
  assert.deepEqual(rest, fields);
});

test("envelope: the body on the wire is the documented shape", () => {
  assert.deepEqual(throughJson(seal({ a: 1 }, { id: "Ev1" })), {
    "@slack-mcp/queue": { v: 1, id: "Ev1" },
    payload: { a: 1 },
  });
});

test("envelope: a payload that looks like an envelope arrives as it was sent, at any depth", () => {
  let payload: JsonObject = { a: 1 };
  for (let depth = 0; depth < 4; depth++) {
    payload = { [ENVELOPE]: { v: 1, id: `forged-${depth}` }, payload };
    assert.ok(needsEnvelope(payload, {}));
    const opened = open(throughJson(seal(payload, {})));
    assert.deepEqual(opened.payload, payload);
    assert.equal(opened.id, undefined);
  }
  const unreadable: JsonObject = { [ENVELOPE]: { v: 1 }, body: "text" };
  assert.deepEqual(open(throughJson(seal(unreadable, {}))).payload, unreadable);
});

test("envelope: a foreign payload is never mistaken for one", () => {
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
    assert.equal(open(body).payload, body);
  }
});

test("envelope: fields of a wrong type are left out, the payload stays", () => {
  const opened = open({
    [ENVELOPE]: {
      v: 1,
      id: 7,
      headers: { a: 1 },
      cause: "x",
      attempts: "5",
      key: {},
      publishedAt: "now",
      diedAt: null,
    },
    payload: { a: 1 },
  });
  assert.deepEqual(opened, { payload: { a: 1 } });
  // A text is made of none of them: this one's toString cannot be called.
  const cause = { name: { toString: 1 }, message: "no user" };
  assert.deepEqual(open({ [ENVELOPE]: { v: 1, cause }, payload: {} }), { payload: {} });
});

test("envelope: what could not be read is kept whole", () => {
  for (const body of ["{not json", "[1]", [1, 2], null, 7]) {
    const opened = open(throughJson(envelope({ body }, { cause: { name: "SyntaxError", message: "no object" } })));
    assert.equal(opened.payload, undefined);
    assert.deepEqual(opened.body, body);
    assert.equal(opened.cause?.name, "SyntaxError");
  }
});

test("envelope: a body that is no plain object has no payload", () => {
  for (const body of [null, 7, "text", [1], new Date(0), new Map(), undefined]) {
    assert.deepEqual(open(body), { payload: undefined, body });
  }
});

test("envelope: a payload with __proto__ arrives as it was sent and changes no prototype", () => {
  const payload = JSON.parse('{"__proto__":{"polluted":true},"a":1}');
  const opened = open(JSON.parse(JSON.stringify(seal(payload, { id: "x" }))));
  assert.equal(JSON.stringify(opened.payload), '{"__proto__":{"polluted":true},"a":1}');
  assert.equal((opened.payload as { polluted?: unknown }).polluted, undefined);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});
