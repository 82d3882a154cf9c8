/**
 * Sends each publish by itself, for drivers that are `unbatched`.
 *
 * @module
 */
import { DEFAULT_MAX_BATCH_MESSAGES } from "../defaults.ts";
import type { DriverMessage } from "../driver.ts";
import type { QueueError } from "../errors.ts";
import { sendBatch, SendState } from "./send_batch.ts";
import type { BackendContext } from "../context.ts";
import { bytesOf } from "../util/json.ts";
import { withDeadline } from "../util/async.ts";
import { PendingPublish } from "./pending_publish.ts";
import type { PublishReceipt } from "../protocol.ts";

/** How long a caller waits. */
export interface SendOptions {
  /** Milliseconds. Default: the backend's. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Brings messages to the driver. */
export interface Sender {
  /** Resolves when the broker has confirmed every message. */
  add(key: string, messages: readonly DriverMessage[], options: SendOptions): Promise<PublishReceipt[]>;
  /** Resolves when there is nothing left to send. */
  idle(): Promise<unknown>;
  /** Gives up all that is not confirmed; resolves when each caller has its result. */
  abandon(reason: QueueError): Promise<unknown>;
}

/** Sends each call by itself. */
export class UnbatchedSender implements Sender {
  readonly #context: BackendContext;
  /** The limit of each call, and a promise that resolves when the call has ended. */
  readonly #calls: Map<AbortController, Promise<void>> = new Map();

  constructor(context: BackendContext) {
    this.#context = context;
  }

  async add(
    key: string,
    messages: readonly DriverMessage[],
    { timeoutMs = this.#context.options.timeoutMs, signal: outer }: SendOptions,
  ): Promise<PublishReceipt[]> {
    const context = this.#context;
    const pending = new PendingPublish(context, key, messages);
    const { promise, resolve } = Promise.withResolvers<void>();
    await withDeadline(context.clock, timeoutMs, () => context.timeoutError("timeout"), outer, async (limit) => {
      this.#calls.set(limit, promise);
      const { signal } = limit;
      let state = new SendState();
      signal.addEventListener("abort", () => state.abandon(signal.reason));
      try {
        while (!pending.complete) {
          signal.throwIfAborted();
          const fits = batchLimit(context);
          const rest = messages.slice(pending.sent);
          const end = rest.findIndex((message) => !fits(message));
          const batch = end < 0 ? rest : rest.slice(0, end);
          pending.sent += batch.length;
          state = new SendState();
          for (const outcome of await sendBatch(context, key, batch, state, { wanted: () => batch })) {
            pending.addOutcome(outcome);
          }
        }
      } catch {
        // Nothing but the limit ends a batch without outcomes.
        pending.giveUp({ reason: signal.reason, aborted: outer?.aborted === true }, state);
      } finally {
        this.#calls.delete(limit);
        resolve();
      }
    });
    return pending.receipts();
  }

  idle(): Promise<unknown> {
    return Promise.all(this.#calls.values());
  }

  abandon(reason: QueueError): Promise<unknown> {
    const calls = this.idle();
    for (const limit of this.#calls.keys()) limit.abort(reason);
    return calls;
  }
}

/** Returns a function that tells of one message after the other whether it still fits into one batch of the driver. The first always does. */
export function batchLimit({ driver }: BackendContext): (message: DriverMessage) => boolean {
  const { maxBatchMessages = DEFAULT_MAX_BATCH_MESSAGES, maxBatchBytes = Infinity } = driver;
  let count = 0;
  let bytes = 0;
  let most = 0;
  const uncounted: string[] = [];
  return (message) => {
    count += 1;
    if (maxBatchBytes < Infinity) {
      const { body, headers, id, explicitId } = message;
      const text = headers || explicitId ? body + JSON.stringify({ id, headers }) : body;
      uncounted.push(text);
      // Three bytes is the most that UTF-8 needs for one unit of a JavaScript string: where even that fits, there is no need to count.
      most += text.length * 3;
      if (most > maxBatchBytes) most = bytes = uncounted.splice(0).reduce((sum, text) => sum + bytesOf(text), bytes);
    }
    return count === 1 || count <= maxBatchMessages && most <= maxBatchBytes;
  };
}
