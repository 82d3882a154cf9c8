/**
 * A small stand-in for `@std/assert`, typed as the functions that the plugin template uses.
 *
 * @module
 */
import { AssertionError, deepStrictEqual } from "node:assert";

export { AssertionError };

/** Fails where two values differ. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  deepStrictEqual(actual, expected, msg);
}

/** Fails where a text does not contain another. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) throw new AssertionError({ message: msg ?? `no ${expected} in ${actual}` });
}

/** Fails where a function does not throw an error of this class; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any -- as the function that this one stands for
  ErrorClass: abstract new (...args: any[]) => E,
): E {
  try {
    fn();
  } catch (error) {
    if (error instanceof ErrorClass) return error;
    throw new AssertionError({ message: `another error was thrown: ${error}` });
  }
  throw new AssertionError({ message: "nothing was thrown" });
}

/** Fails where a promise does not reject with an error of this class; resolves with the error. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- as the function that this one stands for
  ErrorClass: abstract new (...args: any[]) => E,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    if (error instanceof ErrorClass) return error;
    throw new AssertionError({ message: `it rejected with another error: ${error}` });
  }
  throw new AssertionError({ message: "nothing was thrown" });
}
