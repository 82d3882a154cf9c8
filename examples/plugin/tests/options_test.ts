import { test } from "node:test";
import assert from "node:assert/strict";
import { ConfigError } from "@slack-mcp/queue";
import { fromEnv } from "@acme/nats-queue";

test("fromEnv names every wrong or useless variable and shows no secret", () => {
  const env = { NATS_URL: "http://app:hush@host", NATS_MESSAGE_TTL: "60", NATS_ACK_WAIT: "0", NATS_MAX_LENGTH: "many" };
  assert.throws(() => fromEnv(env), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    for (const name of Object.keys(env)) assert.ok(error.message.includes(name), name);
    assert.ok(!error.message.includes("hush"));
    return true;
  });
});

test("fromEnv opens no connection before the first use", async () => {
  const backend = fromEnv({ NATS_URL: "nats://app:hush@127.0.0.1:1", NATS_TIMEOUT: "0.3", NATS_MAX_RETRIES: "0" });
  assert.equal(backend.capabilities.fencing, false);
  const { ok, error } = await backend.health();
  assert.deepEqual([ok, error?.message.includes("hush")], [false, false]);
  await backend.close();
});
