/**
 * How far ahead of its handlers a consumer fetches.
 *
 * @module
 */

/** Deliveries that a new consumer asks for at first. */
const FIRST_FETCH = 16;

/** Milliseconds between two fetches below which handlers count as fast. */
const FAST_MS = 50;

/** Grows while handlers are fast, up to the consumer's `prefetch`, and shrinks when leases end before their turn. */
export class PrefetchWindow {
  readonly #prefetch: number;
  #size: number;
  #fetchedAt = 0;
  /** Deliveries handed out since the last fetch. */
  #handedOut = 0;

  /**
   * @param prefetch The most unsettled deliveries of the consumer.
   * @param maxPerOrderingKey The most messages of one turn: a first fetch must not cut a turn short.
   */
  constructor(prefetch: number, maxPerOrderingKey = 1) {
    this.#prefetch = prefetch;
    this.#size = Math.min(prefetch, Math.max(FIRST_FETCH, maxPerOrderingKey));
  }

  /**
   * Returns how many deliveries to fetch now; 0 or less: none.
   *
   * @param unsettled How many the consumer has not settled.
   * @param buffered How many of those wait to be handed out.
   * @param waiting Whether the consumer waits for one.
   */
  room(unsettled: number, buffered: number, waiting: boolean): number {
    // Half-full: asking for a few at a time would cost a round trip each.
    if (!waiting && buffered > this.#size / 2) return 0;
    return Math.min(this.#prefetch - unsettled, this.#size - buffered);
  }

  /** Notes that a delivery was handed out. */
  handOut(): void {
    this.#handedOut += 1;
  }

  /**
   * Starts counting anew after a fetch, before its deliveries are handed out. Grows when a full batch arrived and the
   * consumer waited for it, or had drained half of the window within `FAST_MS`.
   */
  fetched(full: boolean, waiting: boolean, now: number): void {
    const fast = now - this.#fetchedAt < FAST_MS && this.#handedOut >= this.#size / 2;
    if (full && (waiting || fast)) this.#size = Math.min(this.#size * 2, this.#prefetch);
    this.#handedOut = 0;
    this.#fetchedAt = now;
  }

  /** Halves the window: handlers fall behind their leases. */
  shrink(): void {
    this.#size = Math.max(1, Math.floor(this.#size / 2));
  }
}
