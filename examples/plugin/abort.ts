/**
 * Work that a signal may cut short.
 *
 * @module
 */

/**
 * Waits for work until a signal aborts; the work itself goes on.
 *
 * @param toError Makes what this then rejects with.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, toError: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(toError());
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
