/**
 * The prefetched deliveries of a consumer.
 *
 * @module
 */
import type { LeasedDelivery } from "./delivery.ts";

/** Deliveries in the order in which they came. Taking one out moves no other. */
export class DeliveryBuffer {
  readonly #deliveries: LeasedDelivery[] = [];
  #head = 0;

  /** The number of deliveries, those included whose lease was lost while they waited here. */
  get length(): number {
    return this.#deliveries.length - this.#head;
  }

  /** Adds a delivery at the end. */
  push(delivery: LeasedDelivery): void {
    this.#deliveries.push(delivery);
  }

  /** Takes out the first delivery that still has its lease. */
  shift(): LeasedDelivery | undefined {
    while (this.#head < this.#deliveries.length) {
      const delivery = this.#deliveries[this.#head++]!;
      if (this.#head === this.#deliveries.length) this.#deliveries.length = this.#head = 0;
      if (!delivery.over) return delivery; // else its lease was lost while it waited here
    }
    return undefined;
  }

  /** Returns whether a delivery is here. */
  includes(delivery: LeasedDelivery): boolean {
    return this.#deliveries.includes(delivery, this.#head);
  }

  /** Forgets the places of what was taken out, so that they do not add up. */
  compact(): void {
    if (this.#head > 0) this.#deliveries.splice(0, this.#head);
    this.#head = 0;
  }
}
