/**
 * Messages that a channel holds: pushed by the broker, and not settled. A lease that nobody renews is given back.
 *
 * @module
 */
import type { AmqpMessage } from "./client.ts";

/** How a message stands that the broker has pushed and nobody has settled. */
export type HeldState = "buffered" | "leased" | "settled" | "lost";

/** The consumer that holds a message on its channel. */
export interface Holder {
  /** The queue's name. */
  readonly queue: string;
  /** Acknowledges messages, and resolves when the broker has read that. */
  acknowledge(batch: readonly Held[]): Promise<void>;
  /** Gives messages back at once; the broker counts the delivery. */
  requeue(batch: readonly Held[]): void;
  /** Makes a lease end later. */
  extend(held: Held, leaseMs: number): boolean;
  /** Takes no more until it is asked again. */
  pause(): Promise<void>;
}

/** One message that a channel holds. */
export interface Held {
  readonly consumer: Holder;
  /** Which of the consumer's subscriptions brought it. */
  readonly subscription: number;
  readonly message: AmqpMessage;
  state: HeldState;
  /** Milliseconds by `performance.now()` at which it was handed out. */
  leasedAt: number;
  /** Milliseconds by `performance.now()` at which its lease ends. */
  leasedUntil: number;
  /** A settlement of it is under way: its lease ends afterwards. */
  settling: boolean;
}

/** Acknowledges messages of several consumers. */
export async function acknowledge(held: readonly Held[]): Promise<void> {
  const consumers = new Set(held.map(({ consumer }) => consumer));
  await Promise.all(
    [...consumers].map((consumer) =>
      consumer.acknowledge(consumers.size === 1 ? held : held.filter((one) => one.consumer === consumer))
    ),
  );
}

/** The longest timer of the platforms, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds until a lease is looked at again whose settlement is under way. */
const SETTLING_MS = 20;

/** One timer for all leases of a consumer, set for the earliest. */
export class LeaseTimer {
  readonly #held: () => Iterable<Held>;
  readonly #expire: (over: readonly Held[]) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #at = Infinity;
  #stopped = false;

  /** Calls `expire` with those of `held` whose lease has ended. */
  constructor(held: () => Iterable<Held>, expire: (over: readonly Held[]) => void) {
    this.#held = held;
    this.#expire = expire;
  }

  /** Looks at `at`, in milliseconds by `performance.now()`, unless it looks sooner. */
  arm(at: number): void {
    if (at >= this.#at || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#at = at;
    this.#timer = setTimeout(() => this.#look(), Math.min(Math.max(at - performance.now(), 0), MAX_TIMER_MS));
  }

  /** Looks no more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #look(): void {
    this.#at = Infinity;
    const now = performance.now();
    let next = Infinity;
    const over: Held[] = [];
    for (const held of this.#held()) {
      if (held.state !== "leased") continue;
      if (held.leasedUntil > now) next = Math.min(next, held.leasedUntil);
      else if (held.settling) next = Math.min(next, now + SETTLING_MS);
      else over.push(held);
    }
    this.#expire(over);
    if (next < Infinity) this.arm(next);
  }
}
