/**
 * Deliveries out of a batch that the platform pushes, such as a Cloudflare `MessageBatch`.
 *
 * The types are structural and name only what is used, so the platform's own types fit them.
 *
 * @module
 */
import { checkValue, number, type Validator } from "../util/validate.ts";
import { open } from "../envelope.ts";
import { QueueError } from "../errors.ts";
import { toCause } from "../cause.ts";
import { isPlainObject } from "../util/json.ts";
import type { DeadLetterSink } from "./processor.ts";
import type { Delivery } from "../protocol.ts";

/** One message of a pushed batch. The first of `ack` and `retry` wins. */
export interface PushMessage {
  /** The platform's id. */
  readonly id: string;
  /** When it was published. */
  readonly timestamp: Date;
  /** What was published: a JSON value, text, or bytes. */
  readonly body: unknown;
  /** 1 at the first delivery. */
  readonly attempts: number;
  /** Done. */
  ack(): void;
  /** Again, after whole seconds. */
  retry(options?: { readonly delaySeconds?: number }): void;
}

/** What the platform pushes. */
export interface PushBatch {
  /** The queue's name. */
  readonly queue: string;
  /** The messages. */
  readonly messages: readonly PushMessage[];
}

/** What a pushed delivery needs to know beside its message. */
export interface PushDeliveryOptions {
  /** The key the delivery tells. Default: the one in the envelope, else the queue's name. */
  readonly key?: string | undefined;
  /** Takes the dead letters. Default: the message is retried until the platform gives it up. */
  readonly deadLetter?: DeadLetterSink | undefined;
  /** Aborts when the batch must end. */
  readonly signal: AbortSignal;
}

/** A delivery that the platform pushed. */
export interface PushDelivery extends Delivery {
  /** True where the body is no JSON object: it must not reach a handler, and belongs to the dead letters. */
  readonly malformed: boolean;
  /** Whether it was settled. */
  readonly settled: boolean;
}

/** What a retry may ask for: up to 24 hours. */
const delay: Validator = number("a number from 0 to 86400000", (ms) => ms >= 0 && ms <= 86_400_000);

/** Whole seconds for a delay in milliseconds: rounded up, so that it never ends early. */
export function wholeSeconds(delayMs: number): number {
  checkValue("delayMs", delayMs, delay);
  return Math.ceil(delayMs / 1000);
}

function parse(body: unknown): unknown {
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) body = new TextDecoder().decode(body);
  if (typeof body !== "string") return body;
  try {
    const value = JSON.parse(body);
    return isPlainObject(value) ? value : body;
  } catch {
    return body; // no JSON: the caller sees that it is no object
  }
}

/** A delivery over one pushed message. */
export function pushDelivery(
  message: PushMessage,
  queue: string,
  { key, deadLetter, signal }: PushDeliveryOptions,
): PushDelivery {
  const { payload, body, ...fields } = open(parse(message.body));
  let outcome: Promise<boolean> | undefined;
  const settle = (how: () => void | Promise<void>) =>
    outcome ??= (async () => {
      await how();
      return true;
    })();
  const delivery: PushDelivery = {
    id: fields.id ?? message.id,
    key: key ?? fields.key ?? queue,
    payload: payload ?? {},
    attempts: message.attempts,
    orderingKey: undefined,
    headers: fields.headers ?? {},
    publishedAt: message.timestamp,
    signal,
    malformed: !payload,
    get settled() {
      return outcome !== undefined;
    },
    ack: () => settle(() => message.ack()),
    // async: a delay out of range is a rejection, and settles nothing
    retry: async ({ delayMs = 0 } = {}) => {
      const delaySeconds = wholeSeconds(delayMs);
      return await settle(() => message.retry({ delaySeconds }));
    },
    deadLetter: (reason) =>
      settle(async () => {
        if (!deadLetter) return message.retry();
        try {
          await deadLetter(delivery, toCause(reason), body);
        } catch (error) {
          message.retry(); // not safe elsewhere: it stays here
          throw error;
        }
        message.ack();
      }),
    extend: () =>
      Promise.reject(
        new QueueError("unsupported", "The platform does not support extending", { key: delivery.key }),
      ),
  };
  return delivery;
}
