/**
 * The messages of a publish through a binding, and what becomes of them.
 *
 * @module
 */
import { pack } from "../../core/envelope.ts";
import { type ErrorCode, PublishError, QueueError } from "../../core/errors.ts";
import type { JsonObject, OutgoingMessage, PublishReceipt } from "../../core/protocol.ts";
import { bytesOf } from "../../core/util/json.ts";
import { MAX_BYTES } from "./limits.ts";

/** The name of the backend. */
export const NAME = "cloudflare";

/** One message of a call, checked and copied. */
export interface Outgoing {
  readonly id: string;
  readonly payload: JsonObject;
  readonly json: string;
  readonly fields: { readonly id: string | undefined; readonly headers: OutgoingMessage["headers"] };
  readonly delaySeconds: number;
  /** The body as the binding takes it, once it is packed. */
  text: string;
  /** Undefined until the message is confirmed or given up. */
  outcome?: Outcome;
}

/** The outcome of a message. */
export type Outcome = PublishReceipt | PublishError;

/** Packs a message as the binding takes it. One that is too large gets its outcome instead. */
export async function packMessage(key: string, message: Outgoing): Promise<void> {
  const { id, payload, json, fields } = message;
  const text = await pack(payload, fields, MAX_BYTES, json);
  if (text) message.text = text;
  else {
    const reason = `a message must be at most ${MAX_BYTES} bytes with id and headers, or compress to that, found ${
      bytesOf(json)
    }`;
    message.outcome = failed(key, "too-large", reason, { id });
  }
}

/** Makes the error of what the platform does not offer. */
export function unsupported(what: string): QueueError {
  return new QueueError("unsupported", `The ${NAME} backend does not support ${what}`, { backend: NAME });
}

/** Makes the error of a call after `close()`. */
export function closed(what: string, key?: string): QueueError {
  return new QueueError("closed", `${what}: the ${NAME} backend is closed`, { backend: NAME, key });
}

/** Makes the error of a publish that was not confirmed. */
export function failed(
  key: string,
  code: ErrorCode,
  reason: string,
  more: { readonly id?: string | undefined; readonly cause?: unknown; readonly outcomes?: readonly Outcome[] },
): PublishError {
  return new PublishError(code, `Cannot publish to "${key}" on ${NAME}: ${reason}`, { backend: NAME, key, ...more });
}

/**
 * Returns the receipts, where every message was confirmed.
 *
 * @throws {PublishError} Some were not.
 */
export function receipts(key: string, outcomes: readonly Outcome[], outer: AbortSignal | undefined): PublishReceipt[] {
  const errors = outcomes.filter((outcome) => outcome instanceof PublishError);
  const [first] = errors;
  if (!first) return outcomes as PublishReceipt[];
  const unknown = errors.find(({ code }) => code === "unknown-outcome");
  // Ended from outside, and nothing of it can be in the queue.
  if (outer?.aborted && !unknown && errors.length === outcomes.length) throw outer.reason;
  const error = unknown ?? first; // a caller that looks at the code alone must not take a message for gone
  if (outcomes.length === 1) throw error;
  const reason = `${errors.length} of ${outcomes.length} messages were not confirmed: ${error.message}`;
  throw failed(key, error.code, reason, { cause: error, outcomes });
}
