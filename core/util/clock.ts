/**
 * Time as a dependency: the portable layer asks a {@link Clock}, so that a test can turn it by hand.
 *
 * @module
 */

/** What tells the time and wakes. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls back once, after `ms` milliseconds. Answers what `clearTimeout` takes. */
  setTimeout(callback: () => void, ms: number): unknown;
  /** Calls off. */
  clearTimeout(timer: unknown): void;
}

/** The longest wait that one timer of the platforms takes: 2³¹ − 1 ms. */
export const LONGEST = 2 ** 31 - 1;

/** The platform's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, Math.min(ms, LONGEST)),
  clearTimeout: (timer) => clearTimeout(timer as Parameters<typeof clearTimeout>[0]),
};
