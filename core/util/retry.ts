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

/** How long to wait between tries. */
export interface BackoffOptions {
  /** Milliseconds that the first wait is at most. Default: 100. */
  readonly baseMs?: number | undefined;
  /** Milliseconds that any wait is at most. Default: 10,000. */
  readonly maxMs?: number | undefined;
  /** What the wait grows by. Default: 2. */
  readonly factor?: number | undefined;
  /** `"full"`: anywhere between 0 and the wait. `"none"`: the wait itself. Default: `"full"`. */
  readonly jitter?: "full" | "none" | undefined;
}

/**
 * Milliseconds to wait after so many failed tries.
 *
 * @example
 * ```ts
 * import { backoffMs } from "@slack-mcp/queue/driver";
 * import assert from "node:assert/strict";
 *
 * assert.equal(backoffMs(3, { baseMs: 100, jitter: "none" }), 400);
 * ```
 *
 * @param failures How many tries have failed: 1 or more.
 * @param options Base, cap, factor and jitter.
 * @param random A source of numbers from 0 to below 1. Default: `Math.random`.
 */
export function backoffMs(failures: number, options: BackoffOptions = {}, random: () => number = Math.random): number {
  const { baseMs = DEFAULT_RETRY_DELAY_MS, maxMs = DEFAULT_MAX_RETRY_DELAY_MS, factor = 2, jitter = "full" } = options;
  const longest = baseMs === 0 ? 0 : Math.min(maxMs, baseMs * factor ** (failures - 1)); // 0 × Infinity is NaN
  return jitter === "full" ? random() * longest : longest;
}

/** Options of {@link retry}. */
export interface RetryOptions extends BackoffOptions {
  /** How often to try again after the first try. Default: 3. `Infinity`: until it is given up by the signal. */
  readonly maxRetries?: number | undefined;
  /** Whether an error is worth another try. Default: its own `retryable`, else true. */
  readonly shouldRetry?: ((error: unknown, failures: number) => boolean) | undefined;
  /** Milliseconds that the other side asked to wait (Retry-After); the wait is never shorter. Default: its own `retryAfterMs`. */
  readonly retryAfterMs?: (error: unknown) => number | undefined;
  /** Called before each wait. Whatever it throws, or rejects with, is ignored. */
  readonly onRetry?: ((error: unknown, failures: number, waitMs: number) => void) | undefined;
  /** Gives up waiting; the rejection is its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Default: the platform's. */
  readonly clock?: Clock | undefined;
  /** A source of numbers from 0 to below 1. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
}

const jitter: Validator = (value) =>
  value === "full" || value === "none" ? undefined : { allowed: '"full" or "none"', range: typeof value === "string" };

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
 * const answer = await retry(() => {
 *   calls += 1;
 *   if (calls < 3) throw new Error("not yet");
 *   return "done";
 * }, { baseMs: 1 });
 * assert.equal(answer, "done");
 * assert.equal(calls, 3);
 * ```
 *
 * @throws The last error, as it was, when tries run out or are of no use; the signal's reason when it aborts.
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
 * Wraps an async function, or a method, so that each call of it is tried again, as {@link retry} does.
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
