/**
 * The checks of what `publish` and `publishBatch` are called with.
 *
 * @module
 */
import {
  abortSignal,
  nonNegative,
  orderingKey,
  positive,
  text,
  textRecord,
  type Validators,
} from "../util/validate.ts";
import type { BatchOptions, OutgoingMessage, PublishOptions } from "../protocol.ts";

/** The checks of a batch as a whole. */
export const BATCH_CHECKS: Validators<BatchOptions> = { signal: abortSignal, timeoutMs: positive };

const ONE_CHECKS: Validators<Omit<OutgoingMessage, "payload">> = {
  id: text,
  orderingKey,
  delayMs: nonNegative,
  ttlMs: positive,
  headers: textRecord,
};

/** The checks of the options of one publish. */
export const PUBLISH_CHECKS: Validators<PublishOptions> = { ...ONE_CHECKS, ...BATCH_CHECKS };

/** The checks of one message of a batch; its payload is checked where it is copied. */
export const MESSAGE_CHECKS: Validators<OutgoingMessage> = { payload: () => undefined, ...ONE_CHECKS };
