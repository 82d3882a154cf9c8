/**
 * One batch on its way to the broker: tried again while that is of use and somebody waits for it.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../driver.ts";
import { type ErrorCode, PublishError } from "../errors.ts";
import type { Host } from "../context.ts";
import { delay, unlessAborted } from "../util/async.ts";
import type { PublishReceipt } from "../protocol.ts";

/** What became of one message. */
export type Outcome = PublishReceipt | PublishError;

/** How a batch fares while it has no answer. */
export interface Flight {
  /** What it carries may have reached the broker without an answer. */
  inDoubt?: boolean;
  /** Why the last try failed. */
  lastError?: PublishError;
}

/**
 * Sends until the broker has answered or it is of no use; answers what became of each message. Nobody waits for it any
 * more when the signal aborts. `wanted` tells which messages the next try is to carry.
 *
 * @throws Whatever, once the signal has aborted.
 */
export async function fly(
  flight: Flight,
  host: Host,
  key: string,
  signal: AbortSignal,
  messages: readonly DriverMessage[],
  wanted = () => messages,
): Promise<readonly Outcome[]> {
  const { driver, options } = host;
  const wrap = (error: unknown, about: readonly DriverMessage[]) =>
    host.wrap(PublishError, `Cannot publish to "${key}"`, error, {
      key,
      id: onlyId(about),
      // As it is, and as it stands within a command or a request that is JSON itself.
      hide: about.flatMap(({ payload }) => {
        const body = JSON.stringify(payload);
        return [body, JSON.stringify(body).slice(1, -1)];
      }),
    }) as PublishError;
  const outcomeOf = (message: DriverMessage, result: SendResult | undefined): Outcome => {
    if (result && !("error" in result)) return result.id ? result as Outcome : { ...result, id: message.id };
    return wrap(result ? result.error : "the driver answered too few results", [message]);
  };
  for (let failures = 1, doubt = false;; failures++) {
    try {
      flight.inDoubt = true;
      const results = await unlessAborted(driver.send(key, messages, signal), signal);
      return messages.map((message, i) => outcomeOf(message, results[i]));
    } catch (cause) {
      const error = wrap(cause, messages);
      host.tellFailed("publish", key, failures, error);
      if (signal.aborted) throw error;
      const lost = error.code === "unknown-outcome";
      flight.inDoubt = doubt ||= lost;
      flight.lastError = error;
      if (failures > options.maxRetries || !(lost ? driver.capabilities.dedup : error.retryable)) {
        // Not sent the last time says nothing of the time before, whose answer was lost.
        const last = doubt && !lost ? unknownOutcome(host, key, "no answer came", messages, error) : error;
        return messages.map(() => last);
      }
      await delay(host.backoffMs(failures, error), host.clock, signal);
      // Whoever gave up before anything left was told that nothing was sent. A batch in doubt stays what it was: the
      // broker knows it again by its ids.
      if (!doubt) messages = wanted();
    }
  }
}

/** An error of messages, with the id where it is about one. */
export function publishError(
  { driver }: Host,
  key: string,
  messages: readonly DriverMessage[],
  code: ErrorCode,
  message: string,
  cause: unknown,
  outcomes?: readonly Outcome[],
): PublishError {
  return new PublishError(code, message, { backend: driver.name, key, id: onlyId(messages), cause, outcomes });
}

function onlyId(messages: readonly DriverMessage[]): string | undefined {
  return messages.length === 1 ? messages[0]!.id : undefined;
}

/** An error that says that messages may be in the queue. */
export function unknownOutcome(
  host: Host,
  key: string,
  why: string,
  messages: readonly DriverMessage[],
  cause: unknown,
): PublishError {
  const message = `Cannot tell whether the message that was sent reached "${key}": ${why}`;
  return publishError(host, key, messages, "unknown-outcome", message, cause);
}
