/**
 * One call of publish or publishBatch on its way: what became of each message, and what the caller is told.
 *
 * @module
 */
import type { DriverMessage } from "../driver.ts";
import { type PublishError, QueueError } from "../errors.ts";
import { publishError, type PublishOutcome, type SendState, unknownOutcome } from "./send_batch.ts";
import type { BackendContext } from "../context.ts";
import { notify } from "../observer.ts";
import type { PublishReceipt } from "../protocol.ts";

/** See the module. */
export class PendingPublish {
  /** So many messages, the first ones, were handed to a state. */
  sent = 0;
  declare readonly messages: readonly DriverMessage[];
  /** When it came, in epoch milliseconds. */
  declare readonly startedAt: number;
  readonly #context: BackendContext;
  readonly #key: string;
  /** Of the first so many messages, that many. */
  readonly #outcomes: PublishOutcome[];
  #count = 0;
  #errors: PublishError[] | undefined;

  /** A pending of messages for a key. */
  constructor(context: BackendContext, key: string, messages: readonly DriverMessage[]) {
    this.#context = context;
    this.#key = key;
    this.messages = messages;
    this.startedAt = context.clock.now();
    this.#outcomes = new Array(messages.length);
  }

  /** Some of it is with a state. */
  get inFlight(): boolean {
    return this.sent > this.#count;
  }

  /** Every message has an outcome. */
  get complete(): boolean {
    return this.#count === this.messages.length;
  }

  /** What became of the next message. */
  addOutcome(outcome: PublishOutcome): void {
    this.#outcomes[this.#count++] = outcome;
    if (outcome instanceof QueueError) {
      (this.#errors ??= []).push(outcome);
      return;
    }
    const { clock, driver: { name: backend }, options: { observer } } = this.#context;
    if (observer?.published) {
      const durationMs = clock.now() - this.startedAt;
      notify(observer, "published", { backend, key: this.#key, id: outcome.id, durationMs });
    }
  }

  /**
   * The receipts, once every message has its outcome.
   *
   * @throws {PublishError} Some were not confirmed.
   */
  receipts(): PublishReceipt[] {
    const outcomes = this.#outcomes;
    const errors = this.#errors;
    if (!errors) return outcomes as PublishReceipt[];
    // What may be there has the last word: whoever reads the code alone must not take it for gone.
    const error = errors.find(({ code }) => code === "unknown-outcome") ?? errors[0]!;
    // A wrong configuration, such as credentials that turn out to be no good, is not of any message.
    if (outcomes.length === 1 || error.code === "config") throw error;
    const message = `${errors.length} of ${outcomes.length} messages were not confirmed: ${error.message}`;
    throw publishError(this.#context, this.#key, this.messages, error.code, message, error, outcomes);
  }

  /**
   * The caller's patience is over: what has no outcome gets one, by how far it came.
   *
   * @param reason The signal's where that was `aborted`, else an error of code `"closed"` or `"timeout"`.
   * @throws The reason itself where the call was ended from outside and nothing of it can be in the queue.
   */
  giveUp(reason: unknown, aborted: boolean, state: SendState | undefined): void {
    const { inDoubt, lastError }: SendState = this.inFlight && state || {};
    const code = reason instanceof QueueError ? reason.code : "timeout";
    const late = !aborted && code === "timeout";
    if (!late && !inDoubt && !this.#count) throw reason;
    const why = aborted ? "it was aborted" : (reason as Error).message;
    const cause = late ? lastError : reason;
    const unknown = inDoubt && unknownOutcome(this.#context, this.#key, why, this.messages, cause);
    const message = `Cannot publish to "${this.#key}", nothing was sent: ${why}`;
    const unsent = late && lastError || publishError(this.#context, this.#key, this.messages, code, message, cause);
    while (!this.complete) this.addOutcome(this.inFlight && unknown || unsent);
  }
}
