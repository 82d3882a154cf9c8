/**
 * One batch on its way to the broker: tried again while that is of use and somebody waits for it.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../driver.ts";
import { type ErrorCode, PublishError } from "../errors.ts";
import type { BackendContext } from "../context.ts";
import { abortable, delay } from "../util/async.ts";
import type { PublishReceipt } from "../protocol.ts";

/** What became of one message. */
export type PublishOutcome = PublishReceipt | PublishError;

/** How a batch fares while it has no answer. */
export interface SendState {
  /** What it carries may have reached the broker without an answer. */
  inDoubt?: boolean | undefined;
  /** Why the last try failed. */
  lastError?: PublishError | undefined;
}

/**
 * Sends until the broker has answered or it is of no use; answers what became of each message. Nobody waits for it any
 * more when the signal aborts. `wanted` tells which messages the next try is to carry.
 *
 * @throws Whatever, once the signal has aborted.
 */
export async function sendBatch(
  state: SendState,
  context: BackendContext,
  key: string,
  signal: AbortSignal,
  messages: readonly DriverMessage[],
  wanted = () => messages,
): Promise<readonly PublishOutcome[]> {
  const { driver, options } = context;
  const wrap = (error: unknown, about: readonly DriverMessage[]) =>
    context.wrap(PublishError, `Cannot publish to "${key}"`, error, {
      key,
      id: onlyId(about),
      // As it is, and as it stands within a command or a request that is JSON itself.
      hide: about.flatMap(({ payload }) => {
        const body = JSON.stringify(payload);
        return [body, JSON.stringify(body).slice(1, -1)];
      }),
    }) as PublishError;
  const outcomeOf = (message: DriverMessage, result: SendResult | undefined): PublishOutcome => {
    if (result && !("error" in result)) return result.id ? result as PublishOutcome : { ...result, id: message.id };
    return wrap(result ? result.error : "the driver answered too few results", [message]);
  };
  for (let failures = 1, doubt = false;; failures++) {
    try {
      state.inDoubt = true;
      const results = await abortable(driver.send(key, messages, signal), signal);
      return messages.map((message, i) => outcomeOf(message, results[i]));
    } catch (cause) {
      const error = wrap(cause, messages);
      context.reportFailure("publish", key, failures, error);
      if (signal.aborted) throw error;
      const lost = error.code === "unknown-outcome";
      state.inDoubt = doubt ||= lost;
      state.lastError = error;
      if (failures > options.maxRetries || !(lost ? driver.capabilities.dedup : error.retryable)) {
        // Not sent the last time says nothing of the time before, whose answer was lost.
        const last = doubt && !lost ? unknownOutcome(context, key, "no answer came", messages, error) : error;
        return messages.map(() => last);
      }
      await delay(context.backoffMs(failures, error), context.clock, signal);
      // Whoever gave up before anything left was told that nothing was sent. A batch in doubt stays what it was: the
      // broker knows it again by its ids.
      if (!doubt) messages = wanted();
    }
  }
}

/** An error of messages, with the id where it is about one. */
export function publishError(
  { driver }: BackendContext,
  key: string,
  messages: readonly DriverMessage[],
  code: ErrorCode,
  message: string,
  cause: unknown,
  outcomes?: readonly PublishOutcome[],
): PublishError {
  return new PublishError(code, message, { backend: driver.name, key, id: onlyId(messages), cause, outcomes });
}

function onlyId(messages: readonly DriverMessage[]): string | undefined {
  return messages.length === 1 ? messages[0]!.id : undefined;
}

/** An error that says that messages may be in the queue. */
export function unknownOutcome(
  context: BackendContext,
  key: string,
  why: string,
  messages: readonly DriverMessage[],
  cause: unknown,
): PublishError {
  const message = `Cannot tell whether the message that was sent reached "${key}": ${why}`;
  return publishError(context, key, messages, "unknown-outcome", message, cause);
}
