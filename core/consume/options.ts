/**
 * Options of a consumer, and their checks.
 *
 * @module
 */
import { checkOptions, checkValue, count, func, object, positive, type Validators } from "../util/validate.ts";
import type { Clock } from "../util/clock.ts";
import type { QueueObserver } from "../observer.ts";
import type { Delivery, FailureCause } from "../protocol.ts";
import { BACKOFF_CHECKS, type BackoffOptions } from "../util/retry.ts";

/**
 * Handles one delivery. It acknowledges the message by resolving, has it delivered again by throwing, and gives it up by
 * throwing a {@link PermanentError}. A {@link ConfigError} says that the set-up is wrong: the message comes again after 15
 * minutes or later, and is never given up for that.
 */
export type Handler = (delivery: Delivery) => unknown;

/**
 * Keeps a dead letter elsewhere; resolves when it is safe there. Where it throws, the message comes again and the sink is
 * called again.
 *
 * @param body The body as it came, where it could not be read.
 */
export type DeadLetterSink = (delivery: Delivery, cause: FailureCause, body?: unknown) => Promise<unknown>;

/** Options of `createConsumer`. */
export interface ConsumerOptions {
  /** Handles one delivery. */
  readonly handler: Handler;
  /**
   * The most handlers that run at once.
   *
   * @default 8
   */
  readonly concurrency?: number | undefined;
  /**
   * Deliveries after which a message goes to the dead letters.
   *
   * @default 5
   */
  readonly maxAttempts?: number | undefined;
  /**
   * Milliseconds before a failed message comes again: a growing wait with full jitter, or a function of attempts and
   * error. At most 24 h. Where the function throws, or returns no finite number of at least 0, the default applies.
   *
   * @default 1 s, doubling up to 5 min
   */
  readonly backoff?: (BackoffOptions | ((attempts: number, error: unknown) => number)) | undefined;
  /**
   * Milliseconds after which a handler counts as failed and its `delivery.signal` aborts.
   *
   * @default no limit
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Keeps dead letters where the backend or platform keeps none.
   *
   * @default none: a run stops with an error before it loses a message
   */
  readonly deadLetter?: DeadLetterSink | undefined;
  /** Called with the outcome of each delivery, and how long its handler took. */
  readonly observer?: QueueObserver | undefined;
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

const CHECKS: Validators<ConsumerOptions> = {
  handler: func,
  concurrency: count,
  maxAttempts: count,
  backoff: (value) => func(value) && object(value),
  timeoutMs: positive,
  deadLetter: func,
  observer: object,
  clock: object,
  random: func,
};

/**
 * Checks the options of a consumer.
 *
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export function checkConsumerOptions(options: ConsumerOptions): void {
  checkOptions("consumer options", options, CHECKS);
  checkValue("handler", options.handler, func);
  if (typeof options.backoff === "object") checkOptions("backoff", options.backoff, BACKOFF_CHECKS);
}
