/**
 * What the broker pushes to one consumer: kept until it is asked for, leased when it is handed out, given back when
 * nobody renews it.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import type { AmqpChannel, AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import { toQueueError } from "./errors.ts";
import { type Held, type Holder, LeaseTimer } from "./held.ts";
import { brokerCountOf, expiryOf } from "./messages.ts";
import { LOOK_MS, QueueSubscription } from "./subscription.ts";

/** Redeliveries after which a message is copied anew: from RabbitMQ 4 on, a queue drops it at its delivery limit of 20. */
const REFRESH_AT = 8;

/** Looks after which a queue whose messages go to others counts as empty for us. */
const MAX_LOOKS = 25;

/** Milliseconds after which a consumer that nobody asks takes no more, and gives back what it has not handed out. */
const IDLE_MS = 100;

/** The most messages that are asked for by name; more are worth a subscription. */
const MAX_GETS = 16;

/** The subscription of a message that was asked for. */
const NO_SUBSCRIPTION = -1;

/** What a consumer asks of the driver. */
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
  /** By delivery tag, the oldest first. */
  readonly #held: Map<number, Held> = new Map();
  readonly #leases: LeaseTimer = new LeaseTimer(() => this.#held.values(), (over) => this.requeue(over));
  #buffer: Held[] = [];
  /** Calls that wait for messages. */
  #asking = 0;
  /** The queue was long when it was last asked. */
  #deep = false;
  /** The latest release. */
  #givingBack: Promise<void> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
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
    channel.on("error", (error: unknown) => this.#lose(toQueueError(error)));
    channel.on("close", () => this.#lose(connection.lost ?? new QueueError("connection", "the channel was closed")));
  }

  /** Opens the channel. */
  static async open(connection: Connection, queue: string, actions: ConsumerActions): Promise<PushConsumer> {
    return new PushConsumer(connection, await connection.openChannel(), queue, actions);
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
   * until it is certain that there is none.
   */
  async receive(
    { max, leaseMs, waitMs, signal }: {
      readonly max: number;
      readonly leaseMs: number;
      readonly waitMs: number;
      readonly signal: AbortSignal;
    },
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
        if (!subscription.serves(max)) {
          this.#deep = false;
          await this.#subscribe(max);
          continue;
        }
        const left = until - performance.now();
        if (waitMs > 0 && left <= 0) return [];
        if (subscription.full) {
          // What is being acknowledged makes room; where nothing is, a subscription of its own does.
          await subscription.arrival(LOOK_MS, signal);
          if (this.#buffer.length === 0 && subscription.full) await this.#subscribe(max, true);
          continue;
        }
        if (waitMs === 0 && (looks > MAX_LOOKS || await subscription.ready() === 0 && this.#buffer.length === 0)) {
          await this.pause(); // what comes from now on is for who asks then
          if (this.#buffer.length > 0) continue;
          return [];
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
    this.#closeWhenDone();
  }

  requeue(batch: readonly Held[]): void {
    for (const held of batch) {
      if (held.state === "settled" || held.state === "lost") continue;
      if (!this.#closed) this.#reject(held);
      this.#settle(held, "lost");
    }
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
    return this.#ending ??= this.#end();
  }

  /** Gives everything back and closes the channel. */
  async close(): Promise<void> {
    await this.end();
    this.requeue([...this.#held.values()]);
    this.#closeChannel();
  }

  #ask(): void {
    this.#asking += 1;
    clearTimeout(this.#idleTimer);
  }

  #asked(): void {
    this.#asking -= 1;
    if (this.#asking === 0 && !this.#closed) this.#idleTimer = setTimeout(() => void this.#rest(), IDLE_MS);
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idleTimer);
    await this.#rest();
    this.#closeWhenDone();
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

  #subscribe(max: number, anew = false): Promise<void> {
    return this.#subscription.subscribe(max, { anew, wanted: () => this.#buffer.length === 0 && !this.#ending });
  }

  #onMessage(message: AmqpMessage, subscription: number): void {
    const held: Held = {
      consumer: this,
      subscription,
      message,
      state: "buffered",
      leasedUntil: Infinity,
      settling: false,
    };
    this.#held.set(message.fields.deliveryTag, held);
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
    const taken = this.#buffer.slice(0, max).filter(({ state }) => state === "buffered");
    this.#buffer = this.#buffer.slice(max);
    const leasedUntil = performance.now() + leaseMs;
    for (const held of taken) {
      held.state = "leased";
      held.leasedUntil = leasedUntil;
    }
    if (taken.length > 0) this.#leases.arm(leasedUntil);
    return taken;
  }

  #lose(error: QueueError): void {
    if (this.#closed) return;
    this.#stop();
    for (const held of this.#held.values()) if (held.state !== "settled") held.state = "lost";
    this.#held.clear();
    this.#buffer = [];
    this.lost ??= error.code === "invalid" ? new QueueError("unavailable", error.message, { cause: error }) : error;
    this.#subscription.wake();
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

  #closeWhenDone(): void {
    if (this.#ending && this.#held.size === 0) this.#closeChannel();
  }

  #closeChannel(): void {
    if (this.#closed) return;
    this.#stop();
    void Promise.resolve().then(() => this.#channel.close()).catch(() => undefined); // it is closed with its connection
  }

  #stop(): void {
    this.#closed = true;
    this.#leases.stop();
    clearTimeout(this.#idleTimer);
    this.#subscription.close();
    this.#actions.onClosed(this);
  }
}
