/**
 * The driver: it moves messages between the portable layer and the broker, and names errors.
 *
 * @module
 */
import { type Capabilities, type ErrorCode, type QueueDepth, QueueError } from "@slack-mcp/queue";
import {
  type Clock,
  type DriverDeadLetters,
  type DriverMessage,
  type DriverReceiveOptions,
  type QueueDriver,
  type RawDelivery,
  type SendResult,
  type Settlement,
  systemClock,
} from "@slack-mcp/queue/driver";
import type { MyQueueOptions } from "./options.ts";
import { type Client, Store } from "./store.ts";

// ---- Your client goes here --------------------------------------------------------------------------------------
// As generated, all drivers of the process share a store in its memory. Replace `Store` by your broker's client, and
// each call of it below by a command. Then correct `capabilities`: the conformance kit holds the driver to them.
let shared: Store | undefined;

function connect(options: MyQueueOptions): Client {
  return options.client ?? (shared ??= new Store(systemClock));
}
// ------------------------------------------------------------------------------------------------------------------

const CAPABILITIES: Capabilities = {
  durable: false,
  delay: true,
  ttl: false,
  dedup: false,
  groups: false,
  deadLetters: true,
  replay: false,
  fencing: true,
  extend: true,
  release: true,
  attempts: true,
  headers: true,
  maxLength: true,
  depth: true,
  orderingKeys: false,
  order: "fifo",
  consume: "pull",
  maxPayloadBytes: 1_000_000,
  idleCostPerHour: 300,
  costPerMessage: 1,
};

/** Moves messages to and from the broker. */
export class MyQueueDriver implements QueueDriver {
  /** The name that errors and logs show. */
  readonly name = "my_queue";
  /** The capabilities, which the conformance kit proves. */
  readonly capabilities: Capabilities = CAPABILITIES;
  /** The portable layer takes these texts out of every error. */
  readonly secrets: readonly string[];
  /** Lists and removes messages that were given up. */
  readonly deadLetters: DriverDeadLetters;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #maxLength: number;

  /** Connects with these options. */
  constructor(options: MyQueueOptions = {}) {
    this.#client = connect(options);
    this.#clock = options.clock ?? systemClock;
    this.#maxLength = options.maxLength ?? Infinity;
    this.secrets = options.password ? [options.password] : [];
    const chosen = (key: string, ids: readonly string[] | undefined, limit: number) =>
      this.#client.letters(key).filter(({ id }) => ids?.includes(id) ?? true).slice(0, limit);
    this.deadLetters = {
      list: (key, { ids, limit }) => Promise.resolve({ letters: chosen(key, ids, limit), cursor: undefined }),
      purge: (key, { ids, limit }) => Promise.resolve(this.#client.purge(key, chosen(key, ids, limit))),
    };
  }

  /** Sends a batch; resolves when the broker has confirmed it. */
  async send(key: string, messages: readonly DriverMessage[], _signal: AbortSignal): Promise<SendResult[]> {
    const added = await this.#client.add(key, messages, this.#maxLength);
    return added.map((fits): SendResult =>
      fits ? { outcome: "added" } : { error: new QueueError("queue-full", "the queue has reached its maxLength") }
    );
  }

  /** Leases messages; waits where none is ready. */
  async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const { max, leaseMs, waitMs, signal } = options;
    for (const end = this.#clock.now() + waitMs; !signal.aborted;) {
      const leased = await this.#client.take(key, max, leaseMs);
      const left = end - this.#clock.now();
      if (leased.length > 0 || left <= 0) {
        return leased.map(({ message: { id, body, headers }, publishedAt, attempts, lease }) => {
          return { id, body, headers, publishedAt, attempts, lease };
        });
      }
      await this.#client.changed(key, left, signal);
    }
    return [];
  }

  /** Settles deliveries in one round trip. */
  settle(key: string, group: string, settlements: readonly Settlement[], _signal: AbortSignal): Promise<boolean[]> {
    return this.#client.settle(key, group, settlements);
  }

  /** Makes leases longer. */
  extend(key: string, _group: string, leases: readonly unknown[], leaseMs: number): Promise<boolean[]> {
    return this.#client.extend(key, leases, leaseMs);
  }

  /** Counts messages. */
  depth(key: string): Promise<QueueDepth> {
    return this.#client.depth(key);
  }

  /** Asks whether the broker answers. */
  ping(): Promise<void> {
    return Promise.resolve();
  }

  /** Closes what the driver opened. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Names an error of the client. `"unknown-outcome"`: a send whose bytes left and whose reply did not come. */
  classify(error: unknown): ErrorCode {
    if (error instanceof QueueError) return error.code;
    return "internal";
  }
}
