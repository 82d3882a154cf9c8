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
import { ADDED } from "./dedup.ts";
import type { Group } from "./group.ts";
import type { Lease } from "./leases.ts";
import { type Details, Node } from "./node.ts";
import { Topic } from "./topic.ts";

/** How a key accepts messages. */
export interface QueueLimits {
  /** The most messages of a key. */
  readonly maxLength: number;
  /** Whether to drop the oldest message in place of refusing the newest. */
  readonly dropOldest: boolean;
  /** Milliseconds for which a publisher's id is remembered. */
  readonly dedupWindowMs: number;
  /** Whether a batch may be sent again after a reply that was lost: then it is remembered. */
  readonly repeats: boolean;
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
  /** The details of the messages of the current millisecond. */
  #plain: Details = { publishedAt: undefined, visibleAt: 0 };
  readonly #topics: Map<string, Topic> = new Map();

  /** Creates an empty broker. Default clock: the platform's. */
  constructor(options: { readonly clock?: Clock | undefined } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#dayMs = this.#clock.now() - monotonic(this.#clock);
  }

  /** Puts text or bytes into a key as a foreign producer would: they need not be JSON, nor bytes text. */
  inject(key: string, body: string | Uint8Array): void {
    const now = monotonic(this.#clock);
    const payload = typeof body === "string" ? body : decodeUtf8(body) ?? body.slice();
    this.#topic(key).add(new Node(crypto.randomUUID(), payload, this.#details(now)), now);
  }

  /**
   * Adds a batch. Returns one result per message.
   * @internal The driver calls it.
   */
  send(key: string, messages: readonly DriverMessage[], intake: QueueLimits): SendResult[] {
    const now = monotonic(this.#clock);
    const topic = this.#topic(key);
    const before = intake.repeats ? topic.dedup.answered(messages) : undefined;
    if (before) return before;
    topic.advance(now);
    const plain = this.#details(now);
    const { dedup } = topic;
    const results = messages.map((message): SendResult => {
      const { id, explicitId, payload, orderingKey } = message;
      if (explicitId && dedup.has(id, now)) return { outcome: "duplicate" };
      if (topic.length >= intake.maxLength) {
        if (!intake.dropOldest) return { error: full(key, intake.maxLength) };
        topic.dropOldest();
      }
      if (explicitId) dedup.add(id, now, intake.dedupWindowMs);
      topic.add(topic.create(id, payload, detailsOf(message, plain, now), orderingKey), now);
      return ADDED;
    });
    if (intake.repeats) dedup.answer(messages, results);
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
      if (!group.leases.end(lease, now)) return false;
      const { kind } = settlement;
      if (kind === "dead") {
        group.deadLetter(lease, { key, group: name, cause: settlement.cause, diedAt: new Date(this.#clock.now()) });
      }
      if (kind === "ack" || kind === "dead") group.settled(lease.node, now);
      else if (kind === "retry") group.retry(lease, now + settlement.delayMs, now);
      else group.giveBack(lease, lease.attempts - 1, now); // as if it had not been delivered
      return true;
    });
  }

  /** Makes leases end `leaseMs` from now. */
  extend(key: string, name: string, leases: readonly unknown[], leaseMs: number): boolean[] {
    const group = this.#topic(key).group(name);
    const now = monotonic(this.#clock);
    return leases.map((lease) => group.leases.extend(lease as Lease, leaseMs, now));
  }

  /** Counts messages by state. A group that does not exist yet sees every message that is kept. */
  depth(key: string, name: string): QueueDepth {
    const { topic, now = 0 } = this.topic(key) ?? {};
    const group = topic?.groups.get(name);
    if (group) return group.depth(now);
    const { length = 0, delayed = 0, blocked = 0 } = topic ?? {};
    return { ready: length - delayed - blocked, inFlight: 0, delayed, blocked, dead: 0 };
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

  #details(now: number): Details {
    const publishedAt = Math.floor(this.#dayMs + now);
    if (publishedAt !== this.#plain.publishedAt) this.#plain = { publishedAt, visibleAt: now };
    this.#plain.visibleAt = now;
    return this.#plain;
  }

  #topic(key: string): Topic {
    let topic = this.#topics.get(key);
    if (topic === undefined) this.#topics.set(key, topic = new Topic());
    return topic;
  }
}

function detailsOf({ headers, ttlMs, delayMs }: DriverMessage, plain: Details, now: number): Details {
  if (!headers && !ttlMs && !delayMs) return plain;
  return { publishedAt: plain.publishedAt, headers, expiresAt: ttlMs && now + ttlMs, visibleAt: now + delayMs };
}

function full(key: string, maxLength: number): QueueError {
  return new QueueError("queue-full", `the queue is full: maxLength is ${maxLength}`, { backend: "memory", key });
}
