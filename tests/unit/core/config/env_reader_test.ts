import { test } from "node:test";
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { fromEnv } from "../../../../backends/memory/mod.ts";
import { EnvReader, readQueueConfig, readQueueFields } from "../../../../core/config/env_reader.ts";
import { ConfigError } from "../../../../core/errors.ts";
import type { Env } from "../../../../core/protocol.ts";

function problems(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  return assert.fail("nothing was wrong");
}

test("readQueueConfig reads every field, and makes milliseconds of seconds", () => {
  const config = readQueueConfig({
    REDIS_URL: " rediss://localhost:6380/2?a=b ",
    REDIS_USERNAME: "app",
    REDIS_PASSWORD: "hunter2",
    REDIS_SSL: "Yes",
    REDIS_TIMEOUT: "2.5",
    REDIS_MAX_RETRIES: "7",
    REDIS_RETRY_DELAY: "0.25",
    REDIS_DURABLE: "off",
    REDIS_MESSAGE_TTL: "3600",
    REDIS_MAX_LENGTH: "10000",
  }, "REDIS");
  assert.deepEqual({ ...config, password: config.password }, {
    url: "rediss://localhost:6380/2?a=b",
    username: "app",
    password: "hunter2",
    ssl: true,
    timeoutMs: 2_500,
    maxRetries: 7,
    retryDelayMs: 250,
    durable: false,
    messageTtlMs: 3_600_000,
    maxLength: 10_000,
  });
});

test("readQueueConfig uses defaults for unset and empty variables of its prefix alone", () => {
  const defaults = {
    url: undefined,
    username: undefined,
    ssl: undefined,
    timeoutMs: 5_000,
    maxRetries: 3,
    retryDelayMs: 100,
    durable: true,
    messageTtlMs: undefined,
    maxLength: undefined,
  };
  assert.deepEqual({ ...readQueueConfig({}, "REDIS") }, defaults);
  const empty = { REDIS_URL: "", REDIS_SSL: "", REDIS_TIMEOUT: "", REDIS_MAX_LENGTH: undefined, OTHER_TIMEOUT: "9" };
  assert.deepEqual({ ...readQueueConfig(empty, "REDIS") }, defaults);
  assert.equal(readQueueConfig({ A_MAX_RETRIES: "0" }, "A").maxRetries, 0);
  assert.equal(readQueueConfig({ A_RETRY_DELAY: "0" }, "A").retryDelayMs, 0);
});

test("readQueueConfig takes credentials out of the URL, decoded; own variables win", () => {
  const fromUrl = readQueueConfig({ R_URL: "redis://us%40er:p%3Aw%2F@host:1/0" }, "R");
  assert.deepEqual([fromUrl.url, fromUrl.username, fromUrl.password], ["redis://host:1/0", "us@er", "p:w/"]);
  const own = readQueueConfig({ R_URL: "redis://u:p@host", R_USERNAME: "mine", R_PASSWORD: "also mine" }, "R");
  assert.deepEqual([own.url, own.username, own.password], ["redis://host", "mine", "also mine"]);
  const alone = readQueueConfig({ R_URL: "redis://:p@host" }, "R");
  assert.deepEqual([alone.url, alone.username, alone.password], ["redis://host", undefined, "p"]);
  const web = readQueueConfig({ R_URL: "https://u:p@host/path" }, "R");
  assert.deepEqual([web.url, web.username, web.password], ["https://host/path", "u", "p"]);
});

test("readQueueConfig reports all problems at once: variable, found, allowed", () => {
  const env = {
    R_URL: "no url",
    R_USERNAME: 5,
    R_PASSWORD: { secret: "hunter2" },
    R_SSL: "maybe",
    R_TIMEOUT: "0",
    R_MAX_RETRIES: "-1",
    R_RETRY_DELAY: "soon",
    R_DURABLE: "2",
    R_MESSAGE_TTL: "Infinity",
    R_MAX_LENGTH: "1.5",
  };
  assert.deepEqual(problems(() => readQueueConfig(env, "R")), [
    "R_URL must be a URL, found text that is not one",
    "R_USERNAME must be a string, found a number",
    "R_PASSWORD must be a string, found an object",
    `R_SSL must be true or false, found "maybe"`,
    `R_DURABLE must be true or false, found "2"`,
    `R_TIMEOUT must be a number of seconds of at least 0.001, found "0"`,
    `R_MAX_RETRIES must be a whole number of at least 0, found "-1"`,
    `R_RETRY_DELAY must be a number of seconds of at least 0, found "soon"`,
    `R_MESSAGE_TTL must be a number of seconds of at least 0.001, found "Infinity"`,
    `R_MAX_LENGTH must be a whole number of at least 1, found "1.5"`,
  ]);
  assert.throws(() => readQueueConfig(env, "R"), (error: ConfigError) => {
    assert.equal(error.code, "config");
    for (const sentence of error.problems) assert.ok(error.message.includes(sentence));
    return !error.message.includes("hunter2");
  });
});

test("EnvReader accepts only numbers as numbers", () => {
  for (const found of ["NaN", "1e999", "12px", " ", "1,5", "--1", "9007199254740993"]) {
    assert.equal(problems(() => readQueueConfig({ R_MAX_LENGTH: found }, "R")).length, 1, found);
  }
  assert.equal(readQueueConfig({ R_MAX_LENGTH: " 12 " }, "R").maxLength, 12);
});

test("EnvReader shortens the value that was found", () => {
  const [sentence] = problems(() => readQueueConfig({ R_TIMEOUT: "x".repeat(10_000) }, "R"));
  assert.ok(sentence!.length < 150);
});

test("readQueueConfig hides the password from everything that prints a configuration", () => {
  const config = readQueueConfig({ R_URL: "redis://app:hunter2@host" }, "R");
  assert.equal(config.password, "hunter2");
  const printed = [
    JSON.stringify(config),
    inspect(config),
    inspect({ config }, { depth: 9 }),
    String(config),
    `${Object.entries(config)}`,
  ];
  for (const text of printed) assert.doesNotMatch(text, /hunter2/);
});

test("EnvReader errors show no URL, no password and no part of them", () => {
  const urls = [
    "redis://app:hunter2@",
    "redis://app:hunter2@host:port",
    "app:hunter2@localhost:6379",
    "default:hunter2@localhost",
    "hunter2@localhost:6379",
    "hunter2",
    "//app:hunter2@host",
    "redis://app:hunter%zz2@host",
    "redis://app:hunter2@host:99999",
    "redis:app:hunter2@host",
  ];
  for (const url of urls) {
    for (const schemes of [undefined, ["redis:", "rediss:"]]) {
      const reader = new EnvReader({ R_URL: url });
      const config = readQueueFields(reader, "R", schemes);
      const found = problems(() => reader.check());
      assert.equal(found.length, 1, url);
      assert.match(found[0]!, /^R_URL must /);
      assert.doesNotMatch(found[0]!, /hunter|zz2|app/, url);
      for (const text of [JSON.stringify(config), inspect(config)]) assert.doesNotMatch(text, /hunter|zz2/, url);
    }
  }
});

test("EnvReader reports the scheme of a URL with a wrong one", () => {
  const reader = new EnvReader({ R_URL: "http://app:hunter2@host/" });
  reader.url("R_URL", ["redis:", "rediss:"]);
  assert.deepEqual(problems(() => reader.check()), [
    `R_URL must start with redis:// or rediss://, found the scheme "http:"`,
  ]);
});

test("EnvReader collects problems of variables of any kind, and returns what is right", () => {
  const good = new EnvReader({ A: "x", N: "5", S: "0.5", O: " fast ", M: `{"a":"b"}`, B: "ON", BINDING: { send: 1 } });
  assert.deepEqual(
    [
      good.string("A"),
      good.integer("N"),
      good.seconds("S"),
      good.oneOf("O", ["fast", "safe"]),
      good.record("M"),
      good.boolean("B"),
    ],
    ["x", 5, 500, "fast", { a: "b" }, true],
  );
  assert.deepEqual([good.raw("BINDING"), good.string("UNSET"), good.required("A", "it names it")], [
    { send: 1 },
    undefined,
    "x",
  ]);
  good.check();
  const bad = new EnvReader({ N: "99", O: "slow", M: `{"a":1}`, M2: "secret{", T: 5, E: "" });
  bad.integer("N", { min: 1, max: 9 });
  bad.oneOf("O", ["fast", "safe"]);
  bad.record("M");
  bad.record("M2");
  assert.equal(bad.required("T", "it names it"), "");
  assert.equal(bad.required("E", "Slack shows it under Basic Information"), "");
  bad.problem("and something else");
  assert.deepEqual(problems(() => bad.check()), [
    `N must be a whole number from 1 to 9, found "99"`,
    `O must be one of fast, safe, found "slow"`,
    "M must be a JSON object of strings, found text that is not one",
    "M2 must be a JSON object of strings, found text that is not one",
    "T must be a string, found a number",
    "E is not set: Slack shows it under Basic Information",
    "and something else",
  ]);
  assert.throws(
    () => new EnvReader(undefined as unknown as Env),
    /^TypeError: env must be an object, found undefined$/,
  );
});

test("fromEnv of memory reads its own variables, and reports all that is wrong", () => {
  assert.equal(fromEnv({}).name, "memory");
  const env = { MEMORY_MAX_LENGTH: "0", MEMORY_MESSAGE_TTL: "never", MEMORY_TIMEOUT: "-1" };
  assert.equal(problems(() => fromEnv(env)).length, 3);
});

test("fromEnv of memory keeps its settings", async () => {
  const key = `config ${crypto.randomUUID()}`;
  const bounded = fromEnv({ MEMORY_MAX_LENGTH: "1" });
  await bounded.publish(key, { n: 1 });
  await assert.rejects(bounded.publish(key, { n: 2 }), { code: "queue-full" });
  await fromEnv({}).publish(key, { n: 3 });
  assert.equal((await bounded.depth(key)).ready, 2);
});
