import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend } from "../../../../backends/memory/mod.ts";
import {
  bytesOf,
  cloneJson,
  copyPayload,
  isJson,
  isPlainObject,
  kindOf,
  MAX_DEPTH,
  parsePayload,
} from "../../../../core/util/json.ts";
import type { JsonObject } from "../../../../core/protocol.ts";

class Point {
  x = 1;
}

function nested(depth: number, how: "object" | "array" = "object"): JsonObject {
  let inner: unknown = "deep";
  for (let i = 1; i < depth; i++) inner = how === "object" ? { inner } : [inner];
  return { inner } as JsonObject;
}

test("copyPayload refuses what is no plain object, by its kind alone", () => {
  const refused: [unknown, string][] = [
    [undefined, "undefined"],
    [null, "null"],
    [[1], "an array"],
    ["secret", "a string"],
    [7, "a number"],
    [NaN, "NaN"],
    [true, "a boolean"],
    [1n, "a bigint"],
    [Symbol("secret"), "a symbol"],
    [() => "secret", "a function"],
    [new Date(), "a Date"],
    [new Map([["secret", 1]]), "a Map"],
    [new Point(), "a Point"],
    [new Error("secret"), "a Error"],
    [new Uint8Array(3), "a Uint8Array"],
    [new String("secret"), "a String"],
    [Promise.resolve(1), "a Promise"],
    [Object.create({ inherited: "secret" }), "an object"],
    [Object.create(Object.create(null)), "an object"],
  ];
  for (const [value, kind] of refused) {
    assert.throws(() => copyPayload(value), (error: Error) => {
      assert.equal(error.constructor, TypeError);
      assert.equal(error.message, `payload must be a plain JSON object, found ${kind}`);
      return true;
    });
  }
});

test("copyPayload refuses what JSON would lose, by path and kind without the content", () => {
  const refused: [JsonObject | object, string][] = [
    [{ a: undefined }, "payload.a must be a JSON value, found undefined"],
    [{ a: { b: NaN } }, "payload.a.b must be a JSON value, found NaN"],
    [{ a: [1, { b: -Infinity }] }, "payload.a[1].b must be a JSON value, found -Infinity"],
    [{ a: [[], [10n]] }, "payload.a[1][0] must be a JSON value, found a bigint"],
    [{ ok: "secret", a: () => "secret" }, "payload.a must be a JSON value, found a function"],
    [{ a: Symbol("secret") }, "payload.a must be a JSON value, found a symbol"],
    [{ a: new Date() }, "payload.a must be a JSON value, found a Date"],
    [{ a: { toJSON: () => "secret" } }, "payload.a.toJSON must be a JSON value, found a function"],
    [{ a: [1, , 3] }, "payload.a[1] must be a JSON value, found undefined"], // deno-lint-ignore no-sparse-arrays
    [{ a: new Set(["secret"]) }, "payload.a must be a JSON value, found a Set"],
  ];
  for (const [value, message] of refused) {
    assert.throws(() => copyPayload(value), (error: Error) => {
      assert.deepEqual([error.constructor, error.message], [TypeError, message]);
      return true;
    });
  }
});

test("copyPayload reports cycles wherever they close, and allows a value twice", () => {
  const own: Record<string, unknown> = {};
  own.self = own;
  assert.throws(() => copyPayload(own), /^TypeError: payload\.self must be a JSON value, found a cycle$/);
  const list: unknown[] = [];
  list.push({ list });
  assert.throws(() => copyPayload({ a: list }), /payload\.a\[0\]\.list must be a JSON value, found a cycle/);
  const shared = { x: [1] };
  assert.deepEqual(copyPayload({ a: shared, b: [shared, shared] }), { a: shared, b: [shared, shared] });
});

test("copyPayload accepts the deepest nesting and no more, without a crash", () => {
  for (const how of ["object", "array"] as const) {
    assert.deepEqual(copyPayload(nested(MAX_DEPTH, how)), nested(MAX_DEPTH, how));
    for (const depth of [MAX_DEPTH + 1, 100_000]) {
      assert.throws(() => copyPayload(nested(depth, how)), (error: Error) => {
        assert.deepEqual([error.constructor, error.message], [
          RangeError,
          `payload must be nested at most ${MAX_DEPTH} deep`,
        ]);
        return true;
      });
    }
  }
});

test("copyPayload copies an own __proto__ and changes no prototype", async () => {
  const text =
    `{"__proto__":{"polluted":true},"a":{"__proto__":[1.5,{"constructor":{"prototype":{"polluted":true}}}]}}`;
  const sent = JSON.parse(text) as JsonObject;
  for (const copy of [copyPayload(sent), cloneJson(sent), parsePayload(text) as JsonObject]) {
    assert.equal(JSON.stringify(copy), text);
    assert.equal(Object.getPrototypeOf(copy), Object.prototype);
    assert.equal((copy as { polluted?: unknown }).polluted, undefined);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  const bad = JSON.parse(`{"a":{"__proto__":{"b":1}}}`);
  Object.defineProperty(bad.a.__proto__, "b", { value: 1n, enumerable: true });
  assert.throws(() => copyPayload(bad), /payload\.a\.__proto__\.b must be a JSON value, found a bigint/);
  const backend = new MemoryBackend();
  await backend.publish("k", sent);
  for await (const arrived of backend.consume("k", { stopWhenEmpty: true })) {
    assert.equal(JSON.stringify(arrived), text);
    assert.equal(Object.getPrototypeOf(arrived), Object.prototype);
  }
});

test("copyPayload shares nothing with the original", () => {
  const original = { list: [1, [2], { a: 1 }], object: { deep: { b: "x" } }, none: null, zero: 0, yes: true };
  const copy = copyPayload(original);
  assert.deepEqual(copy, original);
  original.object.deep.b = "changed";
  (original.list[1] as number[]).push(3);
  assert.deepEqual(copy, { list: [1, [2], { a: 1 }], object: { deep: { b: "x" } }, none: null, zero: 0, yes: true });
});

test("copyPayload keeps numbers, texts and names as JSON carries them", () => {
  const payload = {
    zero: -0,
    list: [-0, 1e308, 5e-324, -1.5],
    "": "empty name",
    "a.b": 1,
    "\uD800": "\uDC00 half",
    nul: "\0",
  };
  const copy = copyPayload(payload);
  assert.ok(Object.is(copy.zero, 0) && Object.is((copy.list as number[])[0], 0));
  assert.deepEqual(JSON.parse(JSON.stringify(copy)), copy);
  assert.deepEqual(Object.keys(copy), Object.keys(payload));
});

test("copyPayload leaves out what is not enumerable, inherited or a symbol", () => {
  const payload = Object.defineProperty({ a: 1 } as Record<PropertyKey, unknown>, "hidden", { value: () => 1 });
  assert.equal(JSON.stringify(copyPayload(payload)), `{"a":1}`);
  const bare = Object.assign(Object.create(null), { a: [Object.assign(Object.create(null), { b: 1 })] });
  assert.deepEqual(JSON.stringify(copyPayload(bare)), `{"a":[{"b":1}]}`);
  const named = copyPayload({ a: 1, [Symbol("secret")]: () => 1 });
  assert.equal(JSON.stringify(named), `{"a":1}`);
});

test("copyPayload refuses or copies a payload that changes while it is read, whole", () => {
  let reads = 0;
  const payload = {
    get a() {
      reads += 1;
      return reads === 1 ? 1n : 1;
    },
  };
  assert.throws(() => copyPayload(payload), TypeError);
  assert.throws(() =>
    copyPayload({
      get a() {
        throw new RangeError("the getter's own");
      },
    }), /the getter's own/);
});

test("kindOf calls nothing of the value", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assert.equal(kindOf(Object.create(null)), "an object");
  assert.equal(kindOf(new (class {})()), "an object");
  assert.throws(() => kindOf(proxy)); // there is nothing that can be asked of it
});

test("isPlainObject accepts objects of another realm, and no imitation", () => {
  assert.equal(isPlainObject({}), true);
  assert.equal(isPlainObject(Object.create(null)), true);
  assert.equal(isPlainObject(structuredClone({ a: 1 })), true);
  assert.equal(isPlainObject(new Point()), false);
  assert.equal(isPlainObject(Object.create({ own: 1 })), false);
  assert.equal(isPlainObject(null), false);
});

test("bytesOf counts bytes of UTF-8 exactly", async () => {
  for (
    const [s, bytes] of [["", 0], ["abc", 3], ["ü", 2], ["€", 3], ["😀", 4], ["aü€😀", 10], ['"', 2], [
      "\uD800",
      6,
    ]] as const
  ) {
    assert.equal(bytesOf(s), new TextEncoder().encode(s).byteLength);
    const size = `{"s":""}`.length + bytes;
    await new MemoryBackend({ maxPayloadBytes: size }).publish("k", { s });
    await assert.rejects(new MemoryBackend({ maxPayloadBytes: size - 1 }).publish("k", { s }), {
      name: "RangeError",
      message: `payload must be at most ${size - 1} bytes as JSON, found ${size}`,
    });
  }
});

test("parsePayload reports a body that is no JSON object without its content", () => {
  const refused: [string, string][] = [
    ["secret", "the body is not JSON"],
    ["", "the body is not JSON"],
    [`{"a":1`, "the body is not JSON"],
    ["\uFEFF{}", "the body is not JSON"],
    ["null", "the body must be a JSON object, found null"],
    ["[]", "the body must be a JSON object, found an array"],
    [`"secret"`, "the body must be a JSON object, found a string"],
    ["1", "the body must be a JSON object, found a number"],
  ];
  for (const [body, problem] of refused) assert.equal(parsePayload(body), problem, body);
  assert.deepEqual(parsePayload(` {"a":[1]} `), { a: [1] });
});

test("isJson tells values that JSON carries without loss from all others", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [null, "", 0, true, [], {}, { a: [{ b: 1 }] }]) assert.ok(isJson(value), JSON.stringify(value));
  for (const value of [undefined, NaN, 1n, new Map(), { a: [undefined] }, cycle]) assert.ok(!isJson(value));
});
