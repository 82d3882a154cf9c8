/**
 * Waits that end: by a deadline, by an abort, or because the work is done.
 *
 * @module
 */
import { type Clock, systemClock } from "./clock.ts";

/**
 * Runs `fn` with a limit that aborts after `ms` milliseconds (reason: `late()`) or when `outer` aborts. `fn` may abort
 * the limit sooner. Leaves no timer and no listener behind.
 *
 * @param ms Milliseconds. `undefined`: no deadline.
 * @returns The result of `fn`.
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number | undefined,
  late: () => unknown,
  outer: AbortSignal | undefined,
  fn: (limit: AbortController) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = ms === undefined ? undefined : clock.setTimeout(() => limit.abort(late()), ms);
  const onAbort = () => limit.abort(outer?.reason);
  if (outer?.aborted) onAbort();
  outer?.addEventListener("abort", onAbort);
  try {
    return await fn(limit);
  } finally {
    clock.clearTimeout(timer);
    outer?.removeEventListener("abort", onAbort);
  }
}

/**
 * Follows a promise until the signal aborts, so that a caller does not wait for work that ignores its signal.
 *
 * @param grace Called when the signal aborts: until it calls back, the work may still settle by itself. Returns a function
 *   that cancels the call. Default: no grace.
 * @throws The signal's reason, where the promise did not settle before.
 */
export function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  grace?: (over: () => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let endGrace: (() => void) | undefined;
    const giveUp = () => reject(signal.reason);
    const onAbort = () => {
      if (grace) endGrace = grace(giveUp);
      else giveUp();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).then(() => {
      endGrace?.();
      signal.removeEventListener("abort", onAbort);
    });
  });
}

let never: AbortSignal | undefined;

/** Returns a signal that does not abort. Created at the first call: a Worker may not create one while it starts. */
export function neverAborts(): AbortSignal {
  return never ??= new AbortController().signal;
}

/** A grace for {@link abortable} that lets ready promises run on: enough for an abort to pass through async functions. */
export function microtasks(over: () => void): () => void {
  let called = true;
  void (async () => {
    for (let i = 0; i < 50 && called; i++) await undefined;
    if (called) over();
  })();
  return () => void (called = false);
}

/**
 * Waits `ms` milliseconds by the clock, or until `work` is done where that is sooner. Leaves no timer and no listener
 * behind.
 *
 * @param clock The clock to wait by. Default: the platform's.
 * @throws The signal's reason when it aborts first, and the error of `work`.
 */
export async function delay(
  ms: number,
  clock: Clock = systemClock,
  signal?: AbortSignal,
  work?: Promise<unknown>,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const over = work ? Promise.race([promise, work]) : promise;
  await withDeadline(clock, ms, resolve, undefined, () => signal ? abortable(over, signal) : over);
}
