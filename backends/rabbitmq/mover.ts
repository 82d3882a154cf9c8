/**
 * Moves messages out of the due queue: to the next level where they have to wait longer, else to where they belong. Each is
 * confirmed there before it is acknowledged here.
 *
 * @module
 */
import type { AmqpChannel, AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import { HELD_MS } from "./delays.ts";
import { destinationOf, expiryOf, waitOf } from "./messages.ts";

/** The most messages that one mover holds. */
const PREFETCH = 500;

/** Milliseconds before a message is tried again that could not be moved. */
const RETRY_MS = 1_000;

/** The scheduler, as a mover sees it. */
export interface MoverActions {
  /** Publishes messages where they belong, or to the queue where they wait on; resolves with those that arrived. */
  forward(messages: readonly AmqpMessage[]): Promise<readonly boolean[]>;
  /** The due queue is gone: it must be declared anew. */
  onGone(): void;
  /** The channel is closed, by whomever. */
  onClosed(): void;
}

/** A consumer of the due queue. */
export class Mover {
  readonly #channel: AmqpChannel;
  readonly #actions: MoverActions;
  readonly #timers: Set<ReturnType<typeof setTimeout>> = new Set();
  #pending: AmqpMessage[] = [];
  /** By the name of their destination. */
  readonly #held: Map<string, number> = new Map();
  #moving: Promise<void> | undefined;
  /** Takes no more. */
  #ending = false;
  #closed = false;

  private constructor(channel: AmqpChannel, actions: MoverActions) {
    this.#channel = channel;
    this.#actions = actions;
    channel.on("close", () => {
      this.#stop();
      this.#closed = true;
      this.#held.clear();
      actions.onClosed();
    });
  }

  /** Subscribes to the due queue. */
  static async open(connection: Connection, queue: string, actions: MoverActions): Promise<Mover> {
    const channel = await connection.openChannel();
    const mover = new Mover(channel, actions);
    const onMessage = (message: AmqpMessage | null) => {
      if (message) return mover.#onMessage(message);
      actions.onGone();
      void mover.close();
    };
    await Promise.all([channel.prefetch(PREFETCH), channel.consume(queue, onMessage, { noAck: false })]);
    return mover;
  }

  /** It moves nothing any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Messages for a queue or a schedule that it holds, and that are not where they belong yet. */
  heldFor(name: string): number {
    return this.#held.get(name) ?? 0;
  }

  /** Takes no more, waits for what is being moved, which would else come twice, and gives back the rest. */
  async close(): Promise<void> {
    this.#stop();
    await this.#moving;
    await this.#channel.close();
  }

  #stop(): void {
    this.#ending = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#pending = [];
  }

  #onMessage(message: AmqpMessage): void {
    if (this.#ending) return;
    this.#count(message, 1);
    const waitMs = waitOf(message);
    if (expiryOf(message) <= Date.now()) this.#acknowledge(message);
    else if (waitMs > 0 && waitMs < HELD_MS) this.#later(message, waitMs);
    else this.#move(message);
  }

  #later(message: AmqpMessage, ms: number): void {
    if (this.#ending) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#move(message);
    }, Math.ceil(ms) + 1); // a timer of the platform may be a part of a millisecond early
    this.#timers.add(timer);
  }

  #move(message: AmqpMessage): void {
    this.#pending.push(message);
    this.#moving ??= this.#run().finally(() => this.#moving = undefined);
  }

  async #run(): Promise<void> {
    await undefined; // so that what is due in the same turn travels together
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      const arrived = await this.#actions.forward(batch).catch((): readonly boolean[] => []); // tried again below
      for (const [i, message] of batch.entries()) {
        if (arrived[i]) this.#acknowledge(message);
        else this.#later(message, RETRY_MS);
      }
    }
  }

  #count(message: AmqpMessage, by: number): void {
    const name = destinationOf(message)?.name ?? "";
    const count = this.heldFor(name) + by;
    if (count > 0) this.#held.set(name, count);
    else this.#held.delete(name);
  }

  #acknowledge(message: AmqpMessage): void {
    this.#count(message, -1);
    try {
      this.#channel.ack(message);
    } catch {
      // The channel is gone: it comes again, with the same id.
    }
  }
}
