/**
 * What travels beside a payload where the platform has no place for it.
 *
 * A body is the payload as JSON, and nothing else, wherever there is nothing to carry. Where there are headers, an
 * id that the publisher chose, or the reason of a death, the body is an envelope: an object of exactly two members,
 * `"@slack-mcp/queue"` with `{ "v": 1, … }` and `"payload"` with the payload. A dead letter that could not be read
 * has `"body"`, with what came, in place of `"payload"`.
 *
 * A payload of a user that has just this shape is put into an envelope of its own, so it arrives as it was sent.
 *
 * @module
 */
import type { FailureCause, JsonObject } from "./protocol.ts";

/** What an envelope carries. */
export interface EnvelopeFields {
  /** The id that the publisher chose. */
  readonly id?: string;
  /** Text beside the payload. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of a dead letter: why it died. */
  readonly cause?: FailureCause;
  /** Of a dead letter: how often it was delivered. */
  readonly attempts?: number;
  /** Of a dead letter: the key it was published under. */
  readonly key?: string;
  /** Of a dead letter: when it was published, in epoch milliseconds. */
  readonly publishedAt?: number;
  /** Of a dead letter: when it died, in epoch milliseconds. */
  readonly diedAt?: number;
}

/** An opened body: the payload, or the unreadable body, and what came with it. */
export interface Opened extends EnvelopeFields {
  /** Undefined where the body is no JSON object. */
  readonly payload: JsonObject | undefined;
  /** What came, where `payload` is undefined. */
  readonly body?: unknown;
}

/** The member that marks an envelope. */
export const ENVELOPE = "@slack-mcp/queue";

/** Whether a value is a plain object, as JSON makes them. */
export function isObject(value: unknown): value is JsonObject {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isEnvelope(body: JsonObject): boolean {
  const fields = body[ENVELOPE];
  return isObject(fields) && fields.v === 1 && Object.keys(body).length === 2 &&
    (isObject(body.payload) || Object.hasOwn(body, "body"));
}

/** Whether a payload has to travel in an envelope: there is something to carry, or it looks like an envelope. */
export function needsEnvelope(payload: JsonObject, fields: EnvelopeFields): boolean {
  return Object.values(fields).some((value) => value !== undefined) || isEnvelope(payload);
}

/** The body for a payload, as a value; the payload itself where there is nothing to carry. */
export function seal(payload: JsonObject, fields: EnvelopeFields): JsonObject {
  return needsEnvelope(payload, fields)
    ? { [ENVELOPE]: { v: 1, ...fields } as unknown as JsonObject, payload }
    : payload;
}

/** As {@link seal}, in text: the payload is given as JSON, and need not be written again. */
export function sealText(payload: string, fields: EnvelopeFields): string {
  return `{"${ENVELOPE}":${JSON.stringify({ v: 1, ...fields })},"payload":${payload}}`;
}

/** The body of a dead letter that could not be read: what came is kept whole under `"body"`. */
export function sealUnreadable(body: unknown, fields: EnvelopeFields): JsonObject {
  return { [ENVELOPE]: { v: 1, ...fields }, body } as unknown as JsonObject;
}

const TEXTS = ["id", "key"] as const;
const NUMBERS = ["attempts", "publishedAt", "diedAt"] as const;

/** Opens a body, given as a value. Members of an envelope that are of another type than they should be are left out. */
export function open(body: unknown): Opened {
  if (!isObject(body)) return { payload: undefined, body };
  if (!isEnvelope(body)) return { payload: body };
  const fields = body[ENVELOPE] as JsonObject;
  const { headers, cause } = fields;
  const payload = isObject(body.payload) ? body.payload : undefined;
  const opened: Record<string, unknown> = { payload };
  if (!payload) opened.body = body.body;
  for (const name of TEXTS) if (typeof fields[name] === "string") opened[name] = fields[name];
  for (const name of NUMBERS) if (typeof fields[name] === "number") opened[name] = fields[name];
  if (isObject(headers) && Object.values(headers).every((value) => typeof value === "string")) opened.headers = headers;
  if (isObject(cause)) opened.cause = { name: `${cause.name ?? "Error"}`, message: `${cause.message ?? ""}` };
  return opened as unknown as Opened;
}
