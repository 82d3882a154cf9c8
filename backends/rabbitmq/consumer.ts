/**
 * Messages that the broker pushes to one consumer: kept until asked for, leased when handed out, given back when
 * nobody renews it.
 *
 * @module
 */
import type { DriverReceiveOptions } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import type { AmqpChannel, AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import { toQueueError } from "./errors.ts";
import type { Held, Holder } from "./held.ts";
import { HeldMessages } from "./held_messages.ts";
import { IdleTimer } from "./idle_timer.ts";
import { brokerCountOf, expiryOf } from "./messages.ts";
import { LOOK_MS, QueueSubscription } from "./subscription.ts";

/** Redeliveries after which a message is copied anew: from RabbitMQ 4 on, a queue drops it at its delivery limit of 20. */
const REFRESH_AT = 8;

/** Looks after which a queue whose messages go to others counts as empty for us. */
const MAX_LOOKS = 25;

/** The most messages that are asked for by name; more are worth a subscription. */
const MAX_GETS = 16;

/** The subscription of a message that was asked for. */
const NO_SUBSCRIPTION = -1;

/** The driver, as a consumer sees it. */
export interface ConsumerActions {
  /** Copies these to the end of the queue, uncounted, and settles them here; what cannot be copied is requeued. */
  release(held: readonly Held[]): Promise<void>;
  /** The queue is gone: it must be declared anew. */
  onGone(): void;
  /** The consumer holds nothing any more and never will. */
  onClosed(consumer: PushConsumer): void;
}

/**
 * A consumer on a channel of its own. It is subscribed while somebody asks, for as many messages as are asked for, so that
 * what nobody is ready for stays in the queue for others.
 */
export class PushConsumer implements Holder {
  readonly queue: string;
  /** Why no more comes: the channel, the connection or the queue is gone. */
  lost: QueueError | undefined;
  readonly #channel: AmqpChannel;
  readonly #actions: ConsumerActions;
  readonly #subscription: QueueSubscription;
  readonly #held: HeldMessages;
  #buffer: Held[] = [];
  /** Calls that wait for messages. */
  #asking = 0;
  /** The queue was long when it was last asked. */
  #deep = false;
  /** The latest release. */
  #givingBack: Promise<void> | undefined;
  readonly #idleTimer: IdleTimer = new IdleTimer(() => this.#onIdle());
  #ending: Promise<void> | undefined;
  #closed = false;

  private constructor(connection: Connection, channel: AmqpChannel, queue: string, actions: ConsumerActions) {
    this.#channel = channel;
    this.queue = queue;
    this.#actions = actions;
    this.#subscription = new QueueSubscription(channel, queue, {
      onMessage: (message, subscription) => this.#onMessage(message, subscription),
      onGone: () => this.gone(),
    });
    this.#held = new HeldMessages(channel, this.#subscription, (over) => this.requeue(over));
    channel.on("close", (error) => this.#lose(connection.lost ?? toQueueError(error)));
  }

  /** Opens the channel. */
  static async open(connection: Connection, queue: string, actions: ConsumerActions): Promise<PushConsumer> {
    return new PushConsumer(connection, await connection.openChannel(), queue, actions);
  }

  /** It holds nothing any more and never will. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Messages that were pushed and not asked for yet. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /** Somebody waits for messages. */
  get asking(): boolean {
    return this.#asking > 0;
  }

  /** Messages that were handed out and not settled. */
  get leased(): number {
    return this.#held.size - this.#buffer.length;
  }

  /**
   * Hands out up to `max` messages under a lease; waits for the first for `waitMs` milliseconds, and where that is 0
   * until it is certain that there is none. It holds no more than `prefetch` at any time.
   */
  async receive(
    { max, prefetch, leaseMs, waitMs, signal }: Omit<DriverReceiveOptions, "group" | "consumer">,
  ): Promise<Held[]> {
    this.#ask();
    const subscription = this.#subscription;
    try {
      const until = performance.now() + waitMs;
      for (let looks = 0; !signal.aborted; looks++) {
        const taken = this.#take(max, leaseMs);
        if (taken.length > 0) return taken;
        if (this.lost) throw this.lost;
        if (waitMs === 0 && !subscription.active && !this.#deep) {
          if (!await this.#get(max)) return [];
          continue;
        }
        // A held message counts until the broker has read that it is settled.
        const room = () => (prefetch ?? max + this.leased) - this.#held.size;
        const count = Math.max(max, Math.min(subscription.reach(max), room()));
        const wanted = () => this.#ending ? 0 : Math.min(count - this.#buffer.length, room());
        if (!subscription.serves(count)) {
          this.#deep = false;
          await subscription.subscribe(count, { anew: false, wanted });
          if (subscription.active || this.#buffer.length > 0) continue;
        }
        const left = until - performance.now();
        if (waitMs > 0 && left <= 0) return [];
        if (!subscription.active) {
          await subscription.arrival(LOOK_MS, signal); // there is no room: what is held must be settled first
          continue;
        }
        if (subscription.full) {
          // Settlements under way make room; where handlers keep their messages, only a new subscription does.
          const slow = this.#held.slow;
          if (!slow) await subscription.arrival(LOOK_MS, signal);
          const kept = slow || subscription.full && !this.#held.settling;
          if (this.#buffer.length === 0 && kept) await subscription.subscribe(count, { anew: true, wanted });
          continue;
        }
        if (waitMs === 0 && (looks > MAX_LOOKS || await subscription.ready() === 0 && this.#buffer.length === 0)) {
          await this.pause(); // what comes from now on is for who asks then
          if (this.#buffer.length === 0) return [];
        }
        if (this.#buffer.length === 0) await subscription.arrival(waitMs > 0 ? left : LOOK_MS, signal);
      }
      return [];
    } catch (error) {
      throw this.lost ?? toQueueError(error);
    } finally {
      this.#asked();
    }
  }

  extend(held: Held, leaseMs: number): boolean {
    return this.#held.extend(held, leaseMs);
  }

  async acknowledge(batch: readonly Held[]): Promise<void> {
    await this.#held.acknowledge(batch);
    this.#closeWhenDone();
  }

  requeue(batch: readonly Held[]): void {
    this.#held.requeue(batch);
    this.#closeWhenDone();
  }

  async pause(): Promise<void> {
    await this.#subscription.pause();
  }

  /**
   * Takes no more and gives nothing back until the returned function is called: what is given back is in the queue and in
   * hand for a moment, and would be counted twice, or not at all.
   */
  async hold(): Promise<() => void> {
    this.#ask();
    await this.pause();
    await this.#givingBack;
    return () => this.#asked();
  }

  /** The queue is gone: nothing more comes, and the next consumer declares it anew. */
  gone(): void {
    this.#actions.onGone();
    this.lost ??= new QueueError("unavailable", "the broker has cancelled the consumer: its queue is gone");
    this.#subscription.wake();
  }

  /** Takes no more: what is buffered is given back, what is leased can be settled. */
  end(): Promise<void> {
    this.#idleTimer.stop();
    return this.#ending ??= this.#rest().then(() => this.#closeWhenDone());
  }

  /** Gives everything back and closes the channel. */
  async close(): Promise<void> {
    await this.end();
    this.requeue(this.#held.all());
    this.#closeChannel();
  }

  #ask(): void {
    this.#asking += 1;
    this.#idleTimer.stop();
  }

  #asked(): void {
    this.#asking -= 1;
    if (this.#asking === 0 && !this.#closed) this.#idleTimer.start();
  }

  /** Who settles something is about to ask again, however long the broker takes. */
  #onIdle(): void {
    if (this.#held.settling) this.#idleTimer.start();
    else void this.#rest();
  }

  /** Takes no more, and gives back what was not asked for. */
  async #rest(): Promise<void> {
    await this.pause();
    if (this.#asking > 0 && !this.#ending) return;
    await this.#giveBack();
  }

  async #giveBack(): Promise<void> {
    const rest = this.#buffer;
    this.#buffer = [];
    if (this.#closed || rest.length === 0) return;
    this.#givingBack = this.#actions.release(rest);
    await this.#givingBack;
  }

  /**
   * Asks for up to `max` messages; false: there is none. A subscription in its place could be given a message in the moment
   * in which it ends, which the broker would count.
   */
  async #get(max: number): Promise<boolean> {
    const first = await this.#getOne();
    if (!first) return false;
    const more = Math.min(max - 1, first.fields.messageCount ?? 0);
    if (more > MAX_GETS) this.#deep = true;
    else await Promise.all(Array.from({ length: more }, () => this.#getOne()));
    return true;
  }

  async #getOne(): Promise<AmqpMessage | false> {
    const message = await this.#channel.get(this.queue, { noAck: false });
    if (message) this.#onMessage(message, NO_SUBSCRIPTION);
    return message;
  }

  #onMessage(message: AmqpMessage, subscription: number): void {
    const held = this.#held.add(this, message, subscription);
    if (expiryOf(message) <= Date.now()) {
      void this.acknowledge([held]);
    } else if (brokerCountOf(message) >= REFRESH_AT) {
      // Not handed out: the copy will be, with the same number of attempts.
      void this.#actions.release([held]);
    } else {
      this.#buffer.push(held);
      this.#subscription.wake();
    }
  }

  #take(max: number, leaseMs: number): Held[] {
    const taken = this.#buffer.splice(0, max).filter(({ state }) => state === "buffered");
    this.#held.lease(taken, leaseMs);
    return taken;
  }

  #lose(error: QueueError): void {
    if (this.#closed) return;
    this.#stop();
    this.#held.lose();
    this.#buffer = [];
    this.lost ??= error.code === "invalid" ? new QueueError("unavailable", error.message, { cause: error }) : error;
    this.#subscription.wake();
  }

  #closeWhenDone(): void {
    if (this.#ending && this.#held.size === 0) this.#closeChannel();
  }

  #closeChannel(): void {
    if (this.#closed) return;
    this.#stop();
    void this.#channel.close();
  }

  #stop(): void {
    this.#closed = true;
    this.#held.close();
    this.#idleTimer.stop();
    this.#subscription.close();
    this.#actions.onClosed(this);
  }
}
