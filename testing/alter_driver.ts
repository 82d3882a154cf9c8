/**
 * A driver that is another driver but for some members: {@link alterDriver}.
 *
 * @module
 */
import type { QueueDriver } from "../core/driver.ts";

/**
 * Passes everything on to the driver, but for the members that are given. What the driver does not offer stays absent.
 *
 * @example
 * ```ts
 * import { MemoryDriver } from "@slack-mcp/queue/memory";
 * import { alterDriver } from "@slack-mcp/queue/testing";
 *
 * const memory = new MemoryDriver();
 * let sends = 0;
 * const counting = alterDriver(memory, {
 *   send: (key, messages) => {
 *     sends++;
 *     return memory.send(key, messages);
 *   },
 * });
 * if (counting.name !== "memory" || sends !== 0) throw new Error("nothing was sent yet");
 * ```
 */
export function alterDriver(driver: QueueDriver, members: Partial<QueueDriver>): QueueDriver {
  return {
    name: driver.name,
    capabilities: driver.capabilities,
    maxBatchMessages: driver.maxBatchMessages,
    maxBatchBytes: driver.maxBatchBytes,
    maxSettleBatch: driver.maxSettleBatch,
    maxWaitMs: driver.maxWaitMs,
    maxDelayMs: driver.maxDelayMs,
    structured: driver.structured,
    secrets: driver.secrets,
    deadLetters: driver.deadLetters,
    send: (...args) => driver.send(...args),
    receive: driver.receive && ((...args) => driver.receive!(...args)),
    settle: driver.settle && ((...args) => driver.settle!(...args)),
    extend: driver.extend && ((...args) => driver.extend!(...args)),
    depth: driver.depth && ((...args) => driver.depth!(...args)),
    ping: driver.ping && ((...args) => driver.ping!(...args)),
    retryAfterMs: driver.retryAfterMs && ((error) => driver.retryAfterMs!(error)),
    close: () => driver.close(),
    classify: (error) => driver.classify(error),
    ...members,
  };
}
