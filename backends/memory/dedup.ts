/**
 * What was sent before: ids that publishers chose, for a time, and whole batches, for as long as a reply may be late.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../../core/driver.ts";

/** A batch whose reply was lost is sent again within seconds; so many later ones are remembered beside it. */
const BATCHES_KEPT = 1_024;

/** What is answered for a message that was added. */
export const ADDED: SendResult = Object.freeze({ outcome: "added" });

/** Remembers ids for a window of time. */
export class Dedup {
  readonly #until: Map<string, number> = new Map();
  /** By the batch's name; `undefined` where all of it was added. */
  readonly #batches: Map<string, SendResult[] | undefined> = new Map();

  /** Whether an id is remembered. */
  has(id: string, now: number): boolean {
    const until = this.#until.get(id);
    return until !== undefined && until > now;
  }

  /** Remembers an id. */
  add(id: string, now: number, windowMs: number): void {
    // The oldest stand first in a Map; what has run out goes as new ones come.
    for (const [old, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(old);
    }
    this.#until.delete(id);
    this.#until.set(id, now + windowMs);
  }

  /** What became of this very batch, where it was sent before. */
  answered(messages: readonly DriverMessage[]): SendResult[] | undefined {
    const name = batchName(messages);
    if (name === undefined || !this.#batches.has(name)) return undefined;
    return this.#batches.get(name) ?? messages.map(() => ADDED);
  }

  /** Remembers what became of a batch. */
  answer(messages: readonly DriverMessage[], results: SendResult[]): void {
    const name = batchName(messages);
    if (name === undefined) return;
    this.#batches.set(name, results.every((result) => result === ADDED) ? undefined : results);
    if (this.#batches.size <= BATCHES_KEPT) return;
    const [oldest] = this.#batches.keys();
    this.#batches.delete(oldest!);
  }
}

/** The first id that was made: no other batch has it. */
function batchName(messages: readonly DriverMessage[]): string | undefined {
  for (const message of messages) if (!message.explicitId) return message.id;
  return undefined;
}
