/**
 * A lease of the HTTP API: its delivery, and its dead letter.
 *
 * @module
 */
import type { RawDelivery } from "../../core/driver.ts";
import { envelope } from "../../core/envelope.ts";
import type { FailureCause } from "../../core/protocol.ts";
import { type ApiMessage, bodyOf, fitting, mayBeEnvelope, openBody, type Packed, repack } from "./messages.ts";

/** A lease, with all that a dead letter keeps. */
export interface Lease {
  readonly id: string;
  readonly message: ApiMessage;
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** The dead letter is safe: only the acknowledgement is still to come. */
  kept?: boolean;
  /** Its dead letter queue is the queue it is in: it stays there. */
  stays?: boolean;
}

/** Makes a delivery of a message that was pulled. */
export async function deliveryOf(message: ApiMessage): Promise<RawDelivery> {
  const came = bodyOf(message);
  const { attempts = 1, timestamp_ms: publishedAt } = message;
  const raw = {
    id: message.id,
    lease: { id: message.lease_id!, message, body: came } satisfies Lease,
    body: typeof came === "string" ? came : undefined,
    attempts: Math.max(1, attempts),
    publishedAt,
  };
  if (typeof came !== "string" || !mayBeEnvelope(came)) return raw;
  const { payload, id = message.id, headers, body } = await openBody(came);
  // An envelope without a payload is not a message for a handler. Text that only looks like an envelope is kept as text.
  return { ...raw, id, headers, body: payload ?? (body === came ? came : undefined) };
}

/** A dead letter: the whole message and why it died; the message alone where both are more than the platform takes. */
export async function toDeadLetter(
  { message, body }: Lease,
  key: string,
  cause: FailureCause,
  diedAt: number,
): Promise<Packed | undefined> {
  const opened = await openBody(body, message.metadata?.["CF-Content-Type"]);
  const { id, headers } = opened;
  const { attempts, timestamp_ms: publishedAt } = message;
  const story = { id, headers, cause, attempts, key, publishedAt, diedAt };
  const whole = opened.payload || opened.body instanceof Uint8Array
    ? await repack(opened, story)
    : fitting({ text: JSON.stringify(envelope({ body: opened.body }, story)) });
  return whole ?? await repack(opened, { id, headers });
}
