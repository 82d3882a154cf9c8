/**
 * The checks of what `publish` and `publishBatch` are called with.
 *
 * @module
 */
import {
  abortSignal,
  checkKey,
  checkOptions,
  nonNegative,
  orderingKey,
  positive,
  text,
  textRecord,
  type Validators,
} from "../util/validate.ts";
import type { BatchOptions, OutgoingMessage, PublishOptions } from "../protocol.ts";
import { kindOf } from "../util/json.ts";

const BATCH_CHECKS: Validators<BatchOptions> = { signal: abortSignal, timeoutMs: positive };

const ONE_CHECKS: Validators<Omit<OutgoingMessage, "payload">> = {
  id: text,
  orderingKey,
  delayMs: nonNegative,
  ttlMs: positive,
  headers: textRecord,
};

/** The checks of the options of one publish. */
export const PUBLISH_CHECKS: Validators<PublishOptions> = { ...ONE_CHECKS, ...BATCH_CHECKS };

/** The payload of a message is checked where it is copied. */
const MESSAGE_CHECKS: Validators<OutgoingMessage> = { payload: () => undefined, ...ONE_CHECKS };

/**
 * Checks a batch and makes a message of each of its parts.
 *
 * @param create Copies a payload and its options into a message.
 * @returns The messages, in order.
 * @throws {TypeError | RangeError} What a caller got wrong.
 */
export function checkedBatch<Message>(
  key: string,
  messages: readonly OutgoingMessage[],
  options: BatchOptions,
  create: (message: OutgoingMessage) => Message,
): Message[] {
  checkKey(key);
  if (!Array.isArray(messages)) throw new TypeError(`messages must be an array, found ${kindOf(messages)}`);
  checkOptions("batch options", options, BATCH_CHECKS);
  // A copy, since map passes over holes; Array.from with a function takes longer for a message than its checks.
  return [...messages].map((message: OutgoingMessage, i) => {
    checkOptions("messages", message, MESSAGE_CHECKS, i);
    return create(message);
  });
}
