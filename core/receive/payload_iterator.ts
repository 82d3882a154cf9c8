/**
 * The iterator behind `consume`: asking for the next payload acknowledges the one before.
 *
 * @module
 */
import type { LeasedDelivery } from "./delivery.ts";
import type { JsonObject } from "../protocol.ts";
import type { Subscription } from "./subscription.ts";

/** Hands out payloads and settles them by the steps of the loop. */
export class PayloadIterator implements AsyncIterableIterator<JsonObject, undefined> {
  readonly #subscription: Subscription<JsonObject>;
  /** The deliveries in hand: one, unless a loop asks for several at once. */
  #inHand: LeasedDelivery[] = [];

  /** @param subscribe Creates the subscription, given how a delivery becomes a payload. */
  constructor(subscribe: (give: (delivery: LeasedDelivery) => JsonObject) => Subscription<JsonObject>) {
    this.#subscription = subscribe((delivery) => {
      this.#inHand.push(delivery);
      return delivery.payload;
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<JsonObject, undefined>> {
    for (let delivery = this.#inHand.pop(); delivery; delivery = this.#inHand.pop()) delivery.ackSoon();
    return this.#subscription.next();
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    const released = this.#inHand.splice(0).map((delivery) => delivery.release());
    const [result] = await Promise.all([this.#subscription.return(), ...released]);
    return result;
  }

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }
}
