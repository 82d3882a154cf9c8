/**
 * The portable backend: batching, retries, prefetch, leases and errors, the same for every queue, above a driver.
 *
 * @module
 */
import type { BackendOptions } from "./backend_options.ts";
import type { QueueDriver } from "./driver.ts";
import { DriverBackend } from "./driver_backend.ts";
import { checkDriver } from "./driver_checks.ts";
import type { LeasingBackend } from "./protocol.ts";
import { PublishBatcher } from "./publish/batcher.ts";

/**
 * A backend over a driver, with the methods of {@link LeasingBackend}. The first-party backends extend it. Where the
 * driver only sends, since its platform pushes, `receive`, `consume`, `depth` and the dead letters reject with code
 * `"unsupported"`.
 */
export class PortableBackend extends DriverBackend implements LeasingBackend {
  /**
   * Creates a backend over a driver. The driver is not checked: {@link checkDriver} does that, and `createBackend` calls it.
   *
   * @param driver Talks to the broker. `close()` closes it.
   * @param options Limits, retries and leases.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   * @throws {QueueError} `"unsupported"`: `messageTtlMs` where `capabilities.ttl` is false.
   */
  constructor(driver: QueueDriver, options: BackendOptions = {}) {
    super(driver, options, (context) => new PublishBatcher(context));
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
  return new PortableBackend(checkDriver(driver), options);
}
