/**
 * Bodies: what is sent, within the platform's limits, and what comes back.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../../core/driver.ts";
import { encoded, ENVELOPE, type EnvelopeFields, open, type Opened, pack } from "../../core/envelope.ts";
import { QueueError } from "../../core/errors.ts";
import { decodeUtf8, fromBase64 } from "../../core/util/bytes.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, MAX_BYTES, METADATA_BYTES } from "./limits.ts";
import { bytesOf, isPlainObject } from "../../core/util/json.ts";
import { wholeSeconds } from "../../core/consume/push.ts";

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
export function inBatches<T extends Pick<Packed, "text">>(messages: readonly T[]): T[][] {
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

/**
 * Sends messages as one batch. A payload that is larger than a message may be is compressed; one that is too large even
 * so is refused alone.
 */
export async function sendAll(
  messages: readonly DriverMessage[],
  send: (batch: readonly Packed[]) => Promise<unknown>,
): Promise<SendResult[]> {
  const packed: Packed[] = [];
  const results: SendResult[] = [];
  for (const { id, explicitId, headers, payload, body, delayMs } of messages) {
    const text = await pack(payload, { id: explicitId ? id : undefined, headers }, MAX_BYTES, body);
    if (text === undefined) {
      const reason = `it must be at most ${MAX_BYTES} bytes with its id and headers, or compress to that`;
      results.push({ error: new QueueError("too-large", `${reason}, found ${bytesOf(body)} bytes`) });
      continue;
    }
    packed.push({ text, ...delayMs && { delaySeconds: wholeSeconds(delayMs) } });
    results.push({ outcome: "added" });
  }
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
 * The body as text, or as bytes where it is no text. JSON and bytes come in base64 and text comes plain; but the
 * documentation's own example has plain JSON, so what begins like an object is one, and what is no base64 is text.
 */
export function bodyOf({ body, metadata }: ApiMessage): string | Uint8Array<ArrayBuffer> {
  if (typeof body !== "string") return JSON.stringify(body) ?? "";
  if (metadata?.["CF-Content-Type"] === "text" || /^\s*\{/.test(body)) return body;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = fromBase64(body);
  } catch {
    return body; // no base64
  }
  return decodeUtf8(bytes) ?? bytes;
}

/** Opens a body. One that is no JSON object is left as it is. */
export async function openBody(body: string | Uint8Array, contentType?: unknown): Promise<Opened> {
  if (typeof body !== "string") {
    return { payload: undefined, body, ...contentType === "v8" && { contentType } };
  }
  try {
    const value = JSON.parse(body);
    if (isPlainObject(value)) return await open(value);
  } catch {
    // no JSON, so no object either
  }
  return { payload: undefined, body };
}

/** Opens a message of the API. */
export async function openMessage(message: ApiMessage): Promise<Opened> {
  return await openBody(bodyOf(message), message.metadata?.["CF-Content-Type"]);
}

/**
 * A message out of an opened body: sealed with these fields; text that could not be read as plain as it came, bytes in
 * base64, since the API takes none.
 *
 * @returns Undefined where it is larger than the platform takes.
 */
export async function repack(
  { payload, body, contentType }: Opened,
  fields: EnvelopeFields,
): Promise<Packed | undefined> {
  if (payload) {
    const text = await pack(payload, fields, MAX_BYTES);
    return text === undefined ? undefined : { text };
  }
  if (body instanceof Uint8Array) {
    return fitting({ text: JSON.stringify(encoded("base64", body, { ...fields, contentType })) });
  }
  return { text: JSON.stringify(typeof body === "string" ? body : JSON.stringify(body)), plain: true };
}

/** The message, or undefined where it is larger than the platform takes. */
export function fitting(message: Packed): Packed | undefined {
  return bytesOf(message.text) <= MAX_BYTES ? message : undefined;
}

/** Whether a body may be an envelope: all others are parsed once, by the portable layer. */
export function mayBeEnvelope(text: string): boolean {
  return text.includes(ENVELOPE);
}
