/**
 * One call of `publish` or `publishBatch`: the outcome of each message, and the result of the call.
 *
 * @module
 */
import type { DriverMessage } from "../driver.ts";
import { type PublishError, QueueError } from "../errors.ts";
import { errorAbout, notifyPublished, publishError, type PublishOutcome, receiptsOf } from "./outcomes.ts";
import { type SendState, unknownOutcome } from "./send_batch.ts";
import type { BackendContext } from "../context.ts";
import type { PublishReceipt } from "../protocol.ts";
import { monotonic } from "../util/clock.ts";

/** Why the caller waits no longer. */
export interface GiveUpReason {
  /** The signal's reason where that was `aborted`, else a `QueueError` with code `"closed"` or `"timeout"`. */
  readonly reason: unknown;
  readonly aborted: boolean;
}

/** Collects the outcomes of a call's messages, which arrive in their order. */
export class PendingPublish {
  /** How many messages, from the first on, were handed to the driver. */
  sent = 0;
  /** Set while the driver may still say how far the messages came: see `KeyBatcher`. */
  givingUp: GiveUpReason | undefined;
  /** True once the caller has a result; later outcomes are ignored. */
  over = false;
  declare readonly messages: readonly DriverMessage[];
  /** When it was called, by the monotonic clock, in milliseconds. */
  declare readonly startedAt: number;
  readonly #context: BackendContext;
  readonly #key: string;
  readonly #outcomes: PublishOutcome[];
  #count = 0;
  #errors: PublishError[] = [];

  constructor(context: BackendContext, key: string, messages: readonly DriverMessage[]) {
    this.#context = context;
    this.#key = key;
    this.messages = messages;
    this.startedAt = monotonic(context.clock);
    this.#outcomes = new Array(messages.length);
  }

  /** True while some messages were handed to the driver and have no outcome. */
  get inFlight(): boolean {
    return this.sent > this.#count;
  }

  /** True when every message has an outcome. */
  get complete(): boolean {
    return this.#count === this.messages.length;
  }

  /** Adds the outcome of the next message. */
  addOutcome(outcome: PublishOutcome): void {
    this.#outcomes[this.#count++] = outcome;
    if (outcome instanceof QueueError) {
      this.#errors.push(outcome);
      return;
    }
    notifyPublished(this.#context, this.#key, outcome.id, this.startedAt);
  }

  /**
   * Returns the receipts, once the call is complete.
   *
   * @throws {PublishError} Some messages were not confirmed.
   */
  receipts(): PublishReceipt[] {
    return receiptsOf(this.#context, this.#key, this.messages, this.#outcomes, this.#errors);
  }

  /**
   * Gives each message that has no outcome one, by how far it came.
   *
   * @param state The send that carries the messages, or that they wait behind.
   * @throws The reason itself where the call was ended from outside and none of its messages can be in the queue.
   */
  giveUp({ reason, aborted }: GiveUpReason, state: SendState | undefined): void {
    const inDoubt = this.inFlight && state?.inDoubt;
    const lastError = state?.lastError;
    const code = reason instanceof QueueError ? reason.code : "timeout";
    const late = !aborted && code === "timeout";
    if (!late && !inDoubt && !this.#count) throw reason;
    const why = aborted ? "it was aborted" : (reason as Error).message;
    const cause = late ? lastError : reason;
    const unknown = inDoubt && unknownOutcome(this.#context, this.#key, why, this.messages, cause);
    // Nothing left in time because of what failed before, or failed for the batch in front: that is the cause to name.
    const unsent = late && lastError
      ? publishError(this.#context, this.#key, this.messages, lastError.code, lastError.message, lastError.cause)
      : publishError(
        this.#context,
        this.#key,
        this.messages,
        code,
        `Cannot publish to "${this.#key}", nothing was sent: ${why}`,
        cause,
      );
    while (!this.complete) {
      this.addOutcome(errorAbout(this.messages[this.#count]!, this.inFlight && unknown || unsent));
    }
  }
}
