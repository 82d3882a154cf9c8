/**
 * Checks of what callers pass, each with a message that names the option, what was found and what is allowed.
 *
 * @module
 */
import { isPlainObject, kindOf } from "./json.ts";

/** A check: answers what is allowed where the value is refused, with the class of error. */
export type Validator = (value: unknown) => { readonly allowed: string; readonly range?: boolean } | undefined;

/** The checks of an options object, by name. An option without one is refused. */
export type Validators<T> = { readonly [Name in keyof Required<T>]: Validator };

/** A number that is accepted. */
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
/** A text that has something in it and survives UTF-8. */
export const text: Validator = (value) => {
  if (typeof value !== "string" || value === "") return { allowed: "a non-empty string" };
  return value.isWellFormed() ? undefined : { allowed: "well-formed text (no lone surrogates)" };
};
/** An AbortSignal. */
export const abortSignal: Validator = (value) =>
  value instanceof AbortSignal ? undefined : { allowed: "an AbortSignal" };
/** True or false. */
export const boolean: Validator = (value) => typeof value === "boolean" ? undefined : { allowed: "a boolean" };
/** A function. */
export const func: Validator = (value) => typeof value === "function" ? undefined : { allowed: "a function" };
/** An object of whatever class. */
export const object: Validator = (value) =>
  typeof value === "object" && value !== null ? undefined : { allowed: "an object" };
/** A plain object of texts. */
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
/** One of the texts named. */
export function oneOf(...values: readonly string[]): Validator {
  return (value) =>
    typeof value === "string" && values.includes(value)
      ? undefined
      : { allowed: values.map((v) => `"${v}"`).join(" or "), range: typeof value === "string" };
}

/**
 * Holds an options object against its checks. An option that is `undefined` counts as not given.
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
 * Holds one value against a check.
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
 * Holds a key against what every broker takes.
 *
 * @throws {TypeError} Not a string, empty, or with lone surrogates.
 */
export function checkKey(key: unknown): asserts key is string {
  checkValue("key", key, text);
}
