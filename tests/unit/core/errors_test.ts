import { test } from "node:test";
import assert from "node:assert/strict";
import {
  ConfigError,
  ConnectionError,
  ConsumeError,
  type ErrorCode,
  isTransient,
  PermanentError,
  PublishError,
  QueueError,
} from "../../../core/errors.ts";

test("isTransient is true for the transient codes and no others", () => {
  const transient: ErrorCode[] = ["connection", "timeout", "unavailable", "rate-limited"];
  const lasting: ErrorCode[] = [
    ...["unknown-outcome", "queue-full", "unauthorized", "not-found", "invalid", "too-large"] as const,
    ...["malformed", "unsupported", "closed", "config", "permanent", "internal"] as const,
  ];
  for (const code of transient) assert.equal(isTransient(code), true, code);
  for (const code of lasting) assert.equal(isTransient(code), false, code);
  assert.equal(new QueueError("timeout", "late").retryable, true);
  assert.equal(new QueueError("closed", "gone").retryable, false);
  assert.equal(new QueueError("closed", "gone", { retryable: true }).retryable, true);
});

test("QueueError subclasses each have their own name and are an Error", () => {
  const errors = [
    new QueueError("internal", "m"),
    new PublishError("unknown-outcome", "m"),
    new ConsumeError("malformed", "m"),
    new ConnectionError("m"),
    new ConfigError("m"),
    new PermanentError("m"),
  ];
  const names = ["QueueError", "PublishError", "ConsumeError", "ConnectionError", "ConfigError", "PermanentError"];
  assert.deepEqual(errors.map(({ name }) => name), names);
  for (const error of errors) {
    assert.ok(error instanceof QueueError && error instanceof Error);
    assert.equal(error.message, "m");
    assert.equal(String(error), `${error.name}: m`);
  }
  assert.deepEqual(errors.slice(3).map(({ code }) => code), ["connection", "config", "permanent"]);
});

test("QueueError keeps its details, and leaves unknown ones undefined", () => {
  const cause = new Error("beneath");
  const error = new PublishError("timeout", "m", { backend: "memory", key: "k", id: "1", cause });
  assert.deepEqual([error.backend, error.key, error.id, error.cause], ["memory", "k", "1", cause]);
  const bare = new QueueError("internal", "m");
  assert.deepEqual([bare.backend, bare.key, bare.id, bare.cause], [undefined, undefined, undefined, undefined]);
});

test("QueueError has a cause only where one was given, even undefined", () => {
  assert.equal("cause" in new QueueError("internal", "m"), false);
  assert.equal("cause" in new QueueError("internal", "m", { cause: undefined }), true);
});

test("ConfigError shows one problem as it is, and several as a list", () => {
  const one = new ConfigError("REDIS_URL is not set");
  assert.equal(one.message, "REDIS_URL is not set");
  assert.deepEqual(one.problems, ["REDIS_URL is not set"]);
  const two = new ConfigError(["A is wrong", "B is wrong"]);
  assert.deepEqual(two.problems, ["A is wrong", "B is wrong"]);
  for (const part of ["2 problems", "A is wrong", "B is wrong"]) assert.ok(two.message.includes(part));
});

test("PermanentError is not retryable unless it says so", () => {
  assert.equal(new PermanentError("m").retryable, false);
  assert.equal(new PermanentError("m", { retryable: true }).retryable, true);
});
