/**
 * Counts that this backend object keeps of a queue, where the platform has one number for all states.
 *
 * @module
 */
import { type Clock, monotonic } from "../../core/util/clock.ts";

/** The leases and delays of one key that passed through here. */
export class Counts {
  readonly #clock: Clock;
  /** When each lease ends, by its id. */
  readonly #leases = new Map<string, number>();
  /** How many messages wait until which second: seconds, so that it stays small however many they are. */
  readonly #delayed = new Map<number, number>();

  /** Knows nothing yet. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Leases that are neither settled nor over. */
  get inFlight(): number {
    const now = monotonic(this.#clock);
    for (const [id, until] of this.#leases) if (until <= now) this.#leases.delete(id);
    return this.#leases.size;
  }

  /** Messages whose delay is not over. */
  get delayed(): number {
    const now = monotonic(this.#clock);
    let sum = 0;
    for (const [until, count] of this.#delayed) {
      if (until <= now) this.#delayed.delete(until);
      else sum += count;
    }
    return sum;
  }

  /** A message is leased until then. */
  leased(id: string, untilMs: number): void {
    this.#leases.set(id, untilMs);
  }

  /** A lease is no more. */
  settled(id: string): void {
    this.#leases.delete(id);
  }

  /** Notes that a message waits for `ms` milliseconds. */
  waits(ms: number): void {
    if (ms < 1000) return;
    const until = Math.floor((monotonic(this.#clock) + ms) / 1000) * 1000;
    this.#delayed.set(until, (this.#delayed.get(until) ?? 0) + 1);
  }
}
