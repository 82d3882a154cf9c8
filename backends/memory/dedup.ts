/**
 * Recognizes messages that were sent before: by ids that publishers chose, for a time, and by whole batches, for as long as
 * a reply may be late.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../../core/driver.ts";

/** The number of batches to remember at least: one whose reply was lost is sent again within seconds. */
const BATCHES_KEPT = 1_024;

/** The result of a message that was added. */
export const ADDED: SendResult = Object.freeze({ outcome: "added" });

/** Remembers ids for a window of time. */
export class Dedup {
  readonly #until: Map<string, number> = new Map();
  /** Results by the name of the batch; `undefined` where every message was added. */
  #batches: Map<string, SendResult[] | undefined> = new Map();
  /** Those before them. Dropped together, which is several times cheaper than one at a time. */
  #older: Map<string, SendResult[] | undefined> = new Map();

  /** Tells whether an id is remembered. */
  has(id: string, now: number): boolean {
    const until = this.#until.get(id);
    return until !== undefined && until > now;
  }

  /** Remembers an id. */
  add(id: string, now: number, windowMs: number): void {
    // The oldest ids stand first in a Map. Expired ones are removed as new ones come.
    for (const [old, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(old);
    }
    this.#until.delete(id);
    this.#until.set(id, now + windowMs);
  }

  /** Returns the results of this very batch, where it was sent before. */
  answered(messages: readonly DriverMessage[]): SendResult[] | undefined {
    const name = batchName(messages);
    if (name === undefined) return undefined;
    const batches = this.#batches.has(name) ? this.#batches : this.#older;
    return batches.has(name) ? batches.get(name) ?? messages.map(() => ADDED) : undefined;
  }

  /** Remembers the results of a batch. */
  answer(messages: readonly DriverMessage[], results: SendResult[]): void {
    const name = batchName(messages);
    if (name === undefined) return;
    this.#batches.set(name, results.every((result) => result === ADDED) ? undefined : results);
    if (this.#batches.size < BATCHES_KEPT) return;
    this.#older = this.#batches;
    this.#batches = new Map();
  }
}

/** Returns the first generated id, which no other batch has. */
function batchName(messages: readonly DriverMessage[]): string | undefined {
  for (const message of messages) if (!message.explicitId) return message.id;
  return undefined;
}
