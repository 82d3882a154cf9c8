/**
 * The default values of all options, and the limits that several parts share. Each stands here and nowhere else.
 *
 * @module
 */

/** Milliseconds that a driver's call still has after its signal aborted, to reject with a reason of its own. */
export const ABORT_GRACE_MS = 20;
