/**
 * The driver of the Redis backend: the streams engine over ioredis.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import { notify } from "../../core/observer.ts";
import { DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT_MS } from "../../core/defaults.ts";
import { checkOptions } from "../../core/util/validate.ts";
import { StreamsDriver } from "../streams/driver.ts";
import { checkClient, createClient } from "./client.ts";
import { addressOf, REDIS_CHECKS, type RedisOptions } from "./options.ts";
import { RedisTransport } from "./transport.ts";

/** Bytes of the largest payload. Redis would take 512 MB, and serve no other client while it does. */
const MAX_PAYLOAD = 16 * 1024 * 1024;

/** Milliseconds of the longest wait for a message. */
const MAX_WAIT_MS = 30_000;

/**
 * Makes a driver as the options describe it. It connects when it is first used.
 *
 * @throws {TypeError | RangeError} An option that is not as described.
 * @throws {ConfigError} A URL that is not of Redis, or a client that changes keys or replies.
 */
export function createDriver(options: RedisOptions): StreamsDriver {
  checkOptions("redis options", options, REDIS_CHECKS);
  if (options.client) checkClient(options.client);
  const { timeoutMs = DEFAULT_TIMEOUT_MS, maxRetries = DEFAULT_MAX_RETRIES, maxConnections = 10 } = options;
  const address = options.client ? undefined : addressOf(options);
  if (options.client?.isCluster && options.replicas) {
    throw new RangeError(`replicas must be 0 on a cluster, found ${options.replicas}`);
  }
  const client = options.client ?? createClient(address!, Math.max(timeoutMs, 1_000));
  const password = address?.password;
  const transport = new RedisTransport(client, {
    injected: options.client !== undefined,
    // Each attempt has its part of the time in which a publish must be confirmed. Replicas get as much.
    connectWaitMs: timeoutMs / (maxRetries + 2),
    replyWaitMs: Math.max(timeoutMs, 1_000),
    maxConnections,
    durable: options.durable ?? true,
    replicas: options.replicas ?? 0,
    warn: (sentence, key) =>
      notify(options.observer, "failed", {
        backend: "redis",
        key,
        operation: "publish",
        failures: 1,
        error: new QueueError("config", sentence, { backend: "redis", key }),
      }),
    secrets: password === undefined ? [] : [password, encodeURIComponent(password)],
  });
  return new StreamsDriver(transport, {
    ...options,
    name: "redis",
    maxPayloadBytes: MAX_PAYLOAD,
    maxBatchBytes: MAX_PAYLOAD,
    maxWaitMs: MAX_WAIT_MS,
    // One script and one blocking read for each wait.
    idleCostPerHour: 2 * 3_600_000 / MAX_WAIT_MS,
  });
}
