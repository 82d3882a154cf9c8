/**
 * Checks of options and arguments. Each error names the option, the value that was found and the values that are allowed.
 *
 * @module
 */
import { isPlainObject, kindOf } from "./json.ts";

/** A check. Returns what is allowed where it refuses the value, and whether the error is a `RangeError`. */
export type Validator = (value: unknown) => { readonly allowed: string; readonly range?: boolean } | undefined;

/** The checks of an options object, by name. An option without one is refused. */
export type Validators<T> = { readonly [Name in keyof Required<T>]: Validator };

/** Makes a check for numbers. */
export function number(allowed: string, accept: (value: number) => boolean): Validator {
  return (value) => {
    if (typeof value !== "number") return { allowed };
    return accept(value) ? undefined : { allowed, range: true };
  };
}

/** Zero or more, finite. */
export const nonNegative: Validator = /* @__PURE__ */ number(
  "a finite number of at least 0",
  (n) => n >= 0 && n < Infinity,
);
/** More than zero, finite. */
export const positive: Validator = /* @__PURE__ */ number("a finite number above 0", (n) => n > 0 && n < Infinity);
/** A whole number of at least 1. */
export const count: Validator = /* @__PURE__ */ number(
  "a whole number of at least 1",
  (n) => Number.isSafeInteger(n) && n >= 1,
);
/** A whole number of at least 0. */
export const wholeNumber: Validator = /* @__PURE__ */ number(
  "a whole number of at least 0",
  (n) => Number.isSafeInteger(n) && n >= 0,
);
/** Non-empty text that UTF-8 can encode. */
export const text: Validator = (value) => {
  if (typeof value !== "string" || value === "") return { allowed: "a non-empty string" };
  return value.isWellFormed() ? undefined : { allowed: "well-formed text (no lone surrogates)" };
};
const MAX_ORDERING_KEY_LENGTH = 1_024;
/** An ordering key: non-empty text of at most 1,024 characters. */
export const orderingKey: Validator = (value) =>
  text(value) ??
    ((value as string).length <= MAX_ORDERING_KEY_LENGTH
      ? undefined
      : { allowed: `text of at most ${MAX_ORDERING_KEY_LENGTH} characters`, range: true });
/** An AbortSignal. */
export const abortSignal: Validator = (value) =>
  value instanceof AbortSignal ? undefined : { allowed: "an AbortSignal" };
/** True or false. */
export const boolean: Validator = (value) => typeof value === "boolean" ? undefined : { allowed: "a boolean" };
/** A function. */
export const func: Validator = (value) => typeof value === "function" ? undefined : { allowed: "a function" };
/** An object of any class. */
export const object: Validator = (value) =>
  typeof value === "object" && value !== null ? undefined : { allowed: "an object" };
/** A plain object whose values are texts. */
export const textRecord: Validator = (value) => {
  const allowed = "a plain object of well-formed strings";
  if (!isPlainObject(value)) return { allowed };
  for (const [name, entry] of Object.entries(value)) {
    if (typeof entry !== "string" || !entry.isWellFormed() || !name.isWellFormed()) return { allowed };
  }
  return undefined;
};
/** An array of non-empty texts. */
export const texts: Validator = (value) =>
  Array.isArray(value) && value.every((item) => text(item) === undefined)
    ? undefined
    : { allowed: "an array of non-empty strings" };
/** Makes a check for one of several texts. */
export function oneOf(...values: readonly string[]): Validator {
  return (value) =>
    typeof value === "string" && values.includes(value)
      ? undefined
      : { allowed: values.map((v) => `"${v}"`).join(" or "), range: typeof value === "string" };
}

/**
 * Checks an options object. An option that is `undefined` counts as not given.
 *
 * @throws {TypeError} Not an object, an option of another type, or a name that is not an option.
 * @throws {RangeError} A value out of range.
 */
export function checkOptions<T extends object>(what: string, options: T, checks: Validators<T>): void {
  checkValue(what, options, object);
  for (const name in options) { // not Object.keys, which makes an array for each message of a batch
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (!Object.hasOwn(checks, name)) {
      throw new TypeError(`${what} has no option "${name}"; it has ${Object.keys(checks).join(", ")}`);
    }
    checkValue(name, value, checks[name]);
  }
}

/**
 * Checks one value.
 *
 * @throws {TypeError} Of another type.
 * @throws {RangeError} Out of range.
 */
export function checkValue(name: string, value: unknown, check: Validator): void {
  const refused = check(value);
  if (refused === undefined) return;
  const found = typeof value === "number" ? String(value) : value === "" ? "an empty string" : kindOf(value);
  const message = `${name} must be ${refused.allowed}, found ${found}`;
  throw refused.range ? new RangeError(message) : new TypeError(message);
}

/**
 * Checks that every broker accepts a key.
 *
 * @throws {TypeError} Not a string, empty, or with lone surrogates.
 */
export function checkKey(key: unknown): asserts key is string {
  checkValue("key", key, text);
}
