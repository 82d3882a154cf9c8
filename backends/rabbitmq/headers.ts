/**
 * Headers: those of the publisher as AMQP carries them, and our own, whose names start with `x-slack-mcp-`.
 *
 * @module
 */
import type { DriverMessage } from "../../core/driver.ts";
import { bytesOf } from "../../core/util/json.ts";
import type { AmqpHeaders, AmqpMessage } from "./client.ts";

/** Our own headers. */
export const OWN = {
  /** Deliveries before the copy was made. */
  attempts: "x-slack-mcp-attempts",
  /** Epoch milliseconds after which the message is over. */
  expires: "x-slack-mcp-expires",
  /** Milliseconds that it has to wait when it comes into a due queue. */
  wait: "x-slack-mcp-wait",
  /** Where it goes when it has waited: see {@link Destination}. */
  to: "x-slack-mcp-to",
  /** An id that does not fit into `message_id`. */
  id: "x-slack-mcp-id",
  /** Headers whose names AMQP or the broker gives a meaning of their own, as JSON. */
  headers: "x-slack-mcp-headers",
  letter: "x-slack-mcp-letter",
  key: "x-slack-mcp-key",
  group: "x-slack-mcp-group",
  error: "x-slack-mcp-error",
  reason: "x-slack-mcp-reason",
  diedAt: "x-slack-mcp-died-at",
} as const;

/** Headers that the broker adds on the way, and that must not travel with a copy. */
export const BROKERS = /^x-(death|first-death-|last-death-|delivery-count$|acquired-count$|opt-|stream-)/;

/** Bytes of the longest short string of AMQP. */
export const MAX_SHORT = 255;

/** Bytes of headers that fit into one frame with everything else that must be in it. */
const MAX_HEADER_BYTES = 100_000;

/** Whether a header of this name would be read by the broker or could not be carried under it. */
function needsEscape(name: string): boolean {
  return name === "" || name === "__proto__" || /^(x-slack-mcp-|cc$|bcc$)/i.test(name) || BROKERS.test(name) ||
    bytesOf(name) > 128;
}

export function carriedHeaders(headers: Readonly<Record<string, string>> | undefined): Record<string, unknown> {
  const carried: Record<string, unknown> = {};
  const escaped: [string, string][] = [];
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (needsEscape(name)) escaped.push([name, value]);
    else carried[name] = value;
  }
  if (escaped.length > 0) carried[OWN.headers] = JSON.stringify(escaped);
  return carried;
}

/** Why a message's headers cannot be carried, or `undefined`. */
export function headerProblem({ id, headers }: DriverMessage): string | undefined {
  if (headers === undefined && id.length < MAX_SHORT / 4) return undefined;
  const bytes = bytesOf(JSON.stringify(headers ?? {})) + bytesOf(id);
  return bytes <= MAX_HEADER_BYTES
    ? undefined
    : `its headers and id take ${bytes} bytes, and at most ${MAX_HEADER_BYTES} fit beside a message`;
}

export function numberOf(headers: AmqpHeaders | undefined, name: string): number | undefined {
  const value = headers?.[name];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function textOf(headers: AmqpHeaders | undefined, name: string): string | undefined {
  const value = headers?.[name];
  return typeof value === "string" ? value : undefined;
}

/** The headers that its publisher sent, as texts; `undefined` where there are none. */
export function headersOf({ properties: { headers } }: AmqpMessage): Record<string, string> | undefined {
  const entries: [string, string][] = [];
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (name.startsWith("x-slack-mcp-") || BROKERS.test(name)) continue;
    if (typeof value === "string") entries.push([name, value]);
    else if (typeof value === "number" || typeof value === "boolean") entries.push([name, String(value)]);
  }
  const escaped = textOf(headers, OWN.headers);
  if (escaped !== undefined) {
    try {
      for (const [name, value] of JSON.parse(escaped) as [unknown, unknown][]) {
        entries.push([String(name), String(value)]);
      }
    } catch {
      // somebody else's header of the same name
    }
  }
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
