/**
 * Checks, copies and parses payloads.
 *
 * @module
 */

/** A value that JSON can carry without loss. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** A JSON object: the payload of a message. */
export type JsonObject = { readonly [name: string]: JsonValue };

/** The deepest nesting of a payload that every backend's parser accepts. */
export const MAX_DEPTH = 1_000;

/** Names the kind of a value, without its content. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : String(value);
  if (typeof value === "object") {
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    return typeof name === "string" && name !== "Object" && name !== "" ? `a ${name}` : "an object";
  }
  return value === undefined ? "undefined" : `a ${typeof value}`;
}

/** Tells whether a value is a plain object: not of a class, not an array, of any realm. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  // Another realm's Object.prototype is a different object, but nothing stands above it there either.
  return prototype === null || prototype === Object.prototype ||
    Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

/**
 * Copies a value that JSON can carry.
 *
 * @throws {TypeError} A value that JSON cannot carry without loss, with its path and kind.
 * @throws {RangeError} Nested deeper than {@link MAX_DEPTH}.
 */
export function copyPayload(payload: unknown): JsonObject {
  if (!isPlainObject(payload)) throw new TypeError(`payload must be a plain JSON object, found ${kindOf(payload)}`);
  return copy(payload) as JsonObject;
}

/** Copies a value that is known to be JSON, such as a payload that was checked before. */
export function cloneJson<T extends JsonValue>(value: T): T {
  return copy(value) as T;
}

/** Tells whether JSON can carry a value without loss. */
export function isJson(value: unknown): boolean {
  try {
    copy(value);
    return true;
  } catch {
    return false; // the error names the value that JSON cannot carry: the caller only needs to know that there is one
  }
}

/** An object or an array that is being copied. */
interface Level {
  readonly value: object;
  readonly above: Level | undefined;
  /** The member that is being copied. */
  name: string | number;
}

/** Copies a value that stands at `depth` levels below the payload, as a member of the object `above` it. */
function copy(value: unknown, above?: Level, depth = 0): JsonValue {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value === 0 ? 0 : value; // JSON has no negative zero
      break;
    case "object": {
      if (value === null) return null;
      const list = Array.isArray(value);
      if (!list && !isPlainObject(value)) break;
      if (depth >= MAX_DEPTH) {
        const levels = levelsOf(above);
        // A cycle is walked again and again: as many levels lead into it and once around as there are values in all.
        const { size } = new Set(levels.map((level) => level.value));
        if (size < levels.length) throw refusal("a cycle", levels.slice(0, size));
        throw new RangeError(`payload must be nested at most ${MAX_DEPTH} deep`);
      }
      if (list) {
        const level: Level = { value, above, name: 0 };
        return Array.from(value, (member: unknown, i) => { // not map, which passes over holes
          level.name = i;
          return copy(member, level, depth + 1);
        });
      }
      // A spread keeps the shape, which is several times faster than adding one property after the other, and makes a
      // property of __proto__ like any other; writing to it below then changes that property, and no prototype.
      const copied = { ...value } as Record<string, unknown>;
      let level: Level | undefined;
      // Check the value that was read: a getter could return something else the second time.
      for (const name in copied) {
        const member = copied[name];
        if (typeof member === "string" || typeof member === "boolean" || !Object.hasOwn(copied, name)) continue;
        level ??= { value, above, name };
        level.name = name;
        const inner = copy(member, level, depth + 1);
        if (!Object.is(inner, member)) copied[name] = inner;
      }
      return copied as JsonObject;
    }
  }
  throw refusal(kindOf(value), levelsOf(above));
}

/** Returns the names from the outermost to this one. */
function levelsOf(level: Level | undefined): Level[] {
  return level ? [...levelsOf(level.above), level] : [];
}

function refusal(found: string, levels: readonly Level[]): TypeError {
  const path = levels.map(({ name }) => typeof name === "number" ? `[${name}]` : "." + name).join("");
  return new TypeError(`payload${path} must be a JSON value, found ${found}`);
}

const encoder = new TextEncoder();

/** Returns the number of bytes of a text in UTF-8. */
export function bytesOf(text: string): number {
  return encoder.encode(text).length;
}

/** Returns the payload in a body, or the reason why there is none, without the body's content. */
export function parsePayload(body: string): JsonObject | string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return "the body is not JSON"; // the parser's own message would quote the body
  }
  return isPlainObject(value) ? value as JsonObject : `the body must be a JSON object, found ${kindOf(value)}`;
}
