/**
 * Trying again: exponential backoff with full jitter, bounded, abortable, on an injected clock.
 *
 * @module
 */
import { DEFAULT_MAX_RETRIES, DEFAULT_MAX_RETRY_DELAY_MS, DEFAULT_RETRY_DELAY_MS } from "../defaults.ts";
import {
  abortSignal,
  checkOptions,
  func,
  nonNegative,
  object,
  positive,
  type Validator,
  type Validators,
  wholeNumber,
} from "./validate.ts";
import { type Clock, systemClock } from "./clock.ts";
import { delay } from "./async.ts";
import { callSafely, settled } from "./user_callback.ts";

/** How long to wait between attempts. */
export interface BackoffOptions {
  /**
   * Milliseconds of the first wait, at most.
   *
   * @default 100
   */
  readonly baseMs?: number | undefined;
  /**
   * Milliseconds of any wait, at most.
   *
   * @default 10_000
   */
  readonly maxMs?: number | undefined;
  /**
   * The factor by which the wait grows.
   *
   * @default 2
   */
  readonly factor?: number | undefined;
  /**
   * `"full"`: anywhere between 0 and the wait. `"none"`: the wait itself.
   *
   * @default "full"
   */
  readonly jitter?: "full" | "none" | undefined;
}

/**
 * Returns the milliseconds to wait after a number of failed attempts.
 *
 * @example
 * ```ts
 * import { backoffMs } from "@slack-mcp/queue/driver";
 * import assert from "node:assert/strict";
 *
 * assert.equal(backoffMs(3, { baseMs: 100, jitter: "none" }), 400);
 * ```
 *
 * @param failures How many attempts have failed: 1 or more.
 * @param options Base, cap, factor and jitter.
 * @param random Returns numbers from 0 to below 1. Default: `Math.random`.
 */
export function backoffMs(failures: number, options: BackoffOptions = {}, random: () => number = Math.random): number {
  const { baseMs = DEFAULT_RETRY_DELAY_MS, maxMs = DEFAULT_MAX_RETRY_DELAY_MS, factor = 2, jitter = "full" } = options;
  const longest = baseMs === 0 ? 0 : Math.min(maxMs, baseMs * factor ** (failures - 1)); // 0 × Infinity is NaN
  return jitter === "full" ? random() * longest : longest;
}

/** Options of {@link retry}. */
export interface RetryOptions extends BackoffOptions {
  /**
   * How often to try again after the first attempt. `Infinity`: until the signal aborts.
   *
   * @default 3
   */
  readonly maxRetries?: number | undefined;
  /**
   * Tells whether to try again after an error.
   *
   * @default the error's `retryable`, else true
   */
  readonly shouldRetry?: ((error: unknown, failures: number) => boolean) | undefined;
  /**
   * Returns the milliseconds that the other side asked to wait (Retry-After). The wait is never shorter.
   *
   * @default the error's `retryAfterMs`
   */
  readonly retryAfterMs?: (error: unknown) => number | undefined;
  /** Is called before each wait. What it throws or rejects with is ignored. */
  readonly onRetry?: ((error: unknown, failures: number, waitMs: number) => void) | undefined;
  /** Ends a wait; `retry` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
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
}

const jitter: Validator = (value) =>
  value === "full" || value === "none" ? undefined : ['"full" or "none"', typeof value === "string"];

/** The checks of {@link BackoffOptions}. */
export const BACKOFF_CHECKS: Validators<BackoffOptions> = {
  baseMs: nonNegative,
  maxMs: nonNegative,
  factor: positive,
  jitter,
};

const CHECKS: Validators<RetryOptions> = {
  baseMs: nonNegative,
  maxMs: nonNegative,
  factor: positive,
  jitter,
  maxRetries: (value) => value === Infinity ? undefined : wholeNumber(value),
  shouldRetry: func,
  retryAfterMs: func,
  onRetry: func,
  signal: abortSignal,
  clock: object,
  random: func,
};

function worthRetrying(error: unknown): boolean {
  return (error as { retryable?: unknown } | undefined)?.retryable !== false;
}

function askedToWait(error: unknown): number | undefined {
  const asked = (error as { retryAfterMs?: unknown } | undefined)?.retryAfterMs;
  return typeof asked === "number" ? asked : undefined;
}

/**
 * Calls a function until it resolves, waiting longer after each failure.
 *
 * @example
 * ```ts
 * import { retry } from "@slack-mcp/queue/driver";
 * import assert from "node:assert/strict";
 *
 * let calls = 0;
 * const result = await retry(() => {
 *   calls += 1;
 *   if (calls < 3) throw new Error("not yet");
 *   return "done";
 * }, { baseMs: 1 });
 * assert.equal(result, "done");
 * assert.equal(calls, 3);
 * ```
 *
 * @param fn Is called with the number of the attempt, from 1 on.
 * @param options How often, how long to wait, and for which errors.
 * @returns The result of the first attempt that resolves.
 * @throws The last error, unchanged, when no attempt is left or another cannot help; the signal's reason when it aborts.
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export async function retry<T>(
  fn: (attempt: number) => T | Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  checkOptions("retry options", options, CHECKS);
  const { maxRetries = DEFAULT_MAX_RETRIES, shouldRetry = worthRetrying, retryAfterMs = askedToWait, onRetry, signal } =
    options;
  const { clock = systemClock, random } = options;
  for (let failures = 0;;) {
    signal?.throwIfAborted();
    try {
      return await fn(failures + 1);
    } catch (error) {
      failures += 1;
      if (signal?.aborted || failures > maxRetries || !settled(shouldRetry(error, failures))) throw error;
      const asked = settled(retryAfterMs(error)) ?? 0;
      const waitMs = Math.max(backoffMs(failures, options, random), asked > 0 ? asked : 0); // NaN is no wait
      callSafely(onRetry, error, failures, waitMs);
      await delay(waitMs, clock, signal);
    }
  }
}

/**
 * Wraps an async function or a method, so that each call is tried again as by {@link retry}.
 *
 * @example
 * ```ts
 * import { withRetry } from "@slack-mcp/queue/driver";
 * import assert from "node:assert/strict";
 *
 * const half = withRetry((n: number) => Promise.resolve(n / 2), { maxRetries: 5 });
 * assert.equal(await half(8), 4);
 * ```
 */
export function withRetry<This, Args extends unknown[], T>(
  fn: (this: This, ...args: Args) => T | Promise<T>,
  options: RetryOptions = {},
): (this: This, ...args: Args) => Promise<T> {
  checkOptions("retry options", options, CHECKS);
  return function (this: This, ...args: Args): Promise<T> {
    return retry(() => fn.apply(this, args), options);
  };
}
