/**
 * The options of every backend over a driver, and their checks and defaults.
 *
 * @module
 */
import {
  DEFAULT_CLOSE_DEADLINE_MS,
  DEFAULT_MAX_RETRIES,
  DEFAULT_RETRY_DELAY_MS,
  DEFAULT_TIMEOUT_MS,
} from "./defaults.ts";
import type { QueueDriver } from "./driver.ts";
import type { QueueObserver } from "./observer.ts";
import type { Clock } from "./util/clock.ts";
import {
  checkOptions,
  count,
  func,
  nonNegative,
  object,
  positive,
  type Validators,
  wholeNumber,
} from "./util/validate.ts";

/** Options of every backend over a driver. */
export interface BackendOptions {
  /**
   * Milliseconds to wait for the broker's confirmation of a publish, retries included.
   *
   * @default 5_000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How often a transient failure is tried again.
   *
   * @default 3
   */
  readonly maxRetries?: number | undefined;
  /**
   * Milliseconds of the first wait before trying again. It doubles, with full jitter, from 10 ms up to 10 s.
   *
   * @default 100
   */
  readonly retryDelayMs?: number | undefined;
  /**
   * The most unsettled deliveries of one consumer.
   *
   * @default 100
   */
  readonly prefetch?: number | undefined;
  /**
   * Milliseconds of a lease.
   *
   * @default 30_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds after which an unsettled message leaves the queue by itself.
   *
   * @default never
   */
  readonly messageTtlMs?: number | undefined;
  /**
   * Milliseconds for which `close()` lets running handlers finish.
   *
   * @default 5_000
   */
  readonly closeDeadlineMs?: number | undefined;
  /**
   * The largest payload, as bytes of JSON in UTF-8.
   *
   * @default the driver's
   */
  readonly maxPayloadBytes?: number | undefined;
  /**
   * Tells the time and sets timers.
   *
   * @default the platform's clock
   */
  readonly clock?: Clock | undefined;
  /**
   * Returns numbers from 0 to below 1, for jitter.
   *
   * @default Math.random
   */
  readonly random?: (() => number) | undefined;
  /** Is called with every publish, delivery, settlement and failure. */
  readonly observer?: QueueObserver | undefined;
}

/** The checks of {@link BackendOptions}; a backend adds those of its own options. */
export const BACKEND_CHECKS: Validators<BackendOptions> = {
  timeoutMs: positive,
  maxRetries: wholeNumber,
  retryDelayMs: nonNegative,
  prefetch: count,
  leaseMs: positive,
  messageTtlMs: positive,
  closeDeadlineMs: nonNegative,
  maxPayloadBytes: count,
  clock: object,
  random: func,
  observer: object,
};

/** Picks the {@link BackendOptions} out of an object that may also hold options of one backend. */
export function backendOptions(options: BackendOptions): BackendOptions {
  const names = Object.keys(BACKEND_CHECKS) as (keyof BackendOptions)[];
  return Object.fromEntries(names.map((name) => [name, options[name]]));
}

type Defaulted =
  | "timeoutMs"
  | "maxRetries"
  | "retryDelayMs"
  | "closeDeadlineMs"
  | "maxPayloadBytes"
  | "random";

/** {@link BackendOptions} with their defaults. */
export type ResolvedOptions =
  & Omit<BackendOptions, Defaulted>
  & { readonly [Name in Defaulted]: NonNullable<BackendOptions[Name]> };

/**
 * Checks options, and puts the defaults in.
 *
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export function resolveOptions(options: BackendOptions, driver: QueueDriver): ResolvedOptions {
  checkOptions("backend options", options, BACKEND_CHECKS);
  return {
    ...options,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxRetries: options.maxRetries ?? DEFAULT_MAX_RETRIES,
    retryDelayMs: options.retryDelayMs ?? DEFAULT_RETRY_DELAY_MS,
    closeDeadlineMs: options.closeDeadlineMs ?? DEFAULT_CLOSE_DEADLINE_MS,
    maxPayloadBytes: options.maxPayloadBytes ?? driver.capabilities.maxPayloadBytes,
    random: options.random ?? Math.random,
  };
}
