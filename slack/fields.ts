/**
 * Reads the fields of an envelope and its event, which hold any JSON whatever Slack's documentation says.
 *
 * @module
 */
import { isPlainObject } from "../core/util/json.ts";
import type { JsonObject } from "../core/protocol.ts";

/** Returns whether a field holds a text. An empty text counts as none. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** Returns the first of several fields that holds a text, `undefined` when none does. */
export function firstText(...values: readonly unknown[]): string | undefined {
  return values.find(isText);
}

/** Returns the object that a field holds, an empty one when it holds none. */
export function objectOf(value: unknown): JsonObject {
  return isPlainObject(value) ? value as JsonObject : {};
}
