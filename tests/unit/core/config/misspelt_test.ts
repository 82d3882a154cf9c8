import assert from "node:assert/strict";
import { test } from "node:test";
import { optionsFromEnv as redisOptions } from "../../../../backends/redis/options.ts";
import { optionsFromEnv as upstashOptions } from "../../../../backends/upstash/options.ts";
import { fromEnv as cloudflareFromEnv } from "../../../../backends/cloudflare/mod.ts";
import { defineRegistry } from "../../../../core/config/registry.ts";
import { EnvReader } from "../../../../core/config/env_reader.ts";
import { misspelt } from "../../../../core/config/misspelt.ts";
import { ConfigError } from "../../../../core/errors.ts";

function problems(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const REDIS = { REDIS_URL: "redis://localhost" };
const UPSTASH = { UPSTASH_REDIS_REST_URL: "https://x.upstash.io", UPSTASH_REDIS_REST_TOKEN: "t" };
const CLOUDFLARE = { CLOUDFLARE_ACCOUNT_ID: "0".repeat(32), CLOUDFLARE_API_TOKEN: "t" };

for (
  const [name, meant, read] of [
    ["REDIS_MAXLENGTH", "REDIS_MAX_LENGTH", redisOptions],
    ["REDIS_MAX_LEN", "REDIS_MAX_LENGTH", redisOptions],
    ["REDIS_TIME_OUT", "REDIS_TIMEOUT", redisOptions],
    ["REDIS_PASWORD", "REDIS_PASSWORD", redisOptions],
    ["REDIS_MAX_RETRYS", "REDIS_MAX_RETRIES", redisOptions],
    ["redis_message_ttl", "REDIS_MESSAGE_TTL", redisOptions],
    ["REDIS_DEDUP_WINDOWS", "REDIS_DEDUP_WINDOW", redisOptions],
    ["UPSTASH_OVERFLOWS", "UPSTASH_OVERFLOW", upstashOptions],
    ["CLOUDFLARE_MAXPOLL", "CLOUDFLARE_MAX_POLL", cloudflareFromEnv],
  ] as const
) {
  test(`fromEnv names ${name} as misspelt`, () => {
    const found = problems(() => read({ ...REDIS, ...UPSTASH, ...CLOUDFLARE, [name]: "hunter2" }));
    assert.deepEqual(found, [`${name} is not a variable that is read: did you mean ${meant}?`]);
  });
}

test("fromEnv names a misspelt required variable beside the missing one", () => {
  const { UPSTASH_REDIS_REST_URL } = UPSTASH;
  const found = problems(() => upstashOptions({ UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_TOKEN: "hunter2" }));
  assert.equal(found.length, 2);
  assert.match(found[1]!, /^UPSTASH_REDIS_TOKEN is not .* did you mean UPSTASH_REDIS_REST_TOKEN\?$/);
});

test("fromEnv leaves variables of other programs alone", () => {
  const others = {
    REDIS_PORT: "tcp://10.0.0.1:6379",
    REDIS_HOST: "redis",
    REDIS_SERVICE_HOST: "10.0.0.1",
    REDIS_SERVICE_PORT: "6379",
    REDIS_PORT_6379_TCP: "tcp://10.0.0.1:6379",
    REDIS_PORT_6379_TCP_PROTO: "tcp",
    REDIS_VERSION: "7.4.1",
    REDIS_DOWNLOAD_URL: "https://example.com",
    REDIS_TLS_URL: "rediss://localhost",
    REDIS_DB: "0",
    REDIS_MAXMEMORY: "1gb",
    UPSTASH_REDIS_REST_READ_ONLY_TOKEN: "t",
    UPSTASH_VECTOR_REST_URL: "https://x",
    UPSTASH_VECTOR_REST_TOKEN: "t",
    UPSTASH_REDIS_URL: "rediss://x",
    CLOUDFLARE_API_KEY: "k",
    CLOUDFLARE_EMAIL: "a@b.c",
    CLOUDFLARE_ENV: "production",
    CLOUDFLARE_QUEUE_SLACK_EVENTS: "slack-events",
    CLOUDFLARE_QUEUE_A: "a",
    CLOUDFLARE_QUEUE_A_DLQ: "a-dead",
  };
  const env = { ...REDIS, ...UPSTASH, ...CLOUDFLARE, ...others };
  for (const read of [redisOptions, upstashOptions, cloudflareFromEnv]) assert.deepEqual(problems(() => read(env)), []);
});

test("misspelt takes a variable for another program's when the known one is set", () => {
  const known = new Set(["REDIS_URL"]);
  assert.deepEqual(misspelt({ REDIS_URI: "x" }, known), [
    "REDIS_URI is not a variable that is read: did you mean REDIS_URL?",
  ]);
  assert.deepEqual(misspelt({ REDIS_URI: "x", REDIS_URL: "y" }, known), []);
});

test("misspelt ignores empty variables, bindings and names without the prefix", () => {
  const known = new Set(["MY_QUEUE_MODE", "PORT"]);
  assert.deepEqual(
    misspelt({ MY_QUEUE_MODES: "", MY_QUEUE_MODEL: { send: 1 }, YOUR_QUEUE_MODE: "x", PROT: "x" }, known),
    [],
  );
  assert.equal(misspelt({ MY_QUEUE_MODES: "x" }, known).length, 1);
});

test("misspelt sees inherited variables, as an environment over another has them", () => {
  assert.equal(misspelt(Object.create({ REDIS_MAXLENGTH: "1" }), new Set(["REDIS_MAX_LENGTH"])).length, 1);
});

test("defineRegistry names a misspelt QUEUE_BACKEND instead of falling back to memory", async () => {
  const registry = defineRegistry({ memory: () => assert.fail("loaded") });
  await assert.rejects(registry.load({ QUEUE_BACKENDS: "redis" }), {
    message: "QUEUE_BACKENDS is not a variable that is read: did you mean QUEUE_BACKEND?",
  });
});

test("EnvReader.gather collects the problems of all parts in one error", async () => {
  const reader = new EnvReader({ PORT: "http" });
  reader.integer("PORT");
  assert.equal(await reader.gather(() => 7), 7);
  assert.equal(await reader.gather(() => Promise.reject(new ConfigError(["A is wrong", "B is wrong"]))), undefined);
  await assert.rejects(reader.gather(() => Promise.reject(new TypeError("a mistake"))), TypeError);
  assert.deepEqual(problems(() => reader.check()), [
    'PORT must be a whole number of at least 0, found "http"',
    "A is wrong",
    "B is wrong",
  ]);
});
