/**
 * One call of publish or publishBatch on its way: what became of each message, and what the caller is told.
 *
 * @module
 */
import type { DriverMessage } from "./driver.ts";
import { PublishError, QueueError } from "./errors.ts";
import { type Flight, onlyId, type Outcome, unknownOutcome } from "./flight.ts";
import type { Host } from "./host.ts";
import { tell } from "./observer.ts";
import type { PublishReceipt } from "./protocol.ts";

/** See the module. */
export class Parcel {
  /** So many messages, the first ones, were handed to a flight. */
  taken = 0;
  readonly messages: readonly DriverMessage[];
  /** When it came, in epoch milliseconds. */
  readonly startedAt: number;
  readonly #host: Host;
  readonly #key: string;
  /** Of the first so many messages. */
  readonly #outcomes: Outcome[] = [];
  #refused = 0;
  #error: QueueError | undefined;

  /** A parcel of messages for a key. */
  constructor(host: Host, key: string, messages: readonly DriverMessage[]) {
    this.#host = host;
    this.#key = key;
    this.messages = messages;
    this.startedAt = host.clock.now();
  }

  /** Some of it is with a flight. */
  get flying(): boolean {
    return this.taken > this.#outcomes.length;
  }

  /** Every message has an outcome. */
  get answered(): boolean {
    return this.#outcomes.length === this.messages.length;
  }

  /** What became of the next message. */
  answer(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    if (outcome instanceof QueueError) {
      this.#refused += 1;
      // What may be there has the last word: whoever reads the code alone must not take it for gone.
      if (this.#error === undefined || outcome.code === "unknown-outcome") this.#error = outcome;
      return;
    }
    const { clock, driver, options: { observer } } = this.#host;
    if (observer?.published) {
      const durationMs = clock.now() - this.startedAt;
      tell(observer, "published", { backend: driver.name, key: this.#key, id: outcome.id, durationMs });
    }
  }

  /**
   * The receipts, once every message has its outcome.
   *
   * @throws {PublishError} Some were not confirmed.
   */
  receipts(): PublishReceipt[] {
    const outcomes = this.#outcomes;
    const error = this.#error;
    if (error === undefined) return outcomes as PublishReceipt[];
    // A wrong configuration, such as credentials that turn out to be no good, is not of any message.
    if (outcomes.length === 1 || error.code === "config") throw error;
    const message = `${this.#refused} of ${outcomes.length} messages were not confirmed: ${error.message}`;
    throw new PublishError(error.code, message, { ...this.#about(), cause: error, outcomes });
  }

  /**
   * The caller's patience is over: what has no outcome gets one, by how far it came.
   *
   * @param reason The signal's where that was `aborted`, else an error of code `"closed"` or `"timeout"`.
   * @throws The reason itself where the call was ended from outside and nothing of it can be in the queue.
   */
  giveUp(reason: unknown, aborted: boolean, flight: Flight | undefined): void {
    const doubt = this.flying && flight?.inDoubt;
    const lastError = this.flying ? flight?.lastError : undefined;
    const late = !aborted && reason instanceof QueueError && reason.code === "timeout";
    if (!late && !doubt && this.#outcomes.length === 0) throw reason;
    const why = aborted ? "it was aborted" : late ? "no answer came in time" : "the backend closed";
    const cause = late ? lastError : reason;
    if (doubt) {
      const error = unknownOutcome(this.#host, this.#key, why, this.messages, cause);
      while (this.flying) this.answer(error);
    }
    const code = reason instanceof QueueError ? reason.code : "timeout";
    const unsent = late && lastError ||
      new PublishError(code, `Cannot publish to "${this.#key}": ${why}, and nothing was sent`, {
        ...this.#about(),
        cause,
      });
    while (!this.answered) this.answer(unsent);
  }

  #about(): { backend: string; key: string; id: string | undefined } {
    return { backend: this.#host.driver.name, key: this.#key, id: onlyId(this.messages) };
  }
}
