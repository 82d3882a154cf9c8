/**
 * Checks of options and arguments. Each error names the option, the value that was found and the values that are allowed.
 *
 * @module
 */
import { MAX_ORDERING_KEY_LENGTH } from "../defaults.ts";
import { isPlainObject, kindOf } from "./json.ts";

/** A check. Returns what is allowed where it refuses the value, and whether the error is a `RangeError`. */
export type Validator = (value: unknown) => readonly [allowed: string, outOfRange?: boolean] | undefined;

/** The checks of an options object, by name. An option without one is refused. */
export type Validators<T> = { readonly [Name in keyof Required<T>]: Validator };

/** Makes a check for numbers. */
export function number(allowed: string, accept: (value: number) => boolean): Validator {
  return (value) => {
    if (typeof value !== "number") return [allowed];
    return accept(value) ? undefined : [allowed, true];
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
export const text: Validator = (value) =>
  value && typeof value === "string" && value.isWellFormed() ? undefined : ["a non-empty, well-formed string"];
/** An ordering key: non-empty text of at most 1,024 characters. */
export const orderingKey: Validator = (value) =>
  text(value) ??
    ((value as string).length <= MAX_ORDERING_KEY_LENGTH
      ? undefined
      : [`at most ${MAX_ORDERING_KEY_LENGTH} characters`, true]);
/** An AbortSignal. */
export const abortSignal: Validator = (value) => value instanceof AbortSignal ? undefined : ["an AbortSignal"];
/** True or false. */
export const boolean: Validator = (value) => typeof value === "boolean" ? undefined : ["a boolean"];
/** A function. */
export const func: Validator = (value) => typeof value === "function" ? undefined : ["a function"];
/** An object of any class. */
export const object: Validator = (value) => typeof value === "object" && value !== null ? undefined : ["an object"];
/** A plain object whose values are texts. */
export const textRecord: Validator = (value) => {
  return isPlainObject(value) &&
      Object.entries(value).flat().every((entry) => typeof entry === "string" && entry.isWellFormed())
    ? undefined
    : ["a plain object of well-formed strings"];
};
/** An array of non-empty texts. */
export const texts: Validator = (value) =>
  Array.isArray(value) && value.every((item) => text(item) === undefined)
    ? undefined
    : ["an array of non-empty strings"];
/** Makes a check for one of several texts. */
export function oneOf(...values: readonly string[]): Validator {
  return (value) =>
    typeof value === "string" && values.includes(value)
      ? undefined
      : [values.map((v) => `"${v}"`).join(" or "), typeof value === "string"];
}

/**
 * Checks an options object. An option that is `undefined` counts as not given.
 *
 * @param what The name of the object, or of the array in which it stands at `index`.
 * @throws {TypeError} Not an object, an option of another type, or a name that is not an option.
 * @throws {RangeError} A value out of range.
 */
export function checkOptions<T extends object>(what: string, options: T, checks: Validators<T>, index?: number): void {
  // The name is put together for an error alone: a batch is checked message by message.
  const named = () => index === undefined ? what : `${what}[${index}]`;
  if (object(options)) checkValue(named(), options, object);
  for (const name in options) { // not Object.keys, which makes an array for each message of a batch
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (!Object.hasOwn(checks, name)) {
      throw new TypeError(`${named()} has no option "${name}"; it has ${Object.keys(checks).join(", ")}`);
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
  if (!refused) return;
  const found = typeof value === "number" ? String(value) : value === "" ? "an empty string" : kindOf(value);
  const [allowed, outOfRange] = refused;
  throw new (outOfRange ? RangeError : TypeError)(`${name} must be ${allowed}, found ${found}`);
}

/**
 * Checks that every broker accepts a key.
 *
 * @throws {TypeError} Not a string, empty, or with lone surrogates.
 */
export function checkKey(key: unknown): asserts key is string {
  checkValue("key", key, text);
}
