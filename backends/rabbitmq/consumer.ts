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
import { brokerCountOf, expiryOf } from "./messages.ts";

/** How a message stands that the broker has pushed and nobody has settled. */
export type HeldState = "buffered" | "leased" | "settled" | "lost";

/** One message that a channel holds. */
export interface Held {
  readonly consumer: PushConsumer;
  /** Which of the consumer's subscriptions brought it. */
  readonly subscription: number;
  readonly message: AmqpMessage;
  state: HeldState;
  /** Milliseconds by `performance.now()` at which its lease ends. */
  leasedUntil: number;
  /** A settlement of it is under way: its lease ends afterwards. */
  settling: boolean;
}

/** Redeliveries after which a message is copied anew: from RabbitMQ 4 on, a queue drops it at its delivery limit of 20. */
const REFRESH_AT = 8;

/** The most unsettled messages of a subscription: a short number of AMQP. */
const MAX_PREFETCH = 65_535;

/** Milliseconds between two looks whether the queue is empty while the broker has messages that it does not push. */
const LOOK_MS = 20;

/** Looks after which a queue whose messages go to others counts as empty for us. */
const MAX_LOOKS = 25;

/** The same for a consumer that is about to leave. */
const MAX_FILL_LOOKS = 10;

/** Milliseconds after which a consumer that nobody asks takes no more, and gives back what it has not handed out. */
const IDLE_MS = 100;

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
export class PushConsumer {
  readonly queue: string;
  /** Why no more comes: the channel, the connection or the queue is gone. */
  lost: QueueError | undefined;
  readonly #channel: AmqpChannel;
  readonly #actions: ConsumerActions;
  /** By delivery tag, the oldest first. */
  readonly #held: Map<number, Held> = new Map();
  readonly #waiters: Set<() => void> = new Set();
  #buffer: Held[] = [];
  /** The subscription's name at the broker; `undefined`: there is none. */
  #tag: string | undefined;
  #subscription = 0;
  /** The most unsettled messages of the subscription, and how many it has. */
  #prefetch = 1;
  #unsettled = 0;
  /** Subscribing or unsubscribing, one after the other. */
  #changing: Promise<void> = Promise.resolve();
  /** Settles when the subscription that is being ended has ended. */
  #unsubscribing: Promise<void> | undefined;
  /** Calls that wait for messages. */
  #asking = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #leaseTimer: ReturnType<typeof setTimeout> | undefined;
  #leaseTimerAt = Infinity;
  #ending: Promise<void> | undefined;
  #closed = false;

  private constructor(connection: Connection, channel: AmqpChannel, queue: string, actions: ConsumerActions) {
    this.#channel = channel;
    this.queue = queue;
    this.#actions = actions;
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
    this.#asking += 1;
    clearTimeout(this.#idleTimer);
    try {
      const until = performance.now() + waitMs;
      for (let looks = 0; !signal.aborted; looks++) {
        const taken = this.#take(max, leaseMs);
        if (taken.length > 0) return taken;
        if (this.lost) throw this.lost;
        if (!this.#subscribedFor(max)) {
          await this.#subscribe(max);
          continue;
        }
        const left = until - performance.now();
        if (waitMs > 0 && left <= 0) return [];
        if (this.#unsettled >= this.#prefetch) {
          // What is being acknowledged makes room; where nothing is, a subscription of its own does.
          await this.#arrival(LOOK_MS, signal);
          if (this.#buffer.length === 0 && this.#unsettled >= this.#prefetch) await this.#subscribe(max, true);
          continue;
        }
        if (waitMs === 0 && (looks > MAX_LOOKS || await this.#ready() === 0 && this.#buffer.length === 0)) {
          await this.pause(); // what comes from now on is for who asks then
          if (this.#buffer.length > 0) continue;
          return [];
        }
        if (this.#buffer.length === 0) await this.#arrival(waitMs > 0 ? left : LOOK_MS, signal);
      }
      return [];
    } catch (error) {
      throw this.lost ?? toQueueError(error);
    } finally {
      this.#asking -= 1;
      if (this.#asking === 0 && !this.#closed) {
        this.#idleTimer = setTimeout(() => void this.#rest(), IDLE_MS);
      }
    }
  }

  /** Makes a lease end later. */
  extend(held: Held, leaseMs: number): boolean {
    if (held.state !== "leased") return false;
    held.leasedUntil = performance.now() + leaseMs;
    this.#arm(held.leasedUntil);
    return true;
  }

  /**
   * Acknowledges messages, in as few frames as can be, and resolves when the broker has read that. What is lost before
   * comes again.
   */
  async acknowledge(batch: readonly Held[]): Promise<void> {
    await this.#unsubscribing; // what makes room now would be filled, and the broker would count what it never brought
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
      await this.#synchronize();
    } catch {
      return; // the channel is gone: all that it held is lost by now
    }
    for (const held of batch) this.#settle(held, "settled");
    this.#closeWhenDone();
  }

  /** Gives messages back at once; the broker counts the delivery. */
  requeue(batch: readonly Held[]): void {
    for (const held of batch) {
      if (held.state === "settled" || held.state === "lost") continue;
      if (!this.#closed) this.#reject(held);
      this.#settle(held, "lost");
    }
    this.#closeWhenDone();
  }

  /** Takes no more until it is asked again. */
  async pause(): Promise<void> {
    await this.#change(() => this.#unsubscribe()).catch(() => undefined); // the channel is gone, and all with it
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
    if (!this.#closed && rest.length > 0) await this.#actions.release(rest);
  }

  /** Whether the broker may push what is asked for, or enough of it: to subscribe anew has its price. */
  #subscribedFor(max: number): boolean {
    return this.#tag !== undefined && this.#unsettled + max < 2 * this.#prefetch;
  }

  #subscribe(max: number, anew = false): Promise<void> {
    return this.#change(async () => {
      if (this.#subscribedFor(max) && !anew || this.#closed) return;
      await this.#unsubscribe();
      if (this.#buffer.length > 0 || this.#ending) return;
      const subscription = ++this.#subscription;
      this.#prefetch = Math.min(max, MAX_PREFETCH);
      this.#unsettled = 0;
      // Asked for together, so that no other setting of the prefetch comes between the two.
      const [, { consumerTag }] = await Promise.all([
        this.#synchronize(),
        this.#channel.consume(this.queue, (message) => this.#onMessage(message, subscription), { noAck: false }),
      ]);
      this.#tag = consumerTag;
    });
  }

  async #unsubscribe(): Promise<void> {
    if (this.#tag === undefined || this.#closed) return;
    const ended = Promise.withResolvers<void>();
    this.#unsubscribing = ended.promise;
    try {
      await this.#cancel();
    } finally {
      this.#unsubscribing = undefined;
      ended.resolve();
    }
  }

  async #cancel(): Promise<void> {
    await this.#fill();
    const tag = this.#tag;
    this.#tag = undefined;
    if (tag === undefined || this.#closed) return;
    const subscription = this.#subscription;
    await this.#channel.cancel(tag);
    // What the queue had sent by then comes after the answer, and before the one to what is asked now.
    this.#channel.registerConsumer?.(tag, (message) => this.#onMessage(message, subscription));
    await this.#synchronize();
  }

  /**
   * Waits until the broker has nothing more to push. What it has assigned to a subscription that is cancelled never comes,
   * and goes back counted.
   */
  async #fill(): Promise<void> {
    for (let looks = 0; looks < MAX_FILL_LOOKS && this.#unsettled < this.#prefetch; looks++) {
      if (await this.#ready() === 0) return;
      if (this.#unsettled < this.#prefetch) await this.#arrival(LOOK_MS);
    }
  }

  /** Messages in the queue that the broker has not pushed to anybody. What it has pushed to us before has come. */
  async #ready(): Promise<number> {
    const { messageCount } = await this.#channel.checkQueue(this.queue);
    await this.#synchronize();
    return messageCount;
  }

  /** One after the other. */
  #change(change: () => Promise<void>): Promise<void> {
    const changed = this.#changing.then(change);
    this.#changing = changed.catch(() => undefined); // told to who asked
    return changed;
  }

  #onMessage(message: AmqpMessage | null, subscription: number): void {
    if (message === null) {
      this.#tag = undefined;
      this.#actions.onGone();
      return this.#wake(new QueueError("unavailable", "the broker has cancelled the consumer: its queue is gone"));
    }
    const held: Held = {
      consumer: this,
      subscription,
      message,
      state: "buffered",
      leasedUntil: Infinity,
      settling: false,
    };
    this.#held.set(message.fields.deliveryTag, held);
    if (subscription === this.#subscription) this.#unsettled += 1;
    if (expiryOf(message) <= Date.now()) {
      void this.acknowledge([held]);
    } else if (brokerCountOf(message) >= REFRESH_AT) {
      // Not handed out: the copy will be, with the same number of attempts.
      void this.#actions.release([held]);
    } else {
      this.#buffer.push(held);
      this.#wake();
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
    if (taken.length > 0) this.#arm(leasedUntil);
    return taken;
  }

  /** Resolves when something has come or the consumer is lost, the time is up or the signal aborts. */
  async #arrival(ms: number, signal?: AbortSignal): Promise<void> {
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

  #wake(lost?: QueueError): void {
    if (lost) this.lost ??= lost;
    for (const waiter of this.#waiters) waiter();
  }

  #lose(error: QueueError): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#leaseTimer);
    clearTimeout(this.#idleTimer);
    for (const held of this.#held.values()) if (held.state !== "settled") held.state = "lost";
    this.#held.clear();
    this.#buffer = [];
    this.#actions.onClosed(this);
    this.#wake(error.code === "invalid" ? new QueueError("unavailable", error.message, { cause: error }) : error);
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
    if (held.subscription === this.#subscription) this.#unsettled -= 1;
  }

  /** A round trip on the channel: what was sent before it has been read. */
  async #synchronize(): Promise<void> {
    await this.#channel.prefetch(this.#prefetch);
  }

  /** One timer for all leases, set for the earliest. */
  #arm(at: number): void {
    if (at >= this.#leaseTimerAt || this.#closed) return;
    clearTimeout(this.#leaseTimer);
    this.#leaseTimerAt = at;
    this.#leaseTimer = setTimeout(() => this.#expire(), Math.min(Math.max(at - performance.now(), 0), 2 ** 31 - 1));
  }

  #expire(): void {
    this.#leaseTimerAt = Infinity;
    const now = performance.now();
    let next = Infinity;
    const over: Held[] = [];
    for (const held of this.#held.values()) {
      if (held.state !== "leased") continue;
      if (held.leasedUntil > now) next = Math.min(next, held.leasedUntil);
      else if (held.settling) next = Math.min(next, now + LOOK_MS);
      else over.push(held);
    }
    this.requeue(over);
    if (next < Infinity) this.#arm(next);
  }

  #closeWhenDone(): void {
    if (this.#ending && this.#held.size === 0) this.#closeChannel();
  }

  #closeChannel(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#leaseTimer);
    clearTimeout(this.#idleTimer);
    this.#actions.onClosed(this);
    void Promise.resolve().then(() => this.#channel.close()).catch(() => undefined); // it is closed with its connection
  }
}
