/**
 * Delays of any length out of queues that each keep a message for a power of two of milliseconds.
 *
 * A queue of a level has one time to live for all of its messages, so nothing waits behind a longer delay. When that time
 * is over the broker moves the message to the due queue of its destination, where a consumer of ours finds it: it sends
 * what has to wait longer to the next level, holds what is nearly due, and puts what is due where it belongs. How long a
 * message has to wait yet travels with it, so no clock has to agree with another one.
 *
 * @module
 */

/** The levels: 2³¹ ms is the longest time to live in powers of two that a queue takes; a longer delay passes it often. */
export const LEVELS = { lowest: 8, highest: 31 } as const;

/** Milliseconds that a message is held by who moves it, in place of one more queue. */
export const HELD_MS: number = 2 ** LEVELS.lowest;

/** Where a message waits next. */
export interface Stop {
  /** The level; `undefined`: in the due queue itself, held by who moves it. */
  readonly level: number | undefined;
  /** Milliseconds that it has to wait afterwards. */
  readonly restMs: number;
}

/** Returns the next stop of a message that has to wait for `waitMs` milliseconds. */
export function nextStop(waitMs: number): Stop {
  if (waitMs < HELD_MS) return { level: undefined, restMs: waitMs };
  const level = Math.min(Math.floor(Math.log2(waitMs)), LEVELS.highest);
  return { level, restMs: waitMs - 2 ** level };
}
