/**
 * One batch on its way to the broker: sent, and sent again while that helps and a caller waits for it.
 *
 * @module
 */
import type { DriverMessage } from "../driver.ts";
import type { PublishError } from "../errors.ts";
import type { BackendContext } from "../context.ts";
import { abortable, delay } from "../util/async.ts";
import { afterGrace } from "./grace.ts";
import { errorAbout, outcomeOf, publishError, type PublishOutcome, wrapError } from "./outcomes.ts";

/** How far a batch came. */
export class SendState {
  /** The phase of the current attempt; `"idle"` between two attempts. */
  phase: "idle" | "connecting" | "sending" = "idle";
  /** True where an earlier attempt may have reached the broker without a reply. */
  replyLost = false;
  /** Why the last attempt failed. */
  lastError: PublishError | undefined;
  /** True when no caller waits for the batch any more. */
  abandoned = false;
  #controller: AbortController | undefined;

  /** Aborts when the attempt must end. */
  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  /** True where messages of the batch may have reached the broker without a reply. */
  get inDoubt(): boolean {
    return this.replyLost || this.phase === "sending";
  }

  /** Ends the batch: no caller waits for it any more. */
  abandon(reason: unknown): void {
    this.abandoned = true;
    this.interrupt(reason);
  }

  /** Ends the current attempt. Unless the batch is abandoned, another one follows at once. */
  interrupt(reason: unknown): void {
    void this.signal;
    this.#controller?.abort(reason);
  }

  /** Prepares the attempt after one that was interrupted. */
  renew(): void {
    this.#controller = undefined;
  }
}

/** The owner of a batch, as the batch sees it. */
export interface BatchOwner {
  /** Returns the messages that the next attempt carries: those that a caller still waits for. */
  wanted(): readonly DriverMessage[];
  /** Called when an attempt has failed, once `state` says how far it came. */
  onAttemptFailed?(): void;
}

/**
 * Sends a batch until the broker has replied, or until trying again cannot help.
 *
 * @returns The outcome of each message.
 * @throws Once the batch is abandoned.
 */
export async function sendBatch(
  context: BackendContext,
  key: string,
  messages: readonly DriverMessage[],
  state: SendState,
  owner: BatchOwner,
): Promise<readonly PublishOutcome[]> {
  const { driver, options } = context;
  for (let failures = 1;;) {
    const { signal } = state;
    try {
      const connecting = driver.connect?.(key, signal);
      if (connecting) {
        state.phase = "connecting";
        await abortable(connecting, signal, (over) => afterGrace(context.clock, over));
        signal.throwIfAborted();
      }
      state.phase = "sending";
      const sending = driver.send(key, messages, signal);
      const results = await abortable(sending, signal, (over) => afterGrace(context.clock, over));
      context.answered();
      return messages.map((message, i) => outcomeOf(context, key, message, results[i]));
    } catch (cause) {
      const sending = state.phase === "sending";
      state.phase = "idle";
      const silent = signal.aborted && !context.hasOwnReason(cause, signal);
      const lost = sending && (silent || context.codeOf(cause) === "unknown-outcome");
      state.replyLost ||= lost;
      const error = silent
        ? lost && unknownOutcome(context, key, "no reply came in time", messages, state.lastError)
        : state.lastError = wrapError(context, key, messages, cause);
      if (error) context.reportFailure("publish", key, failures, error);
      owner.onAttemptFailed?.();
      if (state.abandoned) throw cause;
      if (signal.aborted || !error) {
        // A caller in the batch ran out of time while there was no connection. The others wait on.
        state.renew();
      } else if (failures > options.maxRetries || !(lost ? driver.capabilities.dedup : error.retryable)) {
        // That the last attempt sent nothing says nothing about an earlier one whose reply was lost.
        const last = state.replyLost && !lost ? unknownOutcome(context, key, "no reply came", messages, error) : error;
        return messages.map((message) => errorAbout(message, last));
      } else {
        await delay(context.backoffMs(failures++, error), context.clock, signal);
      }
      // Callers who gave up before anything left were told that nothing was sent. A batch in doubt stays as it was: the
      // broker recognizes it by its ids.
      if (!state.replyLost) messages = owner.wanted();
    }
  }
}

/** Makes an error that says that messages may be in the queue. */
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
