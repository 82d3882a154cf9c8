/**
 * Copies of messages, with the same id: those that wait on, are tried again, given back, given up or replayed.
 *
 * @module
 */
import type { DeadLetter, FailureCause } from "../../core/protocol.ts";
import type { AmqpMessage, AmqpPublishOptions } from "./client.ts";
import { BROKERS, headersOf, numberOf, OWN, textOf } from "./headers.ts";
import { bodyOf, type Delayed, delayHeaders, expiryOf, idOf, publishedAtOf } from "./messages.ts";

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

/** The properties of a dead letter of what has waited and belongs nowhere. */
export function strayOptions(
  message: AmqpMessage,
  { now, persistent, reason }: { readonly now: number; readonly persistent: boolean; readonly reason: string },
): AmqpPublishOptions {
  const { expiration: _expiration, ...moved } = movedOptions(message, undefined, { now, persistent });
  return {
    ...moved,
    headers: {
      ...moved.headers,
      [OWN.letter]: crypto.randomUUID(),
      [OWN.error]: "Error",
      [OWN.reason]: reason,
      [OWN.diedAt]: now,
    },
  };
}

/** Returns the properties that a copy takes over from its message. */
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

/** The headers that a copy adds to those of its message. */
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
  const text = bodyOf(message);
  return {
    id: letterIdOf(message),
    messageId: idOf(message),
    key: textOf(headers, OWN.key) ?? key,
    group: textOf(headers, OWN.group) ?? group,
    payload: undefined,
    body: text ?? message.content.toString("base64"),
    ...text === undefined && { bodyEncoding: "base64" as const },
    headers: headersOf(message) ?? {},
    attempts: numberOf(headers, OWN.attempts) ?? 0,
    cause: { name: textOf(headers, OWN.error) ?? "Error", message: textOf(headers, OWN.reason) ?? "" },
    publishedAt: publishedAt === undefined ? undefined : new Date(publishedAt),
    diedAt: diedAt === undefined ? undefined : new Date(diedAt),
  };
}
