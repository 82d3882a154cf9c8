/**
 * Leases by the driver's own clock: JetStream has one time for all deliveries of a consumer, and knows no leases.
 *
 * @module
 */
import type { Clock } from "@slack-mcp/queue/driver";

/** One delivery in hand. */
export interface Lease {
  /** Where acknowledgements of this delivery go. */
  readonly reply: string;
  readonly key: string;
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly id: string;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly attempts: number;
  readonly publishedAt: number;
  /** Epoch milliseconds. */
  until: number;
  /** When the server last heard of it. */
  touchedAt: number;
}

/** Keeps leases that are longer than the server's own time, and knows which have run out. */
export class Leases {
  readonly #held: Set<Lease> = new Set();
  readonly #clock: Clock;
  readonly #ackWaitMs: number;
  readonly #touch: (lease: Lease) => void;
  #timer: unknown;

  /** Calls `touch` for each lease that the server must hear of. */
  constructor(clock: Clock, ackWaitMs: number, touch: (lease: Lease) => void) {
    this.#clock = clock;
    this.#ackWaitMs = ackWaitMs;
    this.#touch = touch;
  }

  /** Takes a lease into care. */
  add(lease: Lease): void {
    this.#held.add(lease);
    this.#arm();
  }

  /** Whether the lease is still this consumer's, by this clock. */
  has(lease: Lease): boolean {
    if (this.#held.has(lease) && lease.until <= this.#clock.now()) this.#held.delete(lease);
    return this.#held.has(lease);
  }

  /** Lets go of a lease. */
  remove(lease: Lease): void {
    this.#held.delete(lease);
  }

  /** Lets go of all, and stops the timer. */
  clear(): void {
    this.#held.clear();
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined;
      const now = this.#clock.now();
      for (const lease of this.#held) {
        if (lease.until <= now) {
          this.#held.delete(lease);
        } else if (lease.touchedAt + this.#ackWaitMs < lease.until && now - lease.touchedAt >= this.#ackWaitMs / 3) {
          lease.touchedAt = now;
          this.#touch(lease);
        }
      }
      if (this.#held.size > 0) this.#arm();
    }, this.#ackWaitMs / 6);
  }
}
