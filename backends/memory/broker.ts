/**
 * The broker of the memory backend: the queues of a server, in this process.
 *
 * @module
 */
import { decodeUtf8 } from "../../core/util/bytes.ts";
import { type Clock, monotonic, systemClock } from "../../core/util/clock.ts";
import type { DriverMessage, DriverReceiveOptions, RawDelivery, SendResult, Settlement } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import type { QueueDepth } from "../../core/protocol.ts";
import { ADDED, Dedup } from "./dedup.ts";
import type { Group, Lease } from "./group.ts";
import { Node } from "./node.ts";
import { Topic } from "./topic.ts";

/** How a key accepts messages. */
export interface QueueLimits {
  /** The most messages of a key. */
  readonly maxLength: number;
  /** Whether to drop the oldest message in place of refusing the newest. */
  readonly dropOldest: boolean;
  /** Milliseconds for which a publisher's id is remembered. */
  readonly dedupWindowMs: number;
}

/**
 * Holds the messages of one process. Backends that share a broker share its queues, as clients of one server do.
 *
 * @example
 * ```ts
 * import { MemoryBackend, MemoryBroker } from "@slack-mcp/queue/memory";
 * import assert from "node:assert/strict";
 *
 * const broker = new MemoryBroker();
 * await using webhook = new MemoryBackend({ broker });
 * await using worker = new MemoryBackend({ broker });
 * await webhook.publish("slack_events", { n: 1 });
 * for await (const payload of worker.consume("slack_events")) {
 *   assert.deepEqual(payload, { n: 1 });
 *   break;
 * }
 * ```
 */
export class MemoryBroker {
  readonly #clock: Clock;
  /** The time of day less the monotonic clock, as last seen: `publishedAt` then costs a send no second reading. */
  #dayMs: number;
  readonly #topics: Map<string, Topic> = new Map();
  readonly #dedups: Map<string, Dedup> = new Map();

  /** Creates an empty broker. Default clock: the platform's. */
  constructor(options: { readonly clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#dayMs = this.#clock.now() - monotonic(this.#clock);
  }

  /** Puts text or bytes into a key as a foreign producer would: they need not be JSON, nor bytes text. */
  inject(key: string, body: string | Uint8Array): void {
    const now = monotonic(this.#clock);
    const payload = typeof body === "string" ? body : decodeUtf8(body) ?? body.slice();
    const message = { id: crypto.randomUUID(), orderingKey: undefined, payload, headers: undefined };
    this.#topic(key).add(new Node(message, this.#dayMs + now), now, now);
  }

  /**
   * Adds a batch. Returns one result per message.
   * @internal The driver calls it.
   */
  send(key: string, messages: readonly DriverMessage[], intake: QueueLimits): SendResult[] {
    const now = monotonic(this.#clock);
    const dedup = this.#dedup(key);
    const before = dedup.answered(messages);
    if (before) return before;
    const topic = this.#topic(key);
    topic.advance(now);
    const batch: Batch = { key, topic, dedup, intake, now, publishedAt: this.#dayMs + now };
    const results = messages.map((message) => add(message, batch));
    dedup.answer(messages, results);
    return results;
  }

  /** Leases messages, waiting for the first one where there is none. */
  async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const { group: name, max, leaseMs, waitMs, signal, maxPerOrderingKey } = options;
    const group = this.#topic(key).group(name);
    const deadline = waitMs > 0 ? monotonic(this.#clock) + waitMs : 0;
    for (;;) {
      if (signal.aborted) return [];
      const now = monotonic(this.#clock);
      const taken = group.take(max, leaseMs, now, maxPerOrderingKey);
      if (taken.length > 0 || now >= deadline) {
        this.#dayMs = this.#clock.now() - now;
        return taken;
      }
      await group.waitUntil(deadline, this.#clock, signal);
    }
  }

  /** Settles deliveries. Returns for each whether its lease was still held. */
  settle(key: string, name: string, settlements: readonly Settlement[]): boolean[] {
    const group = this.#topic(key).group(name);
    const now = monotonic(this.#clock);
    return settlements.map((settlement) => {
      const lease = settlement.lease as Lease;
      switch (settlement.kind) {
        case "ack":
          return group.ack(lease, now);
        case "retry":
          return group.retry(lease, now + settlement.delayMs, now);
        case "release":
          return group.release(lease, now);
        case "dead":
          return group.deadLetter(lease, key, name, settlement.cause, now, new Date(this.#clock.now()));
      }
    });
  }

  /** Makes leases end `leaseMs` from now. */
  extend(key: string, name: string, leases: readonly unknown[], leaseMs: number): boolean[] {
    const group = this.#topic(key).group(name);
    const now = monotonic(this.#clock);
    return leases.map((lease) => group.extend(lease as Lease, leaseMs, now));
  }

  /** Counts messages by state. A group that does not exist yet sees every message that is kept. */
  depth(key: string, name: string): QueueDepth {
    const topic = this.#topics.get(key);
    if (topic === undefined) return { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 };
    const now = monotonic(this.#clock);
    topic.advance(now);
    const group = topic.groups.get(name);
    if (group) return group.depth(now);
    const { delayed } = topic;
    const blocked = topic.blockedForNewGroup();
    return { ready: topic.length - delayed - blocked, inFlight: 0, delayed, blocked, dead: 0 };
  }

  /** The keys that have been used. */
  get keys(): string[] {
    return [...this.#topics.keys()];
  }

  /**
   * A key's log, brought up to date, where the key has been used.
   * @internal The driver looks into it.
   */
  topic(key: string): { readonly topic: Topic; readonly now: number } | undefined {
    const topic = this.#topics.get(key);
    const now = monotonic(this.#clock);
    topic?.advance(now);
    return topic && { topic, now };
  }

  /** Removes a key with all that belongs to it. */
  drop(key: string): void {
    this.#topics.delete(key);
    this.#dedups.delete(key);
  }

  /**
   * A group of a key, where both exist.
   * @internal The driver calls it.
   */
  existing(key: string, name: string): Group | undefined {
    return this.#topics.get(key)?.groups.get(name);
  }

  /**
   * Puts a dead letter back.
   * @internal The driver calls it.
   */
  revive(group: Group, id: string): void {
    group.revive(id, monotonic(this.#clock));
  }

  #topic(key: string): Topic {
    let topic = this.#topics.get(key);
    if (topic === undefined) this.#topics.set(key, topic = new Topic());
    return topic;
  }

  #dedup(key: string): Dedup {
    let dedup = this.#dedups.get(key);
    if (dedup === undefined) this.#dedups.set(key, dedup = new Dedup());
    return dedup;
  }
}

/** What the messages of one send have in common. */
interface Batch {
  readonly key: string;
  readonly topic: Topic;
  readonly dedup: Dedup;
  readonly intake: QueueLimits;
  readonly now: number;
  readonly publishedAt: number;
}

function add(message: DriverMessage, { key, topic, dedup, intake, now, publishedAt }: Batch): SendResult {
  if (message.explicitId && dedup.has(message.id, now)) return { outcome: "duplicate" };
  if (topic.length >= intake.maxLength) {
    if (!intake.dropOldest) return { error: full(key, intake.maxLength) };
    topic.dropOldest();
  }
  if (message.explicitId) dedup.add(message.id, now, intake.dedupWindowMs);
  const { ttlMs, delayMs } = message;
  topic.add(new Node(message, publishedAt, ttlMs && now + ttlMs), now + delayMs, now);
  return ADDED;
}

function full(key: string, maxLength: number): QueueError {
  return new QueueError("queue-full", `the queue is full: maxLength is ${maxLength}`, { backend: "memory", key });
}
