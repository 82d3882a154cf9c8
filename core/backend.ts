/**
 * The portable backend: batching, retries, prefetch, leases and errors, the same for every queue, above a driver.
 *
 * @module
 */
import type { QueueDriver } from "./driver.ts";
import { checkDriver } from "./driver_checks.ts";
import type { BackendOptions } from "./context.ts";
import { QueueError } from "./errors.ts";
import { PublishBatcher } from "./publish/batcher.ts";
import type { LeasingBackend } from "./protocol.ts";
import { PublishingBackend } from "./publishing_backend.ts";
import { Receiver } from "./receive/receiver.ts";

/** A backend over a driver that sends and receives. The first-party backends extend it. */
export class PortableBackend extends PublishingBackend {
  /**
   * Creates a backend over a driver.
   *
   * @param driver Talks to the broker. `close()` closes it.
   * @param options Limits, retries and leases.
   *
   * @throws {TypeError | RangeError} An option that is not as described, or a driver that declares what it does not offer.
   * @throws {QueueError} `"unsupported"`: `messageTtlMs` where `capabilities.ttl` is false.
   */
  constructor(driver: QueueDriver, options: BackendOptions = {}) {
    checkDriver(driver);
    if (options?.messageTtlMs !== undefined && !driver.capabilities.ttl) {
      throw new QueueError("unsupported", `Cannot set messageTtlMs: the ${driver.name} backend does not support it`, {
        backend: driver.name,
      });
    }
    super(driver, options, { Receiver: Receiver, Batcher: PublishBatcher });
  }
}

/**
 * Makes a full backend of a driver.
 *
 * @example
 * ```ts
 * import { createBackend, type QueueDriver } from "@slack-mcp/queue/driver";
 * import { MemoryDriver } from "@slack-mcp/queue/memory";
 * import assert from "node:assert/strict";
 *
 * const driver: QueueDriver = new MemoryDriver(); // in place of your own
 * await using backend = createBackend(driver);
 * assert.equal((await backend.publish("slack_events", { n: 1 })).outcome, "added");
 * ```
 *
 * @param driver Talks to the broker. `close()` of the backend closes it.
 * @param options Limits, retries and leases, each with its default.
 * @returns A backend that batches, retries, prefetches, renews leases and redacts errors.
 * @throws {TypeError} A driver that declares what it does not offer: one sentence for each problem.
 * @throws {TypeError | RangeError} An option that is not as described.
 * @throws {QueueError} `"unsupported"`: `messageTtlMs` where `capabilities.ttl` is false.
 */
export function createBackend(driver: QueueDriver, options: BackendOptions = {}): LeasingBackend {
  return new PortableBackend(driver, options);
}
