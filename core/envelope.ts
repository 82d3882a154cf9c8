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
import { nonNegative, text, textRecord, type Validators } from "./util/validate.ts";
import { isPlainObject } from "./util/json.ts";
import type { FailureCause, JsonObject } from "./protocol.ts";

/** What an envelope carries. */
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

function isEnvelope(body: Record<string, unknown>): boolean {
  const fields = body[ENVELOPE];
  return isPlainObject(fields) && fields.v === 1 && Object.keys(body).length === 2 &&
    (isPlainObject(body.payload) || Object.hasOwn(body, "body"));
}

/** Whether a payload has to travel in an envelope: there is something to carry, or it looks like an envelope. */
export function needsEnvelope(payload: JsonObject, fields: EnvelopeFields): boolean {
  return Object.values(fields).some((value) => value !== undefined) || isEnvelope(payload);
}

/** The body for a payload, as a value; the payload itself where there is nothing to carry. */
export function seal(payload: JsonObject, fields: EnvelopeFields): JsonObject {
  return needsEnvelope(payload, fields) ? envelope({ payload }, fields) : payload;
}

/** As {@link seal}, in text: the payload is given as JSON, and need not be written again. */
export function sealText(payload: string, fields: EnvelopeFields): string {
  return `{"${ENVELOPE}":${JSON.stringify({ v: 1, ...fields })},"payload":${payload}}`;
}

/** An envelope around a payload, or around the body of a dead letter that could not be read: what came is kept whole. */
export function envelope(content: { payload: JsonObject } | { body: unknown }, fields: EnvelopeFields): JsonObject {
  return { [ENVELOPE]: { v: 1, ...fields }, ...content } as unknown as JsonObject;
}

const FIELDS: Validators<EnvelopeFields> = {
  id: text,
  headers: textRecord,
  cause: textRecord,
  attempts: nonNegative,
  key: text,
  publishedAt: nonNegative,
  diedAt: nonNegative,
};

/** Opens a body, given as a value. Members of an envelope that are of another type than they should be are left out. */
export function open(body: unknown): Opened {
  if (!isPlainObject(body)) return { payload: undefined, body };
  if (!isEnvelope(body)) return { payload: body as JsonObject };
  const fields = body[ENVELOPE] as Record<string, unknown>;
  const opened: Record<string, unknown> = isPlainObject(body.payload) ? { payload: body.payload } : { body: body.body };
  for (const [name, check] of Object.entries(FIELDS)) {
    if (check(fields[name]) === undefined) opened[name] = fields[name];
  }
  if (opened.cause) opened.cause = { name: "Error", message: "", ...opened.cause };
  return opened as unknown as Opened;
}
