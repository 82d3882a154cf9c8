/**
 * Messages as AMQP carries them: what is published, and what is read from a message that came.
 *
 * A message that only has a payload is that payload as JSON, with `message_id`, `timestamp`, `content_type` and
 * `delivery_mode` set.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { DriverMessage } from "../../core/driver.ts";
import { bytesOf } from "../../core/util/json.ts";
import type { AmqpMessage, AmqpPublishOptions } from "./client.ts";
import { carriedHeaders, MAX_SHORT, numberOf, OWN, textOf } from "./headers.ts";

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
  /** The name in the names of the queues in which it waits. */
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

export function delayHeaders({ to: { name, exchange, routingKey }, waitMs }: Delayed): Record<string, unknown> {
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

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The body as text; `undefined` where it is not UTF-8, and no text would be what came. */
export function bodyOf({ content }: AmqpMessage): string | undefined {
  try {
    return strict.decode(content);
  } catch {
    return undefined; // it goes to the dead letters as it is
  }
}
