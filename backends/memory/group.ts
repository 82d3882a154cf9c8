/**
 * One group of one key: the messages that it has not seen, has leased, or will deliver again.
 *
 * @module
 */
import { type Clock, monotonic } from "../../core/util/clock.ts";
import type { RawDelivery } from "../../core/driver.ts";
import type { QueueDepth } from "../../core/protocol.ts";
import { type Conversation, KeyedNode, type OrderingKey, type Returned } from "./conversation.ts";
import { Conversations } from "./conversations.ts";
import { createDeadLetter, type Dead, type Death } from "./dead_letters.ts";
import { TimeHeap } from "./heap.ts";
import { Lease, Leases } from "./leases.ts";
import { type Node, type Parked, STALE } from "./node.ts";

/** The log of a key, as its groups use it. */
export interface Log {
  /** The number of messages that are published and not yet visible. */
  readonly delayed: number;
  /** Monotonic milliseconds at which the next delayed message becomes visible. */
  readonly nextAt: number;
  /** The ordering keys that are in use. */
  readonly orderingKeys: ReadonlyMap<string, OrderingKey>;
  /** Makes visible what is due and removes what has expired. */
  advance(now: number): void;
  /** Returns the first message behind a place. */
  after(seq: number): Node | undefined;
  /** Notes that one group has settled a message. */
  settled(node: Node): void;
  /** Creates a place outside the log, for a message that one group alone sees again. */
  place(message: Node, now: number): Node;
}

/** The unsettled messages of a group, by state. Removed messages may be among them. */
export interface Unsettled {
  readonly leased: Iterable<Parked>;
  readonly redeliverable: Iterable<Parked>;
  readonly scheduled: Iterable<Parked>;
  /** The place that it has reached. */
  readonly reached: number;
  readonly conversations: Conversations;
}

/** A group's view of a key. */
export class Group {
  /** The number of messages of the log without an ordering key that it has not reached. */
  #unread = 0;
  readonly leases: Leases = new Leases();
  readonly dead: Map<string, Dead> = new Map();
  #died = 0;
  readonly #log: Log;
  #cursor: number;
  /** The number of seen messages that were removed; some of them still stand among the redeliverable ones. */
  #stale = 0;
  /** Without an ordering key, leased before and deliverable now, by their place in the order. */
  readonly #redeliverable: TimeHeap<Parked> = new TimeHeap();
  /** Leased before and deliverable later, by their time. */
  readonly #scheduled: TimeHeap<Parked> = new TimeHeap();
  readonly #conversations: Conversations;
  readonly #waiters: Set<() => void> = new Set();

  /**
   * Creates a group that starts after a place in the log.
   *
   * @param n Which group of the log it is.
   */
  constructor(log: Log, n: number, cursor: number) {
    this.#log = log;
    this.#cursor = cursor;
    this.#conversations = new Conversations(n, log.orderingKeys, () => this.wake());
  }

  /** Leases up to `max` messages, in the order of their places. A redelivered message has its old place. */
  take(max: number, leaseMs: number, now: number, maxPerOrderingKey = 1): RawDelivery[] {
    this.advance(now);
    const conversations = this.#conversations;
    const taken: RawDelivery[] = [];
    while (taken.length < max) {
      // Where nothing in front of the cursor may be delivered, it stays: what is freed there it then comes to in its order.
      const next = this.#unread + conversations.ahead > 0 ? this.#log.after(this.#cursor) : undefined;
      const nextAt = next?.seq ?? Infinity;
      let turn: Conversation | undefined;
      if (conversations.nextAt <= nextAt && conversations.nextAt < this.#redeliverable.nextAt) {
        turn = conversations.shift();
      } else if (this.#redeliverable.nextAt < nextAt) {
        const { node, attempts } = this.#redeliverable.popDue(nextAt)!;
        if (!node.removed) taken.push(this.#lease(node, attempts + 1, 0, leaseMs, now));
      } else if (next) {
        this.#cursor = nextAt;
        if (next instanceof KeyedNode) {
          turn = conversations.reach(next);
        } else {
          this.#unread -= 1;
          taken.push(this.#lease(next, 1, 0, leaseMs, now));
        }
      } else {
        break;
      }
      if (!turn) continue;
      let node: KeyedNode | undefined = conversations.lease(turn);
      for (let n = 1; node; n++) {
        // Whole milliseconds: a number with a fraction would be one more object to the collector.
        taken.push(
          this.#lease(node, turn.attempts + 1, Math.floor(turn.freedAt - node.details.visibleAt), leaseMs, now),
        );
        node = n < maxPerOrderingKey && taken.length < max ? conversations.join(turn) : undefined;
      }
    }
    return taken;
  }

  /** Makes messages deliverable whose delay is over or whose lease has ended. */
  advance(now: number): void {
    this.#log.advance(now);
    for (let again = this.#scheduled.popDue(now); again; again = this.#scheduled.popDue(now)) {
      if (again.node.removed) continue;
      if (!(again.node instanceof KeyedNode)) this.#redeliverable.push(again.node.seq, again);
      else this.#conversations.due(again as Returned);
    }
    for (let lease = this.leases.endNext(now); lease; lease = this.leases.endNext(now)) {
      this.giveBack(lease, lease.attempts, now);
    }
  }

  /** Returns the next moment at which a message may become deliverable by itself. */
  get nextAt(): number {
    return Math.min(this.#log.nextAt, this.#scheduled.nextAt, this.leases.nextAt);
  }

  /** Lets go of a message that is acknowledged or dead. */
  settled(node: Node, now: number): void {
    this.#conversations.finish(node, now);
    this.#log.settled(node);
  }

  /** Makes a message whose lease was ended deliverable again, at its old place. */
  giveBack(lease: Lease, attempts: number, now: number): void {
    const { node } = lease;
    if (node.removed) return this.#conversations.finish(node, now);
    if (node instanceof KeyedNode) return this.#conversations.giveBack(node, attempts, now);
    this.#redeliverable.push(node.seq, { node, attempts });
    this.wake();
  }

  /** Retries a message whose lease was ended: it comes again at `at`. */
  retry(lease: Lease, at: number, now: number): void {
    const { node, attempts } = lease;
    if (at <= now || node.removed) return this.giveBack(lease, attempts, now);
    const keyed = node instanceof KeyedNode;
    this.#scheduled.push(at, keyed ? this.#conversations.schedule(node, attempts, now) : { node, attempts });
    this.wake(); // so that a waiting receive waits no longer than until then
  }

  /** Puts a message whose lease was ended among the dead letters. */
  deadLetter(lease: Lease, death: Death): void {
    const dead = createDeadLetter(++this.#died, lease, death);
    this.dead.set(dead.letter.id, dead);
  }

  /** Puts a dead letter back, for this group alone, behind every waiting message. */
  revive(id: string, now: number): void {
    this.advance(now); // delayed messages that are due stand before it
    const node = this.#log.place(this.dead.get(id)!.message, now);
    this.dead.delete(id);
    if (node instanceof KeyedNode) return this.#conversations.place(node);
    this.#redeliverable.push(node.seq, { node, attempts: 0 });
    this.wake();
  }

  /** Looks at what it has not settled. */
  unsettled(now: number): Unsettled {
    this.advance(now);
    return {
      leased: this.leases.all(),
      redeliverable: this.#redeliverable,
      scheduled: this.#scheduled,
      reached: this.#cursor,
      conversations: this.#conversations,
    };
  }

  /** Counts messages by state. */
  depth(now: number): QueueDepth {
    this.advance(now);
    const { blocked, free } = this.#conversations;
    let ready = this.#unread + free;
    for (const { node } of this.#redeliverable) if (!node.removed) ready += 1;
    let delayed = this.#log.delayed;
    for (const { node } of this.#scheduled) if (!node.removed) delayed += 1;
    return { ready, inFlight: this.leases.size, delayed, blocked, dead: this.dead.size };
  }

  /** Notes that a message was added to the log. */
  added(node: Node): void {
    if (node instanceof KeyedNode) return this.#conversations.append(node);
    this.#unread += 1;
    this.wake();
  }

  /** Notes that a message was removed from the log that not every group has settled. */
  removed(node: Node): void {
    const keyed = node instanceof KeyedNode;
    if (keyed) this.#conversations.remove(node);
    if (node.seq > this.#cursor) {
      if (!keyed) this.#unread -= 1;
    } else if (++this.#stale >= STALE && this.#stale * 2 >= this.#redeliverable.size + this.#scheduled.size) {
      this.#stale = 0;
      for (const heap of [this.#redeliverable, this.#scheduled]) heap.keep((again) => !again.node.removed);
    }
  }

  /** Resolves when a message may be deliverable, at the given time at the latest, or when the signal aborts. */
  waitUntil(at: number, clock: Clock, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake);
        clock.clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = clock.setTimeout(wake, Math.min(at, this.nextAt) - monotonic(clock));
      signal.addEventListener("abort", wake);
      this.#waiters.add(wake);
    });
  }

  /** Wakes the waiting receives. */
  wake(): void {
    if (this.#waiters.size > 0) { for (const wake of [...this.#waiters]) wake(); }
  }

  /** @param blockedMs Counts where it is above 0. */
  #lease(node: Node, attempts: number, blockedMs: number, leaseMs: number, now: number): RawDelivery {
    const lease = new Lease(node, attempts, attempts === 1 && blockedMs > 0 ? blockedMs : undefined);
    this.leases.start(lease, leaseMs, now);
    return lease;
  }
}
