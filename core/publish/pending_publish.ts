/**
 * One call of publish or publishBatch on its way: what became of each message, and what the caller is told.
 *
 * @module
 */
import type { DriverMessage } from "../driver.ts";
import { type PublishError, QueueError } from "../errors.ts";
import { type Flight, type Outcome, publishError, unknownOutcome } from "./send_batch.ts";
import type { Host } from "../context.ts";
import { tell } from "../observer.ts";
import type { PublishReceipt } from "../protocol.ts";

/** See the module. */
export class Parcel {
  /** So many messages, the first ones, were handed to a flight. */
  taken = 0;
  declare readonly messages: readonly DriverMessage[];
  /** When it came, in epoch milliseconds. */
  declare readonly startedAt: number;
  readonly #host: Host;
  readonly #key: string;
  /** Of the first so many messages, that many. */
  readonly #outcomes: Outcome[];
  #count = 0;
  #errors: PublishError[] | undefined;

  /** A parcel of messages for a key. */
  constructor(host: Host, key: string, messages: readonly DriverMessage[]) {
    this.#host = host;
    this.#key = key;
    this.messages = messages;
    this.startedAt = host.clock.now();
    this.#outcomes = new Array(messages.length);
  }

  /** Some of it is with a flight. */
  get flying(): boolean {
    return this.taken > this.#count;
  }

  /** Every message has an outcome. */
  get answered(): boolean {
    return this.#count === this.messages.length;
  }

  /** What became of the next message. */
  answer(outcome: Outcome): void {
    this.#outcomes[this.#count++] = outcome;
    if (outcome instanceof QueueError) {
      (this.#errors ??= []).push(outcome);
      return;
    }
    const { clock, driver: { name: backend }, options: { observer } } = this.#host;
    if (observer?.published) {
      const durationMs = clock.now() - this.startedAt;
      tell(observer, "published", { backend, key: this.#key, id: outcome.id, durationMs });
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
    throw publishError(this.#host, this.#key, this.messages, error.code, message, error, outcomes);
  }

  /**
   * The caller's patience is over: what has no outcome gets one, by how far it came.
   *
   * @param reason The signal's where that was `aborted`, else an error of code `"closed"` or `"timeout"`.
   * @throws The reason itself where the call was ended from outside and nothing of it can be in the queue.
   */
  giveUp(reason: unknown, aborted: boolean, flight: Flight | undefined): void {
    const { inDoubt, lastError }: Flight = this.flying && flight || {};
    const code = reason instanceof QueueError ? reason.code : "timeout";
    const late = !aborted && code === "timeout";
    if (!late && !inDoubt && !this.#count) throw reason;
    const why = aborted ? "it was aborted" : (reason as Error).message;
    const cause = late ? lastError : reason;
    const unknown = inDoubt && unknownOutcome(this.#host, this.#key, why, this.messages, cause);
    const message = `Cannot publish to "${this.#key}", nothing was sent: ${why}`;
    const unsent = late && lastError || publishError(this.#host, this.#key, this.messages, code, message, cause);
    while (!this.answered) this.answer(this.flying && unknown || unsent);
  }
}
