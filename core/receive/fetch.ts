/**
 * One fetch of a consumer: asks the driver until it returns something or has waited.
 *
 * @module
 */
import type { RawDelivery } from "../driver.ts";
import { ConsumeError } from "../errors.ts";
import type { BackendContext } from "../context.ts";
import { DEFAULT_MAX_WAIT_MS } from "../defaults.ts";
import { backoffMs } from "../util/retry.ts";
import { delay } from "../util/async.ts";
import { monotonic } from "../util/clock.ts";

/** Milliseconds: a driver that returned nothing sooner has not waited, so the fetch waits, longer each time up to this. */
const IDLE_MS = 100;

/** The options of a fetch. */
export interface FetchOptions {
  readonly group: string;
  readonly leaseMs: number;
  /** The most messages of one ordering key that are leased together. */
  readonly maxPerOrderingKey: number;
  /** Return at once where nothing is ready. */
  readonly stopWhenEmpty: boolean;
  /** The most deliveries. */
  readonly max: number;
  /** The most unsettled deliveries of the consumer. */
  readonly prefetch: number;
  readonly signal: AbortSignal;
}

/**
 * Fetches deliveries. Transient failures are reported to the observer and tried again until the signal aborts.
 *
 * @returns The deliveries; none where the broker has none, or the signal aborted.
 * @throws {ConsumeError} A failure for good.
 */
export async function fetchDeliveries(
  context: BackendContext,
  key: string,
  { group, leaseMs, maxPerOrderingKey, stopWhenEmpty, max, prefetch, signal }: FetchOptions,
): Promise<readonly RawDelivery[]> {
  const { driver, clock } = context;
  const waitMs = stopWhenEmpty ? 0 : driver.maxWaitMs ?? DEFAULT_MAX_WAIT_MS;
  // An abort during the wait ends the loop by its condition.
  const idle = (ms: number) => delay(ms, clock, signal).catch(() => undefined);
  for (let failures = 0, empty = 0; !signal.aborted;) {
    const askedAt = monotonic(clock);
    try {
      const raws = await driver.receive!(key, {
        group,
        max,
        prefetch,
        leaseMs,
        waitMs,
        maxPerOrderingKey,
        signal,
        consumer: signal,
      });
      // A driver that tells of its connection may have waited without one, and any driver stops when it is told to.
      if (raws.length > 0 || !driver.observeConnection && !signal.aborted) context.answered();
      if (raws.length > 0 || stopWhenEmpty || monotonic(clock) - askedAt >= Math.min(waitMs, IDLE_MS)) return raws;
      // A driver may wake for nothing, but one that never waits must not take all the time there is.
      if (empty > 0) await idle(backoffMs(empty, { baseMs: 10, maxMs: IDLE_MS, jitter: "none" }));
      empty += 1;
    } catch (error) {
      if (signal.aborted) break;
      failures += 1;
      const wrapped = context.wrap(ConsumeError, `Cannot receive from "${key}"`, error, { key });
      context.reportFailure("receive", key, failures, wrapped);
      // A full broker is waited out too: consumers are the ones that make room.
      const passing = wrapped.code === "unknown-outcome" || wrapped.code === "queue-full";
      if (!wrapped.retryable && !passing) throw wrapped;
      await idle(context.backoffMs(failures, wrapped));
    }
  }
  return [];
}
