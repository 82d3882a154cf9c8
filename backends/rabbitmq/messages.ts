/**
 * Messages as AMQP carries them: properties, headers, and what we add to them.
 *
 * A message that only has a payload is that payload as JSON, with `message_id`, `timestamp`, `content_type` and
 * `delivery_mode` set. Our own headers start with `x-slack-mcp-`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { DriverMessage } from "../../core/driver.ts";
import type { DeadLetter, FailureCause } from "../../core/protocol.ts";
import { bytesOf } from "../../core/util/json.ts";
import type { AmqpHeaders, AmqpMessage, AmqpPublishOptions } from "./client.ts";

/** Our own headers. */
const OWN = {
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
const BROKERS = /^x-(death|first-death-|last-death-|delivery-count$|acquired-count$|opt-|stream-)/;

/** Bytes of the longest short string of AMQP. */
const MAX_SHORT = 255;

/** Bytes of headers that fit into one frame with everything else that must be in it. */
const MAX_HEADER_BYTES = 100_000;

/** Whether a header of this name would be read by the broker or could not be carried under it. */
function needsEscape(name: string): boolean {
  return name === "" || name === "__proto__" || /^(x-slack-mcp-|cc$|bcc$)/i.test(name) || BROKERS.test(name) ||
    bytesOf(name) > 128;
}

function carriedHeaders(headers: Readonly<Record<string, string>> | undefined): Record<string, unknown> {
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

/** The body and properties of a message on its way out. */
export function toAmqp(
  { id, body, headers, delayMs, ttlMs }: DriverMessage,
  { now, persistent, delayed }: {
    readonly now: number;
    readonly persistent: boolean;
    readonly delayed?: Delayed | undefined;
  },
): { readonly content: Buffer; readonly options: AmqpPublishOptions } {
  const carried = headers ? carriedHeaders(headers) : {};
  const short = id.length <= MAX_SHORT / 4 || bytesOf(id) <= MAX_SHORT;
  if (!short) carried[OWN.id] = id;
  if (ttlMs !== undefined) carried[OWN.expires] = now + ttlMs + delayMs;
  if (delayed) Object.assign(carried, delayHeaders(delayed));
  return {
    content: Buffer.from(body),
    options: {
      mandatory: true,
      persistent,
      contentType: "application/json",
      timestamp: Math.floor(now / 1_000),
      ...short && { messageId: id },
      headers: carried,
      // Where it waits for its time first, the time to live must not end that wait.
      ...ttlMs !== undefined && delayMs === 0 && { expiration: String(Math.ceil(ttlMs)) },
    },
  };
}

function numberOf(headers: AmqpHeaders | undefined, name: string): number | undefined {
  const value = headers?.[name];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function textOf(headers: AmqpHeaders | undefined, name: string): string | undefined {
  const value = headers?.[name];
  return typeof value === "string" ? value : undefined;
}

/** How often the broker has delivered a message before, of the queue that it is in. */
export function brokerCountOf({ fields, properties: { headers } }: AmqpMessage): number {
  return numberOf(headers, "x-acquired-count") ?? numberOf(headers, "x-delivery-count") ?? (fields.redelivered ? 1 : 0);
}

/** How often a message has been delivered, this time included: the copies before it and what the broker counts. */
export function attemptsOf(message: AmqpMessage): number {
  return (numberOf(message.properties.headers, OWN.attempts) ?? 0) + brokerCountOf(message) + 1;
}

/** Epoch milliseconds after which a message is over. */
export function expiryOf({ properties }: AmqpMessage): number {
  return numberOf(properties.headers, OWN.expires) ?? Infinity;
}

/** Where a message goes when it has waited. */
export interface Destination {
  /** What the queues in which it waits are named after. */
  readonly name: string;
  /** The exchange; empty: `routingKey` names a queue. */
  readonly exchange: string;
  readonly routingKey: string;
}

/** A message's way through the queues of its delay. */
export interface Delayed {
  readonly to: Destination;
  /** Milliseconds that it has to wait after its next stop. */
  readonly waitMs: number;
}

function delayHeaders({ to: { name, exchange, routingKey }, waitMs }: Delayed): Record<string, unknown> {
  return { [OWN.wait]: waitMs, [OWN.to]: JSON.stringify([name, exchange, routingKey]) };
}

/** Where a message goes when it has waited; `undefined` where it says nothing of it. */
export function destinationOf({ properties }: AmqpMessage): Destination | undefined {
  try {
    const parsed: unknown = JSON.parse(textOf(properties.headers, OWN.to) ?? "");
    if (!Array.isArray(parsed) || !parsed.every((part) => typeof part === "string")) return undefined;
    const [name = "", exchange = "", routingKey = ""] = parsed;
    return { name, exchange, routingKey };
  } catch {
    return undefined; // a foreign message that has come here
  }
}

/** Milliseconds that a message in the due queue has to wait yet. */
export function waitOf({ properties }: AmqpMessage): number {
  return Math.max(0, numberOf(properties.headers, OWN.wait) ?? 0);
}

/** The properties of a message on its way to its next stop, or out of its delay where `delayed` is `undefined`. */
export function movedOptions(
  message: AmqpMessage,
  delayed: Delayed | undefined,
  { now, persistent }: { readonly now: number; readonly persistent: boolean },
): AmqpPublishOptions {
  const expires = expiryOf(message);
  const { [OWN.wait]: _wait, [OWN.to]: _to, ...headers } = Object.fromEntries(
    Object.entries(message.properties.headers ?? {}).filter(([name]) => !BROKERS.test(name)),
  );
  return {
    ...carriedProperties(message),
    persistent,
    headers: delayed ? { ...headers, ...delayHeaders(delayed) } : headers,
    ...expires < Infinity && !delayed && { expiration: String(Math.max(1, Math.ceil(expires - now))) },
  };
}

/** What a copy has of the message itself. */
function carriedProperties({ properties }: AmqpMessage): AmqpPublishOptions {
  const { contentType, contentEncoding, correlationId, replyTo, messageId, timestamp, type, appId } = properties;
  return {
    mandatory: true,
    contentType,
    contentEncoding,
    correlationId,
    replyTo,
    messageId,
    timestamp,
    type,
    appId,
  };
}

/** The message's id: the publisher's, else one that its content gives it, the same at every delivery. */
export function idOf({ content, properties: { headers, messageId, timestamp } }: AmqpMessage): string {
  const own = textOf(headers, OWN.id) ?? messageId;
  if (own) return own;
  return createHash("sha256").update(`${timestamp ?? ""}\n`).update(content).digest("hex").slice(0, 32);
}

/** Epoch milliseconds at which it was published, where its publisher says so. */
export function publishedAtOf({ properties: { timestamp } }: AmqpMessage): number | undefined {
  return typeof timestamp === "number" && timestamp > 0 ? timestamp * 1_000 : undefined;
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

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The body as text; `undefined` where it is not UTF-8, and no text would be what came. */
export function bodyOf({ content }: AmqpMessage): string | undefined {
  try {
    return strict.decode(content);
  } catch {
    return undefined; // it goes to the dead letters as it is
  }
}

/** What a copy says that the message did not. */
export interface CopyHeaders {
  /** Deliveries that count so far. */
  readonly attempts: number;
  /** Of a dead letter. */
  readonly letter?: {
    readonly cause: FailureCause;
    readonly key: string;
    readonly group: string;
    readonly diedAt: number;
  } | undefined;
}

/** The properties of a copy, with the same id. `delayed`: it waits first. */
export function copyOptions(
  message: AmqpMessage,
  { attempts, letter }: CopyHeaders,
  { now, persistent, delayed }: {
    readonly now: number;
    readonly persistent: boolean;
    readonly delayed?: Delayed | undefined;
  },
): AmqpPublishOptions {
  const { headers, messageId } = message.properties;
  const kept = Object.entries(headers ?? {}).filter(([name]) => !BROKERS.test(name));
  const expires = expiryOf(message);
  return {
    ...carriedProperties(message),
    persistent,
    messageId: messageId || (textOf(headers, OWN.id) === undefined ? idOf(message) : undefined),
    headers: {
      ...Object.fromEntries(kept),
      [OWN.attempts]: attempts,
      ...delayed && delayHeaders(delayed),
      ...letter && {
        [OWN.letter]: crypto.randomUUID(),
        [OWN.key]: letter.key,
        [OWN.group]: letter.group,
        [OWN.error]: letter.cause.name,
        [OWN.reason]: letter.cause.message,
        [OWN.diedAt]: letter.diedAt,
      },
    },
    ...expires < Infinity && !delayed && !letter &&
      { expiration: String(Math.max(1, Math.ceil(expires - now))) },
  };
}

/** The properties of a dead letter that goes back to its queue: as it was published, its attempts at zero. */
export function replayOptions(message: AmqpMessage, persistent: boolean): AmqpPublishOptions {
  const { headers } = message.properties;
  const gone: readonly string[] = [
    OWN.attempts,
    OWN.expires,
    OWN.letter,
    OWN.key,
    OWN.group,
    OWN.error,
    OWN.reason,
    OWN.diedAt,
  ];
  const kept = Object.entries(headers ?? {}).filter(([name]) => !BROKERS.test(name) && !gone.includes(name));
  return { ...carriedProperties(message), persistent, headers: Object.fromEntries(kept) };
}

/** The name of a dead letter. */
export function letterIdOf(message: AmqpMessage): string {
  return textOf(message.properties.headers, OWN.letter) ?? idOf(message);
}

/** Reads a dead letter. */
export function toDeadLetter(message: AmqpMessage, key: string, group: string): DeadLetter {
  const { headers } = message.properties;
  const publishedAt = publishedAtOf(message);
  const diedAt = numberOf(headers, OWN.diedAt);
  return {
    id: letterIdOf(message),
    messageId: idOf(message),
    key: textOf(headers, OWN.key) ?? key,
    group: textOf(headers, OWN.group) ?? group,
    payload: undefined,
    body: message.content.toString("utf8"),
    headers: headersOf(message) ?? {},
    attempts: numberOf(headers, OWN.attempts) ?? 0,
    cause: { name: textOf(headers, OWN.error) ?? "Error", message: textOf(headers, OWN.reason) ?? "" },
    publishedAt: publishedAt === undefined ? undefined : new Date(publishedAt),
    diedAt: diedAt === undefined ? undefined : new Date(diedAt),
  };
}
