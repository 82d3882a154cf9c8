/**
 * A queue in this process. It stands where your broker's client goes.
 *
 * @module
 */
import type { DeadLetter, FailureCause, QueueDepth } from "@slack-mcp/queue";
import type { Clock, DriverMessage, Settlement } from "@slack-mcp/queue/driver";

/** One message in the store. */
interface Item {
  readonly message: DriverMessage;
  readonly publishedAt: number;
  /** How often it was delivered. */
  attempts: number;
  /** Epoch milliseconds: a delay or a lease ends then. */
  readyAt: number;
  /** The lease that is out, or the last one. */
  lease: number;
  leased: boolean;
}

/** A message under lease, as the store hands it out. */
export interface Leased {
  readonly message: DriverMessage;
  readonly publishedAt: number;
  readonly attempts: number;
  readonly lease: number;
}

/** The part of the store that the driver uses: a test puts a network of its own in between. */
export type Client = { readonly [Name in keyof Store]: Store[Name] };

/** Lists of messages, one for each key. */
export class Store {
  readonly #clock: Clock;
  readonly #lists: Map<string, Item[]> = new Map();
  readonly #dead: Map<string, DeadLetter[]> = new Map();
  readonly #waiting: Set<() => void> = new Set();
  #leases = 0;

  /** Makes an empty store that goes by this clock. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds messages in their order, up to `maxLength` in the list. Resolves with `false` for each that did not fit. */
  add(key: string, messages: readonly DriverMessage[], maxLength: number): Promise<boolean[]> {
    const now = this.#clock.now();
    const list = this.#list(key);
    const added = messages.map((message) => {
      if (list.length >= maxLength) return false;
      const readyAt = now + message.delayMs;
      list.push({ message, publishedAt: now, attempts: 0, readyAt, lease: 0, leased: false });
      return true;
    });
    this.#wake();
    return Promise.resolve(added);
  }

  /** Leases up to `max` messages that are ready. */
  take(key: string, max: number, leaseMs: number): Promise<Leased[]> {
    const now = this.#clock.now();
    const ready = this.#list(key).filter((item) => item.readyAt <= now).slice(0, max);
    for (const item of ready) {
      item.attempts += 1;
      item.readyAt = now + leaseMs;
      item.lease = ++this.#leases;
      item.leased = true;
    }
    return Promise.resolve(ready.map(({ message, publishedAt, attempts, lease }) => {
      return { message, publishedAt, attempts, lease };
    }));
  }

  /** Resolves when a message may be ready, after `ms` milliseconds, or when the signal aborts. */
  async changed(key: string, ms: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const next = Math.min(...this.#list(key).map(({ readyAt }) => Math.max(0, readyAt - now)), ms);
    const { promise, resolve } = Promise.withResolvers<void>();
    // A timer holds 31 bits. A receive that wakes too early waits again.
    const timer = this.#clock.setTimeout(resolve, Math.min(next, 2 ** 31 - 1));
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    await promise;
    this.#clock.clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  /** Settles leases. Resolves with `false` for each that has run out or was replaced. */
  settle(key: string, group: string, settlements: readonly Settlement[]): Promise<boolean[]> {
    const answers = settlements.map((settlement) => {
      const item = this.#held(key, settlement.lease);
      if (!item) return false;
      item.leased = false;
      if (settlement.kind === "retry") {
        item.readyAt = this.#clock.now() + settlement.delayMs;
      } else if (settlement.kind === "release") {
        item.readyAt = 0;
        item.attempts -= 1;
      } else {
        this.#remove(key, item);
        if (settlement.kind === "dead") this.#bury(key, group, item, settlement.cause);
      }
      return true;
    });
    this.#wake();
    return Promise.resolve(answers);
  }

  /** Makes leases end `leaseMs` from now. Resolves with `false` for each that has run out or was replaced. */
  extend(key: string, leases: readonly unknown[], leaseMs: number): Promise<boolean[]> {
    return Promise.resolve(leases.map((lease) => {
      const item = this.#held(key, lease);
      if (item) item.readyAt = this.#clock.now() + leaseMs;
      return item !== undefined;
    }));
  }

  /** Counts the messages of a key. */
  depth(key: string): Promise<QueueDepth> {
    const now = this.#clock.now();
    const waiting = this.#list(key).filter(({ readyAt }) => readyAt > now);
    const inFlight = waiting.filter(({ leased }) => leased).length;
    const ready = this.#list(key).length - waiting.length;
    const dead = this.letters(key).length;
    return Promise.resolve({ ready, inFlight, delayed: waiting.length - inFlight, blocked: 0, dead });
  }

  /** The dead letters of a key, the oldest first. */
  letters(key: string): DeadLetter[] {
    return this.#dead.get(key) ?? [];
  }

  /** Removes dead letters. */
  purge(key: string, letters: readonly DeadLetter[]): number {
    this.#dead.set(key, this.letters(key).filter((letter) => !letters.includes(letter)));
    return letters.length;
  }

  #list(key: string): Item[] {
    let list = this.#lists.get(key);
    if (!list) this.#lists.set(key, list = []);
    return list;
  }

  #held(key: string, lease: unknown): Item | undefined {
    const now = this.#clock.now();
    return this.#list(key).find((item) => item.leased && item.lease === lease && item.readyAt > now);
  }

  #remove(key: string, item: Item): void {
    const list = this.#list(key);
    list.splice(list.indexOf(item), 1);
  }

  #bury(key: string, group: string, { message, publishedAt, attempts }: Item, cause: FailureCause): void {
    const { id: messageId, body, headers = {} } = message;
    const letters = this.letters(key);
    letters.push({
      id: crypto.randomUUID(),
      messageId,
      key,
      group,
      body,
      payload: undefined, // the portable layer parses the body
      headers,
      attempts,
      publishedAt: new Date(publishedAt),
      diedAt: new Date(this.#clock.now()),
      cause,
    });
    this.#dead.set(key, letters);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
