/**
 * Time as a dependency: the portable layer asks a {@link Clock}, so that a test can turn it by hand.
 *
 * @module
 */

/** Tells the time and sets timers. */
export interface Clock {
  /** The time of day, in epoch milliseconds. An operator or NTP may set it, forward or back. */
  now(): number;
  /**
   * Milliseconds since a fixed moment. It cannot be set, so the length of a lease or a wait is the difference of two
   * readings.
   *
   * @default now()
   */
  monotonic?(): number;
  /**
   * Calls back once, after `ms` milliseconds.
   *
   * @returns A handle for `clearTimeout`.
   */
  setTimeout(callback: () => void, ms: number): unknown;
  /** Cancels a timer. */
  clearTimeout(timer: unknown): void;
}

/** The longest wait that one timer of the platforms takes: 2³¹ − 1 ms. */
export const LONGEST = 2 ** 31 - 1;

/** The platform's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (callback, ms) => setTimeout(callback, Math.min(Math.max(ms, 0), LONGEST)),
  clearTimeout: (timer) => clearTimeout(timer as Parameters<typeof clearTimeout>[0]),
};

/**
 * Reads the clock that cannot be set: for lengths of time, never for a time of day.
 *
 * @param clock The clock to read.
 * @returns Milliseconds since a fixed moment; the time of day where the clock has no other.
 */
export function monotonic(clock: Clock): number {
  return clock.monotonic === undefined ? clock.now() : clock.monotonic();
}
