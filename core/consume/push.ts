/**
 * Deliveries out of a batch that the platform pushes, such as a Cloudflare `MessageBatch`.
 *
 * The types are structural and name only the members that are used, so the platform's own types fit them.
 *
 * @module
 */
import { MAX_DELAY_MS } from "../defaults.ts";
import {
  checkValue,
  nonNegative,
  number,
  text,
  textRecord,
  type Validator,
  type Validators,
} from "../util/validate.ts";
import { bytesIn, decodeUtf8 } from "../util/bytes.ts";
import { type EnvelopeFields, openFor } from "../envelope.ts";
import { QueueError } from "../errors.ts";
import { toCause } from "../cause.ts";
import { isPlainObject } from "../util/json.ts";
import type { DeadLetterSink } from "./options.ts";
import type { SettlementActions } from "./processor.ts";
import type { Delivery, DeliverySettlement } from "../protocol.ts";

/** One message of a pushed batch. The first of `ack` and `retry` wins. */
export interface PushMessage {
  /** The platform's id. */
  readonly id: string;
  /** The time of publishing. */
  readonly timestamp: Date;
  /** The body as it was published: a JSON value, text, bytes, or any value that can be cloned. */
  readonly body: unknown;
  /** 1 at the first delivery. */
  readonly attempts: number;
  /** Settles the message as done. */
  ack(): void;
  /** Has the message delivered again, after `delaySeconds` whole seconds. */
  retry(options?: { readonly delaySeconds?: number }): void;
}

/** A batch that the platform pushes. */
export interface PushBatch {
  /** The queue's name. */
  readonly queue: string;
  /** The messages. */
  readonly messages: readonly PushMessage[];
}

/** The options of a pushed delivery. */
export interface PushDeliveryOptions {
  /** The delivery's key. Default: the one in the envelope, else the queue's name. */
  readonly key?: string | undefined;
  /** Takes the dead letters. Default: the message is retried until the platform gives it up. */
  readonly deadLetter?: DeadLetterSink | undefined;
  /** Aborts when the batch must end. */
  readonly signal: AbortSignal;
  /** Ids of messages that the sink has failed to take: their handlers are through with them. */
  readonly waiting?: Set<string> | undefined;
}

/** A delivery that the platform pushed. */
export type PushDelivery = Delivery & Pick<SettlementActions, "anyAttempt" | "malformed">;

const delay: Validator = number(`a number from 0 to ${MAX_DELAY_MS}`, (ms) => ms >= 0 && ms <= MAX_DELAY_MS);

/**
 * Whole seconds for a delay in milliseconds: rounded up, so that it never ends early.
 *
 * @throws {RangeError} More than 24 hours, or less than none.
 */
export function wholeSeconds(delayMs: number): number {
  checkValue("delayMs", delayMs, delay);
  return Math.ceil(delayMs / 1000);
}

/** Returns the delivery for its handler: its signal also aborts with `limit`. */
export function limitPushed(delivery: Delivery, limit: AbortSignal): Delivery {
  return {
    ...delivery, // every member of a pushed delivery is its own
    signal: AbortSignal.any([delivery.signal, limit]),
    get settlement() {
      return delivery.settlement;
    },
  };
}

/** The fields that a delivery is made of; a dead letter is known by when it died. */
const FIELDS: Pick<Validators<EnvelopeFields>, "id" | "key" | "headers" | "diedAt"> = {
  id: text,
  key: text,
  headers: textRecord,
  diedAt: nonNegative,
};

/** The JSON object that a body is or spells; else the body as it came. Bytes that are no UTF-8 spell nothing. */
function parse(body: unknown): unknown {
  try {
    const bytes = bytesIn(body);
    const decoded = bytes ? decodeUtf8(bytes) : body;
    const value: unknown = typeof decoded === "string" ? JSON.parse(decoded) : body;
    return isPlainObject(value) ? value : body;
  } catch {
    return body; // no text, or no JSON: the caller sees that it is no object
  }
}

/** A delivery over one pushed message. */
export async function pushDelivery(
  message: PushMessage,
  queue: string,
  { key, deadLetter, signal, waiting }: PushDeliveryOptions,
): Promise<PushDelivery> {
  const { payload, body, ...fields } = await openFor(parse(message.body), FIELDS);
  let outcome: Promise<boolean> | undefined;
  const settle = (settlement: DeliverySettlement, how: () => void | Promise<void>) =>
    outcome ??= (async () => {
      delivery.settlement = settlement;
      await how();
      return true;
    })();
  const delivery: PushDelivery & { settlement: DeliverySettlement | undefined } = {
    id: fields.id ?? message.id,
    key: key ?? fields.key ?? queue,
    payload: payload ?? {},
    attempts: message.attempts,
    orderingKey: undefined,
    headers: fields.headers ?? {},
    publishedAt: message.timestamp,
    signal,
    malformed: !payload,
    // The platform bounds deliveries itself. Earlier ones may have met a wrong set-up, which says nothing of the message.
    anyAttempt: !waiting?.has(message.id),
    settlement: undefined,
    ack: () => settle({ kind: "ack" }, () => message.ack()),
    // async: a delay out of range is a rejection, and settles nothing
    retry: async ({ delayMs = 0, reason } = {}) => {
      const delaySeconds = wholeSeconds(delayMs);
      const cause = reason === undefined ? undefined : toCause(reason);
      return await settle({ kind: "retry", cause }, () => message.retry({ delaySeconds }));
    },
    deadLetter: (reason) =>
      settle({ kind: "dead", cause: toCause(reason) }, async () => {
        // A dead letter that is given up once more stays where it is: the sink may lead back into this very queue.
        if (fields.diedAt) return message.retry({ delaySeconds: MAX_DELAY_MS / 1000 });
        if (!deadLetter) return message.retry();
        try {
          await deadLetter(delivery, toCause(reason), body);
        } catch (error) {
          waiting?.add(message.id);
          message.retry(); // not safe elsewhere: it stays here
          throw error;
        }
        waiting?.delete(message.id);
        message.ack();
      }),
    extend: () =>
      Promise.reject(
        new QueueError("unsupported", "Cannot extend a lease: the platform does not support it", { key: delivery.key }),
      ),
  };
  return delivery;
}
