/**
 * One call of publish or publishBatch on its way: what became of each message, and who is to be told.
 *
 * @module
 */
import type { DriverMessage } from "./driver.ts";
import { PublishError } from "./errors.ts";
import type { PublishReceipt } from "./protocol.ts";

/** See the module. */
export class Parcel {
  /** So many messages were handed to a send. */
  taken = 0;
  /** So many have an outcome. */
  answered = 0;
  /** Settled for the caller; what the broker still answers is of no interest. */
  over = false;
  /** Some message of it may have reached the broker without an answer. */
  inDoubt = false;
  lastError: PublishError | undefined;
  readonly outcomes: (PublishReceipt | PublishError)[];
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (receipts: PublishReceipt[]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #onAbort: () => void;
  #refused = false;

  /** Messages, when they came, how long somebody waits for them, and how that ends. */
  constructor(
    readonly messages: readonly DriverMessage[],
    readonly startedAt: number,
    readonly deadline: number,
    signal: AbortSignal | undefined,
    resolve: (receipts: PublishReceipt[]) => void,
    reject: (error: unknown) => void,
    onAbort: (reason: unknown) => void,
  ) {
    this.outcomes = new Array(messages.length);
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onAbort = () => onAbort(signal?.reason);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** One message is in the queue. */
  confirm(i: number, receipt: PublishReceipt): void {
    if (!this.over) this.outcomes[i] = receipt; // else the caller has the outcomes already
  }

  /** One message is not, or may not be. */
  refuse(i: number, error: PublishError): void {
    if (this.over) return;
    this.outcomes[i] = error;
    this.#refused = true;
  }

  /** As `refuse`, for those before `end` that have no outcome. */
  fill(end: number, error: PublishError): void {
    for (let i = 0; i < end; i++) if (this.outcomes[i] === undefined) this.refuse(i, error);
  }

  /** Ends it as a whole: nothing of it is in the queue. */
  reject(error: unknown): void {
    this.#end();
    this.#reject(error);
  }

  /** Ends it by its outcomes. */
  finish(about: { readonly backend: string; readonly key: string }): void {
    if (this.over) return;
    this.#end();
    const { outcomes } = this;
    if (!this.#refused) return this.#resolve(outcomes as PublishReceipt[]);
    const errors = outcomes.filter((outcome) => outcome instanceof PublishError);
    // What may be there has the last word: whoever reads the code alone must not take it for gone.
    const error = errors.find(({ code }) => code === "unknown-outcome") ?? errors[0]!;
    if (outcomes.length === 1) return this.#reject(error);
    const message = `${errors.length} of ${outcomes.length} messages were not confirmed: ${error.message}`;
    this.#reject(new PublishError(error.code, message, { ...about, cause: error, outcomes }));
  }

  #end(): void {
    this.over = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
