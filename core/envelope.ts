/**
 * Bodies on platforms that have no place for anything beside the body.
 *
 * A body is the payload as JSON, and nothing else, wherever there is nothing to carry. With headers, an id that the
 * publisher chose, or the cause of a death, the body is an envelope: an object of exactly two members,
 * `"@slack-mcp/queue"` with `{ "v": 1, … }` and `"payload"` with the payload.
 *
 * `"body"` stands in place of `"payload"` for two kinds of content, told apart by `"encoding"` among the fields:
 *
 * - `"gzip"`: a payload that is larger than the platform takes. `body` is base64 of gzip of two lines of JSON: an array
 *   of the payload's long texts, and the payload with `"\u0000<index>"` in place of each of them. A Slack
 *   `message_changed` carries its message twice; each text is stored once.
 * - `"base64"`, or none: the body of a dead letter that could not be read, in base64 where it was bytes.
 *
 * A payload of a user that has just this shape is put into an envelope of its own, so it arrives as it was sent.
 *
 * @module
 */
import { fromBase64, toBase64 } from "./util/bytes.ts";
import { nonNegative, text, textRecord, type Validators } from "./util/validate.ts";
import { bytesOf, isPlainObject } from "./util/json.ts";
import type { FailureCause, JsonObject, JsonValue } from "./protocol.ts";

/** Fields that an envelope carries beside the payload. */
export interface EnvelopeFields {
  /** The id that the publisher chose. */
  readonly id?: string | undefined;
  /** Text beside the payload. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Of a dead letter: why it died. */
  readonly cause?: FailureCause | undefined;
  /** Of a dead letter: how often it was delivered. */
  readonly attempts?: number | undefined;
  /** Of a dead letter: the key it was published under. */
  readonly key?: string | undefined;
  /** Of a dead letter: when it was published, in epoch milliseconds. */
  readonly publishedAt?: number | undefined;
  /** Of a dead letter: when it died, in epoch milliseconds. */
  readonly diedAt?: number | undefined;
  /** Of a dead letter whose body is bytes: the platform's content type, where that is not `bytes`. */
  readonly contentType?: string | undefined;
}

/** An opened body: the payload, or the body that could not be read, and the fields of its envelope. */
export interface Opened extends EnvelopeFields {
  /** Undefined where the body is no JSON object. */
  readonly payload: JsonObject | undefined;
  /** The body as it came, bytes as bytes, where `payload` is undefined. */
  readonly body?: unknown;
}

/** The member that marks an envelope. */
export const ENVELOPE = "@slack-mcp/queue";

function isEnvelope(body: Record<string, unknown>): boolean {
  const fields = body[ENVELOPE];
  return isPlainObject(fields) && fields.v === 1 && Object.keys(body).length === 2 &&
    (isPlainObject(body.payload) || Object.hasOwn(body, "body"));
}

/** Whether a payload has to travel in an envelope: there is something to carry, or it looks like an envelope. */
export function needsEnvelope(payload: JsonObject, fields: EnvelopeFields): boolean {
  return Object.values(fields).some((value) => value !== undefined) || isEnvelope(payload);
}

/** An envelope around a payload, or around a body that could not be read. */
export function envelope(content: { payload: JsonObject } | { body: unknown }, fields: EnvelopeFields): JsonObject {
  return { [ENVELOPE]: { v: 1, ...fields }, ...content } as unknown as JsonObject;
}

/** An envelope around content in base64, marked by how it was encoded. */
export function encoded(encoding: "base64" | "gzip", bytes: Uint8Array, fields: EnvelopeFields): JsonObject {
  return envelope({ body: toBase64(bytes) }, { encoding, ...fields } as EnvelopeFields);
}

/**
 * The body for a payload as JSON text: as plain as possible, compressed where it would be larger than `maxBytes`.
 *
 * @param json The payload as JSON, where it has been written before.
 * @returns Undefined where even the compressed body is larger than `maxBytes`.
 */
export async function pack(
  payload: JsonObject,
  fields: EnvelopeFields,
  maxBytes: number,
  json: string = JSON.stringify(payload),
): Promise<string | undefined> {
  const plain = needsEnvelope(payload, fields)
    ? `{"${ENVELOPE}":${JSON.stringify({ v: 1, ...fields })},"payload":${json}}`
    : json;
  if (bytesOf(plain) <= maxBytes) return plain;
  const packed = JSON.stringify(encoded("gzip", await compress(payload), fields));
  return bytesOf(packed) <= maxBytes ? packed : undefined;
}

/**
 * Opens a body, given as a value. Members of an envelope that are of another type than they should be are left out.
 *
 * @param checks The fields to read, with their checks.
 * @returns The payload; or, where the body is no JSON object or cannot be decoded, the body as it came. Never rejects.
 */
export async function openFor(body: unknown, checks: Partial<Validators<EnvelopeFields>>): Promise<Opened> {
  if (!isPlainObject(body)) return { payload: undefined, body };
  if (!isEnvelope(body)) return { payload: body as JsonObject };
  const fields = body[ENVELOPE] as Record<string, unknown>;
  const { encoding } = fields;
  let opened: Record<string, unknown> = isPlainObject(body.payload) ? { payload: body.payload } : { body: body.body };
  try {
    if (encoding === "base64" || encoding === "gzip") {
      if (typeof body.body !== "string") throw new TypeError("no base64");
      const bytes = fromBase64(body.body);
      opened = encoding === "gzip" ? { payload: await expand(bytes) } : { body: bytes };
    }
  } catch {
    return { payload: undefined, body }; // not written by this module: it is kept as it came
  }
  for (const [name, check] of Object.entries(checks)) {
    if (!check(fields[name])) opened[name] = fields[name];
  }
  return opened as unknown as Opened;
}

const FIELDS: Validators<EnvelopeFields> = {
  id: text,
  headers: textRecord,
  cause: textRecord,
  attempts: nonNegative,
  key: text,
  publishedAt: nonNegative,
  diedAt: nonNegative,
  contentType: text,
};

/** Opens a body with all of its fields: see {@link openFor}. */
export async function open(body: unknown): Promise<Opened> {
  const opened = await openFor(body, FIELDS);
  return opened.cause ? { ...opened, cause: { ...{ name: "Error", message: "" }, ...opened.cause } } : opened;
}

function through(data: BlobPart, transform: CompressionStream | DecompressionStream): Response {
  return new Response(new Blob([data]).stream().pipeThrough(transform));
}

async function compress(payload: JsonObject): Promise<Uint8Array> {
  /** Characters from which on a text is stored once, however often the payload has it. */
  const LONG_TEXT = 64;
  const places = new Map<string, number>();
  const rest = JSON.stringify(payload, (_name, value: JsonValue) => {
    // A text that begins like a place is moved too, so that no text is mistaken for one.
    if (typeof value !== "string" || value.length < LONG_TEXT && value[0] !== "\0") return value;
    if (!places.has(value)) places.set(value, places.size);
    return "\0" + places.get(value);
  });
  const lines = `${JSON.stringify([...places.keys()])}\n${rest}`;
  return new Uint8Array(await through(lines, new CompressionStream("gzip")).arrayBuffer());
}

async function expand(bytes: Uint8Array<ArrayBuffer>): Promise<unknown> {
  const [texts, rest] = (await through(bytes, new DecompressionStream("gzip")).text()).split("\n") as [string, string];
  const places = JSON.parse(texts) as string[];
  const place = (_name: string, value: JsonValue) =>
    typeof value === "string" && value[0] === "\0" ? places[+value.slice(1)] : value;
  const payload: unknown = JSON.parse(rest, place);
  if (!isPlainObject(payload)) throw new TypeError("no payload");
  return payload;
}
