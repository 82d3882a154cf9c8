/**
 * The Redis backend over a server that a test started.
 *
 * @module
 */
import assert from "node:assert/strict";
import { RedisBackend, type RedisOptions } from "../../../backends/redis/mod.ts";
import { type ErrorCode, QueueError } from "../../../core/errors.ts";
import type { RedisServer } from "../../servers/redis_server.ts";

export const KEY = "slack_events";

export function open(redis: RedisServer, options: RedisOptions = {}): RedisBackend {
  return new RedisBackend({ url: redis.url, retryDelayMs: 5, ...options });
}

export function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof QueueError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** Publishes one message and consumes it. */
export async function roundTrip(backend: RedisBackend, key = KEY): Promise<void> {
  await backend.publish(key, { n: 1 });
  for await (const delivery of backend.receive(key)) {
    assert.deepEqual(delivery.payload, { n: 1 });
    assert.equal(await delivery.ack(), true);
    break;
  }
}
