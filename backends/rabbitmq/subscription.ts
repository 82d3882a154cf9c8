/**
 * A subscription at the broker, for as many messages as are asked for. It is ended only when the broker has nothing to push,
 * or has pushed all that it may: what it assigns to a subscription that ends goes back counted.
 *
 * @module
 */
import type { AmqpChannel, AmqpMessage } from "./client.ts";

/** The most unsettled messages of a subscription: a short number of AMQP. */
const MAX_PREFETCH = 65_535;

/** Milliseconds between two looks whether the broker has messages that it does not push. */
export const LOOK_MS = 20;

/** How many times as many messages a subscription is for whose handlers are fast. */
const GROWTH = 4;

/** Milliseconds in which all that may be unsettled is settled where the handlers are fast. */
const FAST_MS = 50;

/**
 * Looks after which a subscription that is to end is not filled any more: some seconds, since a quorum queue makes room only
 * when an acknowledgement is on its disk.
 */
const MAX_FILL_LOOKS = 250;

/** Takes the events of a subscription. */
export interface SubscriptionEvents {
  /** Gets a message, and the number of the subscription that brought it. */
  onMessage(message: AmqpMessage, subscription: number): void;
  /** The broker has ended the subscription: the queue is gone. */
  onGone(): void;
}

/** The subscriptions of one consumer, one after the other. */
export class QueueSubscription {
  readonly #channel: AmqpChannel;
  readonly #queue: string;
  readonly #events: SubscriptionEvents;
  readonly #waiters: Set<() => void> = new Set();
  /** The subscription's name at the broker; `undefined`: there is none. */
  #tag: string | undefined;
  #number = 0;
  /** The most unsettled messages of the subscription, and how many it has. */
  #prefetch = 1;
  #unsettled = 0;
  /** How many were settled since {@link #countedAt}, and whether the broker had to wait for that. */
  #settled = 0;
  #countedAt = 0;
  #waited = false;
  #fast = false;
  /** Subscribing or unsubscribing, one after the other. */
  #changing: Promise<void> = Promise.resolve();
  /** Settles when the subscription that is being ended has ended. */
  #ending: Promise<void> | undefined;
  #closed = false;

  /** On a channel that nothing else subscribes on. */
  constructor(channel: AmqpChannel, queue: string, events: SubscriptionEvents) {
    this.#channel = channel;
    this.#queue = queue;
    this.#events = events;
  }

  /** There is one. */
  get active(): boolean {
    return this.#tag !== undefined;
  }

  /** The broker has pushed all that it may until something is settled. */
  get full(): boolean {
    return this.#unsettled >= this.#prefetch;
  }

  /** Whether the subscription allows `count` unsettled messages, or at least half of them: a new subscription is costly. */
  serves(count: number): boolean {
    return this.#tag !== undefined && count < 2 * this.#prefetch;
  }

  /** The most unsettled messages of a subscription for handlers as fast as they are, who ask for `max`. */
  reach(max: number): number {
    if (this.#tag === undefined) return max;
    return Math.max(max, this.#fast ? GROWTH * this.#prefetch : this.#prefetch);
  }

  /**
   * Subscribes for `count` messages, where no subscription serves them or `anew` asks for a new one. `wanted` says how
   * many of them are wanted when the one before has ended.
   */
  subscribe(count: number, { anew, wanted }: { readonly anew: boolean; wanted(): number }): Promise<void> {
    return this.#change(async () => {
      if (this.serves(count) && !anew || this.#closed) return;
      await this.#unsubscribe();
      const left = wanted();
      if (left <= 0) return;
      const number = ++this.#number;
      this.#prefetch = Math.min(left, MAX_PREFETCH);
      this.#unsettled = 0;
      this.#fast = false;
      this.#count();
      // Asked for together, so that no other setting of the prefetch comes between the two.
      const [, { consumerTag }] = await Promise.all([
        this.synchronize(),
        this.#channel.consume(this.#queue, (message) => this.#onMessage(message, number), { noAck: false }),
      ]);
      this.#tag = consumerTag;
    });
  }

  /** Ends the subscription. What the broker has pushed has come then. */
  async pause(): Promise<void> {
    await this.#change(() => this.#unsubscribe()).catch(() => undefined); // the channel is gone, and all with it
  }

  /** Waits where the subscription is being ended: what makes room now would be filled, and never come. */
  async settleable(): Promise<void> {
    await this.#ending;
  }

  /** A message of a subscription was settled. */
  settled(subscription: number): void {
    if (subscription !== this.#number) return;
    this.#unsettled -= 1;
    if (++this.#settled < this.#prefetch) return;
    if (this.#waited && performance.now() - this.#countedAt < FAST_MS) this.#fast = true;
    this.#count();
  }

  /** Messages in the queue that the broker has not pushed to anybody. What it has pushed to us before has come. */
  async ready(): Promise<number> {
    const { messageCount } = await this.#channel.checkQueue(this.#queue);
    await this.synchronize();
    return messageCount;
  }

  /** A round trip on the channel: what was sent before it has been read. */
  async synchronize(): Promise<void> {
    await this.#channel.prefetch(this.#prefetch);
  }

  /** Resolves when something has come or {@link wake} was called, the time is up or the signal aborts. */
  async arrival(ms: number, signal?: AbortSignal): Promise<void> {
    let over = () => {};
    const arrived = new Promise<void>((resolve) => over = resolve);
    const timer = setTimeout(over, ms);
    this.#waiters.add(over);
    signal?.addEventListener("abort", over, { once: true });
    await arrived;
    clearTimeout(timer);
    this.#waiters.delete(over);
    signal?.removeEventListener("abort", over);
  }

  /** Ends every wait. */
  wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** The channel is gone, or closed. */
  close(): void {
    this.#closed = true;
    this.wake();
  }

  #count(): void {
    this.#settled = 0;
    this.#countedAt = performance.now();
    this.#waited = false;
  }

  /** One after the other. */
  #change(change: () => Promise<void>): Promise<void> {
    const changed = this.#changing.then(change);
    this.#changing = changed.catch(() => undefined); // told to who asked
    return changed;
  }

  async #unsubscribe(): Promise<void> {
    if (this.#tag === undefined || this.#closed) return;
    const ended = Promise.withResolvers<void>();
    this.#ending = ended.promise;
    try {
      await this.#fill();
      const tag = this.#tag;
      this.#tag = undefined;
      if (tag === undefined || this.#closed) return;
      const number = this.#number;
      await this.#channel.cancel(tag);
      // Messages that a classic queue had sent by then arrive after this reply and before the next one.
      this.#channel.registerConsumer?.(tag, (message) => this.#onMessage(message, number));
      await this.synchronize();
    } finally {
      this.#ending = undefined;
      ended.resolve();
    }
  }

  /** Waits until the broker has nothing more to push. */
  async #fill(): Promise<void> {
    for (let looks = 0; looks < MAX_FILL_LOOKS && !this.full; looks++) {
      if (await this.ready() === 0) return;
      if (!this.full) await this.arrival(LOOK_MS);
    }
  }

  #onMessage(message: AmqpMessage | null, subscription: number): void {
    if (message === null) {
      this.#tag = undefined;
      return this.#events.onGone();
    }
    if (subscription === this.#number) {
      this.#unsettled += 1;
      if (this.full) this.#waited = true;
    }
    this.#events.onMessage(message, subscription);
  }
}
