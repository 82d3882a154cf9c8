/**
 * Bodies: what is sent, within the platform's limits, and what comes back.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../../core/driver.ts";
import { ENVELOPE, type EnvelopeFields, needsEnvelope, open, type Opened, sealText } from "../../core/envelope.ts";
import { QueueError } from "../../core/errors.ts";
import { bytesOf, isPlainObject } from "../../core/util/json.ts";
import { wholeSeconds } from "../../core/consume/push.ts";

/** Bytes of a message: 128 KB of 1,000 bytes, less the hundred or so that the platform counts as its own. */
export const MAX_BYTES = 127_900;

/** Bytes of a batch, each message's own hundred counted with it. */
const MAX_BATCH_BYTES = 256_000;

/** Messages of a batch. */
export const MAX_BATCH_MESSAGES = 100;

const METADATA_BYTES = 100;

/** One message, ready to be sent. */
export interface Packed {
  /** JSON text: of an object, or of a string where `plain`. */
  readonly text: string;
  /** The body is text that is no JSON object. */
  readonly plain?: boolean | undefined;
  /** Undefined: the queue's own. */
  readonly delaySeconds?: number | undefined;
}

/** Cuts a list into batches that the platform takes, in order. */
export function inBatches<T extends Packed>(messages: readonly T[]): T[][] {
  const batches: T[][] = [];
  let room = 0;
  for (const message of messages) {
    const bytes = bytesOf(message.text) + METADATA_BYTES;
    const batch = batches.at(-1);
    if (batch && batch.length < MAX_BATCH_MESSAGES && bytes <= room) batch.push(message);
    else {
      batches.push([message]);
      room = MAX_BATCH_BYTES;
    }
    room -= bytes;
  }
  return batches;
}

/** Sends messages as one batch. One that is over the limit with what travels beside it is refused alone. */
export async function sendAll(
  messages: readonly DriverMessage[],
  send: (batch: readonly Packed[]) => Promise<unknown>,
): Promise<SendResult[]> {
  const packed: Packed[] = [];
  const results = messages.map(({ id, explicitId, headers, payload, body, delayMs }): SendResult => {
    const fields = { id: explicitId ? id : undefined, headers };
    const text = needsEnvelope(payload, fields) ? sealText(body, fields) : body;
    const bytes = bytesOf(text);
    if (bytes > MAX_BYTES) {
      const message = `message must be at most ${MAX_BYTES} bytes with its id and headers, found ${bytes}`;
      return { error: new QueueError("too-large", message) };
    }
    packed.push({ text, ...delayMs && { delaySeconds: wholeSeconds(delayMs) } });
    return { outcome: "added" };
  });
  if (packed.length > 0) await send(packed);
  return results;
}

/** A batch as the API takes it. */
export function batchText(batch: readonly Packed[]): string {
  return `{"messages":[${
    batch.map(({ text, plain, delaySeconds }) =>
      `{"content_type":"${plain ? "text" : "json"}",${
        delaySeconds === undefined ? "" : `"delay_seconds":${delaySeconds},`
      }"body":${text}}`
    )
  }]}`;
}

/** A message of the API, pulled or peeked. */
export interface ApiMessage {
  /** The platform's id. */
  readonly id: string;
  /** In base64 where it was published as JSON or bytes. */
  readonly body: unknown;
  /** 1 at the first delivery. */
  readonly attempts?: number | undefined;
  /** Epoch milliseconds of its publishing. */
  readonly timestamp_ms?: number | undefined;
  /** Has `CF-Content-Type`. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Of a pulled message. */
  readonly lease_id?: string | undefined;
  /** Of a peeked message. */
  readonly ref?: string | undefined;
}

/**
 * A body as text. JSON and bytes come in base64 and text comes plain; but the documentation's own example has plain
 * JSON, so what begins like an object is one, and what is no base64 is what it is.
 */
export function bodyText({ body, metadata }: ApiMessage): string {
  if (typeof body !== "string") return JSON.stringify(body) ?? "";
  if (metadata?.["CF-Content-Type"] === "text" || /^\s*\{/.test(body)) return body;
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(body), (char) => char.charCodeAt(0)));
  } catch {
    return body; // no base64
  }
}

/** Opens a body's text. What is no JSON object is left as it is. */
export function openText(text: string): Opened {
  try {
    const value = JSON.parse(text);
    if (isPlainObject(value)) return open(value);
  } catch {
    // no JSON, so no object either
  }
  return { payload: undefined, body: text };
}

/** The message of an opened body: sealed with these fields, or as plain as it came where it could not be read. */
export function repack({ payload, body }: Opened, fields: EnvelopeFields): Packed {
  if (payload) {
    const text = JSON.stringify(payload);
    return { text: needsEnvelope(payload, fields) ? sealText(text, fields) : text };
  }
  return { text: JSON.stringify(typeof body === "string" ? body : JSON.stringify(body)), plain: true };
}

/** Whether a body may be an envelope: all others are parsed once, by the portable layer. */
export function mayBeEnvelope(text: string): boolean {
  return text.includes(ENVELOPE);
}
