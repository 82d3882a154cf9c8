/**
 * A publish that travels by itself: of a driver whose publishes must be `separate`.
 *
 * @module
 */
import type { DriverMessage } from "../driver.ts";
import type { QueueError } from "../errors.ts";
import { sendBatch, type SendState } from "./send_batch.ts";
import type { BackendContext } from "../context.ts";
import { bytesOf } from "../util/json.ts";
import { withDeadline } from "../util/async.ts";
import { PendingPublish } from "./pending_publish.ts";
import type { PublishReceipt } from "../protocol.ts";

/** How long, and as long as what, somebody waits. */
export interface SendOptions {
  /** Default: the backend's. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What brings messages to the driver. */
export interface Sender {
  /** Resolves when the broker has confirmed every message. */
  add(key: string, messages: readonly DriverMessage[], options: SendOptions): Promise<PublishReceipt[]>;
  /** Resolves when there is nothing left to send. */
  idle(): Promise<unknown>;
  /** Gives up all that is not confirmed. */
  abandon(reason: QueueError): void;
}

/** Sends each call by itself. */
export class UnbatchedSender implements Sender {
  readonly #context: BackendContext;
  /** What limits each call, and when it has ended. */
  readonly #calls: Map<AbortController, Promise<void>> = new Map();

  /** A sender over the context's driver. */
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
      let state: SendState | undefined;
      try {
        while (!pending.complete) {
          const fits = batchLimit(context);
          const rest = messages.slice(pending.sent);
          const end = rest.findIndex((message) => !fits(message));
          const batch = end < 0 ? rest : rest.slice(0, end);
          pending.sent += batch.length;
          for (const outcome of await sendBatch(state = {}, context, key, limit.signal, batch)) {
            pending.addOutcome(outcome);
          }
        }
      } catch {
        // A state that does not answer was ended by the limit.
        pending.giveUp(limit.signal.reason, outer?.aborted === true, state);
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

  abandon(reason: QueueError): void {
    for (const limit of this.#calls.keys()) limit.abort(reason);
  }
}

/** Answers of one message after the other whether it still fits into a batch of the driver's; the first always does. */
export function batchLimit({ driver }: BackendContext): (message: DriverMessage) => boolean {
  const { maxBatchMessages = 1_000, maxBatchBytes = Infinity } = driver;
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
      // Three bytes is the most that UTF-8 needs for one unit of a JavaScript string: where even that fits, nobody counts.
      most += text.length * 3;
      if (most > maxBatchBytes) most = bytes = uncounted.splice(0).reduce((sum, text) => sum + bytesOf(text), bytes);
    }
    return count === 1 || count <= maxBatchMessages && most <= maxBatchBytes;
  };
}
