/**
 * Calls of users' callbacks, whose failures must neither cost a message nor end the process.
 *
 * @module
 */

/**
 * Calls a callback whose result is not needed. What it throws is ignored, and so is the rejection of a promise that it
 * returns: an `async` function fits every callback type that returns `void`, and a rejection that nobody handles ends
 * the process on Deno, Bun and Node.
 *
 * @param callback The callback; nothing happens when there is none.
 * @param args Its arguments.
 */
export function callSafely<Args extends readonly unknown[]>(
  callback: ((...args: Args) => unknown) | undefined,
  ...args: Args
): void {
  try {
    ignoreRejection(callback?.(...args));
  } catch {
    // A log or a metric that fails must not change what is delivered.
  }
}

/** Takes the rejection of a promise, or of anything with a `then`, so that it ends nothing. Other values are left alone. */
export function ignoreRejection(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  Promise.resolve(value).catch(() => undefined);
}

/**
 * Returns the result of a callback that must not be asynchronous, as it is. If it is a promise after all, its
 * rejection is ignored.
 */
export function settled<T>(value: T): T {
  ignoreRejection(value);
  return value;
}
