/**
 * How long something may take: until its time is up, a signal aborts, or it is called off.
 *
 * @module
 */
import { type Clock, systemClock } from "./clock.ts";

/**
 * What `fn` answers. Its limit aborts with what `late` makes after so many milliseconds, where there are any, and with
 * `outer`; `fn` may abort it sooner. Leaves no timer and no listener behind.
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

/** The promise's outcome, unless the signal aborts first: what ignores its signal must not hold us up. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    const over = () => signal.removeEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).then(over);
  });
}

/**
 * Resolves after `ms` milliseconds by the clock, or with `work` where that is sooner; rejects with the signal's reason
 * when it aborts first. Leaves no timer and no listener behind.
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
