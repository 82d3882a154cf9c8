/**
 * The kit's own assertions, so that it needs no library and runs wherever the backend does.
 *
 * @module
 */

/** A case that found the backend wrong. */
export class ConformanceError extends Error {
  /** The class. */
  override readonly name = "ConformanceError";
}

/** A text, or what makes it where it is needed. */
export type Text = string | (() => string);

function textOf(text: Text): string {
  return typeof text === "string" ? text : text();
}

/** Fails with the message where the condition does not hold. */
export function check(condition: unknown, message: Text): asserts condition {
  if (!condition) throw new ConformanceError(textOf(message));
}

/** Fails where the two are not the same, all the way down. */
export function equal(actual: unknown, expected: unknown, what: Text): void {
  if (!sameValue(actual, expected)) {
    throw new ConformanceError(`${textOf(what)}: expected ${show(expected)}, got ${show(actual)}`);
  }
}

/** Fails where `actual` is less. */
export function atLeast(actual: number, least: number, what: string): void {
  if (!(actual >= least)) throw new ConformanceError(`${what}: expected at least ${least}, got ${actual}`);
}

/** Fails where `actual` is more. */
export function atMost(actual: number, most: number, what: string): void {
  if (!(actual <= most)) throw new ConformanceError(`${what}: expected at most ${most}, got ${actual}`);
}

/** Whether two values are the same: by value for plain objects, arrays and dates, by `Object.is` else, -0 as 0. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Date || b instanceof Date) {
    return a instanceof Date && b instanceof Date && a.getTime() === b.getTime();
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  // Own properties alone: `__proto__` as a name must not be answered by the prototype.
  return names.every((name) =>
    Object.hasOwn(b, name) &&
    sameValue((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name])
  );
}

/** A value for a message: JSON where that can be, cut to a length that a reader can take in. */
export function show(value: unknown): string {
  let text: string | undefined;
  try {
    text = value instanceof Error ? `${value.name}: ${value.message}` : JSON.stringify(value);
  } catch {
    // A cycle or a BigInt: the plain form below has to do.
  }
  text ??= String(value);
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text;
}
