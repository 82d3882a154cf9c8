/**
 * The API for authors of backends: {@link QueueDriver} is what an author writes, {@link createBackend} makes a full
 * backend of it, and {@link EnvReader} and {@link readQueueConfig} read its configuration.
 *
 * @example
 * ```ts
 * import { createBackend, type QueueDriver } from "@slack-mcp/queue/driver";
 * import { MemoryDriver } from "@slack-mcp/queue/memory";
 * import assert from "node:assert/strict";
 *
 * const driver: QueueDriver = new MemoryDriver(); // in place of your own
 * await using backend = createBackend(driver, { leaseMs: 10_000 });
 * const { outcome } = await backend.publish("slack_events", { type: "event_callback" });
 * assert.equal(outcome, "added");
 * ```
 *
 * @module
 */
export * from "./core/driver.ts";
export { createBackend, PortableBackend } from "./core/backend.ts";
export { checkDriver } from "./core/driver_checks.ts";
export type { BackendOptions } from "./core/backend_options.ts";
export { EnvReader, type QueueConfig, readQueueConfig, readQueueFields } from "./core/config/env_reader.ts";
export { type NumberBounds, type RetryConfig, VariableReader } from "./core/config/variables.ts";
export { backoffMs, type BackoffOptions, retry, type RetryOptions, withRetry } from "./core/util/retry.ts";
export { type Clock, systemClock } from "./core/util/clock.ts";
export { delay } from "./core/util/async.ts";
