/**
 * The portable backend: what is the same for every queue, once, above a small driver.
 *
 * @module
 */
import type { QueueDriver } from "./driver.ts";
import type { BackendOptions } from "./context.ts";
import { PublishBatcher } from "./publish/batcher.ts";
import type { LeasingBackend } from "./protocol.ts";
import { PublishingBackend } from "./publishing_backend.ts";
import { Receiver } from "./receive/receiver.ts";

/** A backend made of a driver that sends and receives; the first-party backends extend it. */
export class PortableBackend extends PublishingBackend {
  /**
   * A backend over a driver.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(driver: QueueDriver, options: BackendOptions = {}) {
    super(driver, options, { Receiver: Receiver, Batcher: PublishBatcher });
  }
}

/**
 * Makes a full backend of a driver.
 *
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export function createBackend(driver: QueueDriver, options: BackendOptions = {}): LeasingBackend {
  return new PortableBackend(driver, options);
}
