/**
 * What a payload may be, checked before anything is sent.
 *
 * @module
 */
import type { JsonObject, JsonValue } from "./protocol.ts";

/** How deep a payload may be nested: every backend's parser and ours can follow it there. */
export const MAX_DEPTH = 1_000;

/** Names what a value is, never its content. */
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

/** Whether a value is an object literal's kind: no class, no array, of any realm. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  // Another realm's Object.prototype is a different object, but nothing stands above it there either.
  return prototype === null || prototype === Object.prototype ||
    Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

/**
 * A copy that nobody else holds.
 *
 * @throws {TypeError} A value that JSON cannot carry without loss, with its path and kind.
 * @throws {RangeError} Nested deeper than {@link MAX_DEPTH}.
 */
export function copyPayload(payload: unknown): JsonObject {
  if (!isPlainObject(payload)) throw new TypeError(`payload must be a plain JSON object, found ${kindOf(payload)}`);
  return copyObject(payload, payload, 0);
}

/** Copies what is known to be JSON, such as a payload that was checked before. */
export function cloneJson<T extends JsonValue>(value: T): T {
  return copyValue(value, value, 0) as T;
}

function copyObject(source: Record<string, unknown>, root: unknown, depth: number): JsonObject {
  if (depth >= MAX_DEPTH) throw problemOf(root);
  // A spread keeps the shape, which is several times faster than adding one property after the other, and makes a
  // property of __proto__ like any other; writing to it below then changes that property, and no prototype.
  const copy = { ...source };
  // What was read is what is checked: a getter could answer something else the second time.
  for (const name in copy) {
    const value = copy[name];
    if (typeof value === "string" || typeof value === "boolean" || !Object.hasOwn(copy, name)) continue;
    const copied = copyValue(value, root, depth + 1);
    if (!Object.is(copied, value)) copy[name] = copied;
  }
  return copy as JsonObject;
}

function copyValue(value: unknown, root: unknown, depth: number): JsonValue {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (!Number.isFinite(value)) throw problemOf(root);
      return value === 0 ? 0 : value; // JSON has no negative zero
    case "object":
      if (value === null) return null;
      if (Array.isArray(value)) {
        if (depth >= MAX_DEPTH) throw problemOf(root);
        const copy = new Array<JsonValue>(value.length);
        for (let i = 0; i < value.length; i++) copy[i] = copyValue(value[i], root, depth + 1);
        return copy;
      }
      if (isPlainObject(value)) return copyObject(value, root, depth);
  }
  throw problemOf(root);
}

/** What is wrong with a payload that was refused, and where: found by a walk of its own, so that copies need no paths. */
function problemOf(payload: unknown): Error {
  const above: unknown[] = [];
  function walk(value: unknown, path: string): Error | undefined {
    if (typeof value === "string" || typeof value === "boolean" || Number.isFinite(value) || value === null) return;
    if (!Array.isArray(value) && !isPlainObject(value)) {
      return new TypeError(`${path} must be a JSON value, found ${kindOf(value)}`);
    }
    if (above.includes(value)) return new TypeError(`${path} must be a JSON value, found a cycle`);
    if (above.length >= MAX_DEPTH) return new RangeError(`payload must be nested at most ${MAX_DEPTH} deep`);
    above.push(value);
    // Not Object.entries of an array: it passes over holes.
    const names = Array.isArray(value) ? value.keys() : Object.keys(value);
    for (const name of names) {
      const inner = (value as Record<string | number, unknown>)[name];
      const problem = walk(inner, typeof name === "number" ? `${path}[${name}]` : `${path}.${name}`);
      if (problem) return problem;
    }
    above.pop();
  }
  return walk(payload, "payload") ?? new TypeError("payload changed while it was read");
}

const encoder = new TextEncoder();

/** Bytes of UTF-8. */
export function bytesOf(text: string): number {
  return encoder.encode(text).length;
}

/** The payload in a body, or why there is none. Never the body's content. */
export function parsePayload(body: string): JsonObject | string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return "the body is not JSON"; // the parser's own message would quote the body
  }
  return isPlainObject(value) ? value as JsonObject : `the body must be a JSON object, found ${kindOf(value)}`;
}
