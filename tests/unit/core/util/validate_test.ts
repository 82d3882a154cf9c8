import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend, type MemoryOptions } from "../../../../backends/memory/mod.ts";
import { createBackend } from "../../../../core/backend.ts";
import {
  abortSignal,
  boolean,
  checkKey,
  checkOptions,
  checkValue,
  count,
  func,
  nonNegative,
  object,
  oneOf,
  positive,
  text,
  textRecord,
  texts,
  type Validator,
  wholeNumber,
} from "../../../../core/util/validate.ts";
import type { QueueError } from "../../../../core/errors.ts";
import type { BackendOptions } from "../../../../core/backend_options.ts";
import type { JsonObject, PublishOptions, ReceiveOptions } from "../../../../core/protocol.ts";
import { ScriptedDriver } from "../../../doubles/scripted_driver.ts";

test("Validators accept what they say and no more", () => {
  const cases: [Validator, good: unknown[], wrongType: unknown[], outOfRange: unknown[]][] = [
    [nonNegative, [0, 0.5, 1e300], ["1", undefined, null, 1n], [-1, NaN, Infinity, -Infinity]],
    [positive, [0.5, 1], ["1", {}], [0, -0, -1, NaN, Infinity]],
    [count, [1, 2 ** 53 - 1], ["1", true], [0, -1, 1.5, NaN, Infinity, 2 ** 53]],
    [wholeNumber, [0, 1], [null], [-1, 0.5, NaN, Infinity]],
    [text, ["a", " ", "ü", "😀"], ["", 1, null, undefined, new String("a"), "\uD800", "a\uDC00b"], []],
    [boolean, [true, false], [0, "true", null], []],
    [func, [() => 1, class {}], [{}, "f", null], []],
    [object, [{}, [], new Map()], [null, "o", () => 1], []],
    [abortSignal, [new AbortController().signal], [{}, { aborted: false }, null, new AbortController()], []],
    [textRecord, [{}, { a: "" }, { "": "b" }], [null, [], { a: 1 }, { a: "\uD800" }, { "\uDC00": "" }, new Map()], []],
    [texts, [[], ["a"]], ["a", [""], [1], ["a", "\uD800"], null], []],
    [oneOf("a", "b"), ["a", "b"], [1, null, ["a"]], ["c", "A", ""]],
  ];
  for (const [i, [check, good, wrongType, outOfRange]] of cases.entries()) {
    for (const value of good) assert.doesNotThrow(() => checkValue("x", value, check), `${i}: ${String(value)}`);
    for (const value of wrongType) assert.throws(() => checkValue("x", value, check), TypeError, `${i}`);
    for (const value of outOfRange) assert.throws(() => checkValue("x", value, check), RangeError, `${i}`);
  }
});

test("checkOptions errors name the option, what is allowed and the kind that was found", () => {
  const message = (name: string, value: unknown, check: Validator): string => {
    try {
      checkValue(name, value, check);
    } catch (error) {
      return (error as Error).message;
    }
    return assert.fail("accepted");
  };
  assert.equal(message("delayMs", -1.5, nonNegative), "delayMs must be a finite number of at least 0, found -1.5");
  assert.equal(
    message("delayMs", "secret", nonNegative),
    "delayMs must be a finite number of at least 0, found a string",
  );
  assert.equal(message("id", "", text), "id must be a non-empty, well-formed string, found an empty string");
  assert.equal(message("overflow", "secret", oneOf("a", "b")), `overflow must be "a" or "b", found a string`);
  assert.equal(message("signal", {}, abortSignal), "signal must be an AbortSignal, found an object");
});

test("checkOptions refuses unknown names, and ignores undefined members", () => {
  const checks = { a: count, b: text };
  assert.doesNotThrow(() => checkOptions("options", { a: undefined, b: "x" } as object, checks as never));
  for (const options of [undefined, null, 1, "a", () => 1]) {
    assert.throws(
      () => checkOptions("options", options as unknown as object, checks as never),
      /options must be an object, found/,
    );
  }
  assert.throws(
    () => checkOptions("options", { c: 1 }, checks as never),
    /^TypeError: options has no option "c"; it has a, b$/,
  );
  for (const name of ["constructor", "toString", "hasOwnProperty"]) {
    assert.throws(() => checkOptions("options", { [name]: 1 }, checks as never), /has no option/);
  }
  assert.throws(
    () => checkOptions("options", JSON.parse(`{"__proto__":1}`), checks as never),
    /has no option "__proto__"/,
  );
});

test("checkKey accepts keys that any broker can carry", () => {
  for (const key of ["", undefined, null, 1, {}, ["k"], new String("k"), "\uD800"]) {
    assert.throws(() => checkKey(key), /^TypeError: key must be /);
  }
  for (const key of ["k", "slack:events", "ü 😀", "a/b\n"]) assert.doesNotThrow(() => checkKey(key));
});

test("Backend methods refuse a caller's mistake before anything is sent", async () => {
  const driver = new ScriptedDriver({ maxDelayMs: 1_000, depth: () => assert.fail("asked") });
  const backend = createBackend(driver, { maxPayloadBytes: 20 });
  const publish: [JsonObject, unknown, new () => Error, RegExp][] = [
    [{}, { delayMs: -1 }, RangeError, /delayMs must be a finite number of at least 0, found -1/],
    [{}, { delayMs: 1_001 }, RangeError, /delayMs must be at most 1000, found 1001/],
    [{}, { ttlMs: 0 }, RangeError, /ttlMs must be a finite number above 0, found 0/],
    [{}, { id: "" }, TypeError, /id must be a non-empty, well-formed string/],
    [{}, { headers: { a: 1 } }, TypeError, /headers must be a plain object of well-formed strings/],
    [{}, { signal: {} }, TypeError, /signal must be an AbortSignal/],
    [{}, { timeoutMs: Infinity }, RangeError, /timeoutMs must be a finite number above 0, found Infinity/],
    [{}, { delay: 1 }, TypeError, /publish options has no option "delay"/],
    [{}, null, TypeError, /publish options must be an object, found null/],
    [{ s: "secret secret secret" }, {}, RangeError, /^payload must be at most 20 bytes as JSON, found 28$/],
  ];
  for (const [payload, options, Kind, message] of publish) {
    await assert.rejects(backend.publish("k", payload, options as PublishOptions), (error: Error) => {
      assert.ok(error instanceof Kind);
      assert.match(error.message, message);
      return true;
    });
  }
  await assert.rejects(backend.publish("", {}), TypeError);
  await assert.rejects(backend.publishBatch("k", {} as []), /messages must be an array, found an object/);
  const holes = [, { payload: {} }] as { payload: JsonObject }[]; // deno-lint-ignore no-sparse-arrays
  for (
    const bad of [[undefined], [null], [{}], [{ payload: {}, signal: 1 }], [{ payload: {} }, { payload: [] }], holes]
  ) {
    await assert.rejects(backend.publishBatch("k", bad as { payload: JsonObject }[]), TypeError);
  }
  for (
    const options of [{ prefetch: 0 }, { prefetch: 1.5 }, { leaseMs: 0 }, { group: "" }, { stopWhenEmpty: 1 }, {
      max: 1,
    }, { signal: 1 }]
  ) {
    for (const how of ["consume", "receive"] as const) {
      assert.throws(
        () => backend[how]("k", options as ReceiveOptions),
        (error) => error instanceof TypeError || error instanceof RangeError,
      );
    }
  }
  assert.throws(() => backend.consume(""), TypeError);
  await assert.rejects(backend.depth(""), TypeError);
  await assert.rejects(backend.depth("k", { group: 1 } as object), TypeError);
  assert.deepEqual([driver.sent, driver.asked], [[], []]);
});

test("Backend methods refuse what is not supported before anything is sent", async () => {
  const capabilities = { delay: false, ttl: false, headers: false, groups: false, deadLetters: false, depth: false };
  const driver = new ScriptedDriver({ capabilities });
  const backend = createBackend(driver);
  const unsupported = (error: QueueError) =>
    error.code === "unsupported" && /^Cannot use .+: the scripted backend does not support it$/.test(error.message);
  for (const options of [{ delayMs: 1 }, { ttlMs: 1 }, { headers: {} }]) {
    await assert.rejects(backend.publish("k", {}, options), unsupported);
  }
  assert.throws(() => backend.receive("k", { group: "other" }), unsupported);
  await assert.rejects(backend.depth("k"), unsupported);
  await assert.rejects(backend.deadLetters.list("k").next(), unsupported);
  await assert.rejects(backend.deadLetters.replay("k"), unsupported);
  await assert.rejects(backend.deadLetters.purge("k"), unsupported);
  await backend.publish("k", {}, { delayMs: 0 });
  assert.equal(driver.sent.length, 1);
});

test("createBackend refuses wrong options", () => {
  const common: object[] = [
    { timeoutMs: 0 },
    { maxRetries: -1 },
    { maxRetries: 1.5 },
    { retryDelayMs: -1 },
    { prefetch: 0 },
    { leaseMs: NaN },
    { messageTtlMs: 0 },
    { closeDeadlineMs: -1 },
    { maxPayloadBytes: 0 },
    { clock: 1 },
    { random: 1 },
    { observer: 1 },
    { timeout: 1 },
  ];
  const refused = (error: unknown) => error instanceof TypeError || error instanceof RangeError;
  for (const options of common) {
    assert.throws(
      () => createBackend(new ScriptedDriver(), options as BackendOptions),
      refused,
      JSON.stringify(options),
    );
    assert.throws(() => new MemoryBackend(options as MemoryOptions), refused, JSON.stringify(options));
  }
  for (const options of [{ maxLength: 0 }, { overflow: "drop" }, { dedupWindowMs: 0 }, { broker: 1 }]) {
    assert.throws(() => new MemoryBackend(options as unknown as MemoryOptions), refused, JSON.stringify(options));
  }
});

test("publishBatch with one wrong message sends none, and names it", async () => {
  const driver = new ScriptedDriver();
  const backend = createBackend(driver);
  const messages = [{ payload: {} }, { payload: {}, delayMs: -1 }, { payload: {} }];
  await assert.rejects(backend.publishBatch("k", messages), RangeError);
  await assert.rejects(
    backend.publishBatch("k", [{ payload: {} }, { payload: {}, x: 1 } as never]),
    /messages\[1\] has no option "x"/,
  );
  assert.deepEqual(await backend.publishBatch("k", []), []);
  assert.equal(driver.sent.length, 0);
});
