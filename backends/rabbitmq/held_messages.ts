/**
 * The messages that a channel holds, from the moment in which the broker pushes them until they are settled or lost.
 *
 * @module
 */
import type { AmqpChannel, AmqpMessage } from "./client.ts";
import { type Held, type Holder, LeaseTimer } from "./held.ts";
import type { QueueSubscription } from "./subscription.ts";

/** Milliseconds after which a handler counts as slow. */
const SLOW_MS = 500;

/** The unsettled messages of one channel. */
export class HeldMessages {
  readonly #channel: AmqpChannel;
  readonly #subscription: QueueSubscription;
  /** By delivery tag, the oldest first. */
  readonly #held: Map<number, Held> = new Map();
  readonly #leases: LeaseTimer;
  #closed = false;

  /** Of a channel with a subscription. `onOver` is called with those whose lease has ended. */
  constructor(channel: AmqpChannel, subscription: QueueSubscription, onOver: (over: readonly Held[]) => void) {
    this.#channel = channel;
    this.#subscription = subscription;
    this.#leases = new LeaseTimer(() => this.#held.values(), onOver);
  }

  /** How many there are. */
  get size(): number {
    return this.#held.size;
  }

  /** Handlers keep half of them for long. */
  get slow(): boolean {
    const before = performance.now() - SLOW_MS;
    let count = 0;
    for (const { leasedAt, settling } of this.#held.values()) if (!settling && leasedAt < before) count += 1;
    return count > this.#held.size / 2;
  }

  /** One of them is being settled. */
  get settling(): boolean {
    return this.#held.values().some(({ settling }) => settling);
  }

  /** All of them, the oldest first. */
  all(): Held[] {
    return [...this.#held.values()];
  }

  /** Adds a message that a subscription has brought. */
  add(consumer: Holder, message: AmqpMessage, subscription: number): Held {
    const [leasedAt, leasedUntil] = [Infinity, Infinity];
    const held: Held = { consumer, subscription, message, state: "buffered", leasedAt, leasedUntil, settling: false };
    this.#held.set(message.fields.deliveryTag, held);
    return held;
  }

  /** Begins the leases of messages that are handed out. */
  lease(taken: readonly Held[], leaseMs: number): void {
    const leasedAt = performance.now();
    const leasedUntil = leasedAt + leaseMs;
    for (const held of taken) {
      held.state = "leased";
      held.leasedAt = leasedAt;
      held.leasedUntil = leasedUntil;
    }
    if (taken.length > 0) this.#leases.arm(leasedUntil);
  }

  /** Makes a lease end later. */
  extend(held: Held, leaseMs: number): boolean {
    if (held.state !== "leased") return false;
    held.leasedUntil = performance.now() + leaseMs;
    this.#leases.arm(held.leasedUntil);
    return true;
  }

  /** Acknowledges messages, in as few frames as can be. What is lost before comes again. */
  async acknowledge(batch: readonly Held[]): Promise<void> {
    await this.#subscription.settleable();
    const wanted = new Map<number, Held>();
    for (const held of batch) if (held.state !== "lost") wanted.set(held.message.fields.deliveryTag, held);
    if (this.#closed || wanted.size === 0) return;
    batch = [...wanted.values()];
    let last: Held | undefined;
    let run = 0;
    for (const [tag, held] of this.#held) {
      if (!wanted.has(tag)) break;
      last = held;
      run += 1;
    }
    try {
      if (last && run > 1) {
        this.#channel.ack(last.message, true);
        for (const held of batch) {
          if (held.message.fields.deliveryTag <= last.message.fields.deliveryTag) {
            wanted.delete(held.message.fields.deliveryTag);
          }
        }
      }
      for (const held of wanted.values()) this.#channel.ack(held.message);
      await this.#subscription.synchronize();
    } catch {
      return; // the channel is gone: all that it held is lost by now
    }
    for (const held of batch) this.#settle(held, "settled");
  }

  /** Gives messages back at once; the broker counts the delivery. */
  requeue(batch: readonly Held[]): void {
    for (const held of batch) {
      if (held.state === "settled" || held.state === "lost") continue;
      if (!this.#closed) this.#reject(held);
      this.#settle(held, "lost");
    }
  }

  /** The channel is gone, and all with it. */
  lose(): void {
    for (const held of this.#held.values()) if (held.state !== "settled") held.state = "lost";
    this.#held.clear();
  }

  /** The channel is closed, or about to be: nothing can be settled any more. */
  close(): void {
    this.#closed = true;
    this.#leases.stop();
  }

  #reject(held: Held): void {
    try {
      this.#channel.reject(held.message, true);
    } catch {
      // The channel is being closed, which gives it back too.
    }
  }

  #settle(held: Held, state: "settled" | "lost"): void {
    held.state = state;
    this.#held.delete(held.message.fields.deliveryTag);
    this.#subscription.settled(held.subscription);
  }
}
