import { test } from "node:test";
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { createBackend } from "../../../../core/backend.ts";
import type { ConsumeError } from "../../../../core/errors.ts";
import { QueueError } from "../../../../core/errors.ts";
import { messageOf, redactError, redactText } from "../../../../core/util/redact.ts";
import { failure, ScriptedDriver } from "../../../doubles/scripted_driver.ts";

/** Long enough to stand in no path: stacks name the folder of the checkout, which may have any two letters in it. */
const SECRET = "correct-horse-battery-staple";

test("redactText removes every secret wherever it stands", () => {
  assert.equal(redactText("a pw b pw c token", ["pw", "token"]), "a <redacted> b <redacted> c <redacted>");
  assert.equal(redactText("nothing here", ["pw", ""]), "nothing here");
});

test("redactText leaves nothing of a secret that holds another", () => {
  for (const secrets of [["abc", "abcdef"], ["abcdef", "abc"]]) {
    assert.equal(redactText("key abcdef, key abc", secrets), "key <redacted>, key <redacted>");
  }
});

test("redactText leaves a text readable, whatever one or two characters are secret", () => {
  const text = "WRONGPASS invalid username-password pair or user is disabled. at file.ts:12:1";
  for (const secret of ["a", "i", "1", "is", "or", "us", "12", "in", "pa", "ai"]) {
    assert.equal(redactText(text, [secret]), text);
  }
  assert.equal(
    redactText("redis://app:q7@host/0, password q7", ["q7"]),
    "redis://app:<redacted>@host/0, password <redacted>",
  );
});

test("redactText takes secrets that look like patterns as text", () => {
  assert.equal(redactText("x $& y .* z", ["$&", ".*"]), "x <redacted> y <redacted> z");
});

test("redactError keeps name, message, code, stack and cause, redacted, and no more", () => {
  const root = Object.assign(new TypeError(`root ${SECRET}`), { code: "ECONNREFUSED", command: { args: [SECRET] } });
  const error = new RangeError(`outer ${SECRET}`, { cause: root });
  const clean = redactError(error, [SECRET]) as Error & { code?: string; cause: Error & { code: string } };
  assert.deepEqual([clean.name, clean.message, clean.cause.name, clean.cause.message, clean.cause.code], [
    "RangeError",
    "outer <redacted>",
    "TypeError",
    "root <redacted>",
    "ECONNREFUSED",
  ]);
  assert.match(clean.stack!, /redact_test/);
  assert.doesNotMatch(inspect(clean, { depth: 10, showHidden: true }), new RegExp(SECRET));
  assert.equal("command" in clean.cause, false);
});

test("redactError redacts causes that are no errors, and cuts an endless chain", () => {
  assert.equal(redactError(`${SECRET} in a text`, [SECRET]), "<redacted> in a text");
  assert.equal(redactError({ toString: () => `${SECRET} in an object` }, [SECRET]), "<redacted> in an object");
  assert.equal(redactError(7, [SECRET]), 7);
  assert.equal(redactError(undefined, [SECRET]), undefined);
  const loop: Error = new Error(SECRET);
  loop.cause = loop;
  assert.doesNotMatch(inspect(redactError(loop, [SECRET]), { depth: 20 }), new RegExp(SECRET));
});

test("messageOf returns a text for anything that was thrown", () => {
  const throws = () => {
    throw new Error("no");
  };
  assert.equal(messageOf(new Error("m")), "m");
  assert.equal(messageOf("text"), "text");
  assert.equal(messageOf(undefined), "undefined");
  for (
    const odd of [
      Object.create(null),
      { toString: throws },
      Object.assign(new Error(), { message: { toString: throws } }),
    ]
  ) {
    assert.equal(messageOf(odd), "unprintable");
    assert.doesNotThrow(() => redactError(odd, ["pw"]));
  }
});

test("Backend errors show none of the driver's secrets, whatever it throws", async () => {
  const secret = "hunter2";
  const thrown = [
    failure("connection", `redis://app:${secret}@host refused`),
    new QueueError("connection", `redis://app:${secret}@host refused`),
    Object.assign(new QueueError("connection", "refused", { cause: new Error(secret) })),
    new Error("refused", { cause: new Error("deep", { cause: secret }) }),
    `a text with ${secret}`,
  ];
  for (const error of thrown) {
    const fail = () => Promise.reject(error);
    const driver = new ScriptedDriver({
      secrets: [secret],
      classify: () => "unauthorized",
      send: fail,
      settle: fail,
      extend: fail,
      depth: fail,
      ping: fail,
    });
    const backend = createBackend(driver, { maxRetries: 0, retryDelayMs: 0 });
    driver.put("{}");
    const { value: delivery } = await backend.receive("k").next();
    const health = await backend.health();
    const errors = [
      await backend.publish("k", {}).catch((caught) => caught),
      await backend.publishBatch("k", [{ payload: {} }, { payload: {} }]).catch((caught) => caught),
      await backend.depth("k").catch((caught) => caught),
      await delivery!.extend(1_000).catch((caught: unknown) => caught),
      health.error,
    ];
    for (const caught of errors) {
      assert.ok(caught instanceof QueueError, String(caught));
      assert.doesNotMatch(inspect(caught, { depth: 10, showHidden: true }), /hunter2/);
      assert.doesNotMatch(JSON.stringify(caught), /hunter2/);
    }
  }
});

test("Backend errors keep retryable and retryAfterMs of the driver's error", async () => {
  const retryable = new QueueError("internal", "a failover", { retryable: true, retryAfterMs: 0.5 });
  let calls = 0;
  const driver = new ScriptedDriver({
    send: (messages) => {
      calls += 1;
      if (calls === 1) throw retryable;
      return messages.map(() => ({ outcome: "added" }));
    },
    depth: () => Promise.reject(new QueueError("connection", "a lasting one", { retryable: false })),
  });
  const backend = createBackend(driver, { retryDelayMs: 0 });
  assert.equal((await backend.publish("k", {})).outcome, "added");
  await assert.rejects(backend.depth("k"), (error: ConsumeError) => error.code === "connection" && !error.retryable);
});
