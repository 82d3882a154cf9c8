/**
 * The outcomes of messages, and of the calls that published them.
 *
 * @module
 */
import type { BackendContext } from "../context.ts";
import type { DriverMessage, SendResult } from "../driver.ts";
import { type ErrorCode, PublishError } from "../errors.ts";
import { notify } from "../observer.ts";
import type { PublishReceipt } from "../protocol.ts";
import { monotonic } from "../util/clock.ts";

/** The outcome of one message. */
export type PublishOutcome = PublishReceipt | PublishError;

/** Returns the outcome of a message by what the driver returned for it. */
export function outcomeOf(
  context: BackendContext,
  key: string,
  message: DriverMessage,
  result: SendResult | undefined,
): PublishOutcome {
  if (result && !("error" in result)) {
    return result.id ? result as PublishOutcome : { outcome: result.outcome, id: message.id };
  }
  return wrapError(context, key, [message], result ? result.error : "the driver returned too few results");
}

/** Makes a `PublishError` of what a driver threw, without the payloads. */
export function wrapError(
  context: BackendContext,
  key: string,
  messages: readonly DriverMessage[],
  error: unknown,
): PublishError {
  return context.wrap(PublishError, `Cannot publish to "${key}"`, error, {
    key,
    id: onlyId(messages),
    // The payload as it is, and as it stands within a command or a request that is JSON itself.
    hide: messages.flatMap(({ payload }) => {
      const body = JSON.stringify(payload);
      return [body, JSON.stringify(body).slice(1, -1)];
    }),
  }) as PublishError;
}

/** Makes an error about messages, with the id where it is about one. */
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

/**
 * Makes an error of a batch one of a single message, with the id by which its publisher can send it again.
 *
 * @returns The error itself where it names the message already, or concerns no message in particular.
 */
export function errorAbout({ id }: DriverMessage, error: PublishError): PublishError {
  const { code, message, backend, key, cause, retryable, retryAfterMs } = error;
  if (error.id === id || code === "config") return error;
  return new PublishError(code, message, { backend, key, id, cause, retryable, retryAfterMs });
}

function onlyId(messages: readonly DriverMessage[]): string | undefined {
  return messages.length === 1 ? messages[0]!.id : undefined;
}

/**
 * Tells the observer of a message that was confirmed.
 *
 * @param startedAt When it was published, by the monotonic clock, in milliseconds.
 */
export function notifyPublished(
  { clock, driver: { name: backend }, options: { observer } }: BackendContext,
  key: string,
  id: string,
  startedAt: number,
): void {
  if (!observer?.published) return;
  notify(observer, "published", { backend, key, id, durationMs: monotonic(clock) - startedAt });
}

/**
 * Returns the receipts of a call.
 *
 * @throws {PublishError} Some messages were not confirmed.
 */
export function receiptsOf(
  context: BackendContext,
  key: string,
  messages: readonly DriverMessage[],
  outcomes: readonly PublishOutcome[],
  errors: readonly PublishError[],
): PublishReceipt[] {
  if (errors.length === 0) return outcomes as PublishReceipt[];
  // Prefer `unknown-outcome`: a caller that checks only `code` must not conclude that nothing was enqueued.
  const error = errors.find(({ code }) => code === "unknown-outcome") ?? errors[0]!;
  // A wrong configuration, such as credentials that are refused, concerns no message in particular.
  if (outcomes.length === 1 || error.code === "config") throw error;
  const message = `${errors.length} of ${outcomes.length} messages were not confirmed: ${error.message}`;
  throw publishError(context, key, messages, error.code, message, error, outcomes);
}
