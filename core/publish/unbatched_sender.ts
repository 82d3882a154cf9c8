/**
 * Sends the messages of each call by themselves.
 *
 * @module
 */
import type { BackendContext } from "../context.ts";
import type { DriverMessage } from "../driver.ts";
import { type PublishError, QueueError } from "../errors.ts";
import type { PublishReceipt } from "../protocol.ts";
import { neverAborts } from "../util/async.ts";
import { monotonic } from "../util/clock.ts";
import { errorAbout, notifyPublished, outcomeOf, type PublishOutcome, receiptsOf, wrapError } from "./outcomes.ts";
import type { MessageSender } from "./sender.ts";

/**
 * Hands the messages of each call to a driver that has taken or refused them by the time it returns, as one does that keeps
 * them in this process. No batch is gathered, no reply can be lost, and nothing is left to give up: none of what
 * `PublishBatcher` does is needed.
 */
export class UnbatchedSender implements MessageSender {
  readonly #context: BackendContext;

  constructor(context: BackendContext) {
    this.#context = context;
  }

  /** Resolves when the driver has taken every message. */
  async add(key: string, messages: readonly DriverMessage[]): Promise<PublishReceipt[]> {
    const context = this.#context;
    const { driver, clock, options: { observer } } = context;
    const startedAt = observer ? monotonic(clock) : 0;
    let outcomes: PublishOutcome[];
    try {
      const results = await driver.send(key, messages, neverAborts());
      outcomes = messages.map((message, i) => outcomeOf(context, key, message, results[i]));
    } catch (cause) {
      const error = wrapError(context, key, messages, cause);
      context.reportFailure("publish", key, 1, error);
      outcomes = messages.map((message) => errorAbout(message, error));
    }
    const errors: PublishError[] = [];
    for (const outcome of outcomes) {
      if (outcome instanceof QueueError) errors.push(outcome);
      else notifyPublished(context, key, outcome.id, startedAt);
    }
    return receiptsOf(context, key, messages, outcomes, errors);
  }

  /** Resolves at once: nothing waits here. */
  idle(): Promise<void> {
    return Promise.resolve();
  }

  /** See `idle`. */
  abandon(): Promise<void> {
    return Promise.resolve();
  }
}
