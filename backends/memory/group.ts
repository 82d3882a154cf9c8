/**
 * One group of one key: the messages that it has not seen, has leased, or will deliver again.
 *
 * @module
 */
import { type Clock, monotonic } from "../../core/util/clock.ts";
import type { RawDelivery } from "../../core/driver.ts";
import { cloneJson } from "../../core/util/json.ts";
import type { DeadLetter, FailureCause, JsonObject, QueueDepth } from "../../core/protocol.ts";
import { bodyOfBytes } from "../../core/util/bytes.ts";
import { Conversations, type Parked, type Taking } from "./conversations.ts";
import { TimeHeap } from "./heap.ts";
import { type Kept, type Node, STALE } from "./node.ts";

/** The number of empty lists of leases to keep, one for each length. */
const LENGTHS_KEPT = 4;

/** A lease: one delivery of one message. A redelivery is a new lease, so a late settlement finds its own ended. */
export class Lease implements RawDelivery {
  readonly node: Node;
  readonly attempts: number;
  readonly blockedMs: number | undefined;
  readonly body: JsonObject | string | undefined;
  until = 0;
  before: Lease | undefined;
  after: Lease | undefined;
  list: LeaseList | undefined;

  /** The n-th delivery of a message. */
  constructor(node: Node, attempts: number, blockedMs: number | undefined) {
    this.node = node;
    this.attempts = attempts;
    this.blockedMs = blockedMs;
    const { payload } = node;
    this.body = typeof payload !== "object" ? payload : payload instanceof Uint8Array ? undefined : cloneJson(payload);
  }

  /** A delivery is its own lease, so `settle` needs no search. */
  get lease(): this {
    return this;
  }

  get id(): string {
    return this.node.id;
  }

  get orderingKey(): string | undefined {
    return this.node.orderingKey;
  }

  get headers(): Readonly<Record<string, string>> | undefined {
    return this.node.headers;
  }

  get publishedAt(): number | undefined {
    return this.node.publishedAt;
  }
}

/** Leases of one length, in the order in which they end: taken and renewed at the end, so always sorted. */
class LeaseList {
  first: Lease | undefined;
  #last: Lease | undefined;

  add(lease: Lease): void {
    lease.list = this;
    lease.before = this.#last;
    lease.after = undefined;
    if (this.#last) this.#last.after = lease;
    else this.first = lease;
    this.#last = lease;
  }

  remove(lease: Lease): void {
    if (lease.before) lease.before.after = lease.after;
    else this.first = lease.after;
    if (lease.after) lease.after.before = lease.before;
    else this.#last = lease.before;
    lease.list = lease.before = lease.after = undefined;
  }
}

/** The log of a key, as its groups use it. */
export interface Log {
  /** The number of messages that are published and not yet visible. */
  readonly delayed: number;
  /** Monotonic milliseconds at which the next delayed message becomes visible. */
  readonly nextAt: number;
  /** Makes visible what is due and removes what has expired. */
  advance(now: number): void;
  /** Notes that one group has settled a message. */
  settled(node: Node): void;
  /** Creates a place outside the log, for a message that one group alone sees again. */
  place(message: Kept, now: number): Node;
}

/** A dead letter, with its message. */
export interface Dead {
  /** The n-th of its group. */
  readonly n: number;
  readonly letter: DeadLetter;
  readonly message: Kept;
}

/** What a group has not settled, by where it stands. Removed messages may be among them. */
export interface Unsettled {
  readonly leased: Iterable<Parked>;
  readonly redeliverable: Iterable<Parked>;
  readonly scheduled: Iterable<Parked>;
  /** Behind another of their ordering key. */
  readonly parked: Iterable<Parked>;
  /** The first message that it has not reached. */
  readonly unread: Node | undefined;
  /** Whether nothing but a message before it in the order keeps this one from being delivered. */
  isFree(node: Node): boolean;
}

/** A group's view of a key. */
export class Group {
  /** The number of messages of the log that it has not seen. */
  unread = 0;
  readonly dead: Map<string, Dead> = new Map();
  readonly #log: Log;
  #cursor: Node;
  #inFlight = 0;
  #died = 0;
  /** The number of seen messages that were removed; some of them still stand among the redeliverable ones. */
  #stale = 0;
  readonly #leases: Map<number, LeaseList> = new Map();
  /** Seen before and deliverable now, by their place in the order. */
  readonly #redeliverable: TimeHeap<Parked> = new TimeHeap();
  /** Seen before and deliverable later, by their time. */
  readonly #scheduled: TimeHeap<Parked> = new TimeHeap();
  readonly #conversations: Conversations = new Conversations();
  #calls = 0;
  readonly #waiters: Set<() => void> = new Set();

  /** Creates a group that starts after a place in the log. */
  constructor(log: Log, cursor: Node) {
    this.#log = log;
    this.#cursor = cursor;
  }

  /** Leases up to `max` messages, in the order of their places. A redelivered message has its old place. */
  take(max: number, leaseMs: number, now: number, maxPerOrderingKey = 1): RawDelivery[] {
    this.advance(now);
    const taken: RawDelivery[] = [];
    const taking: Taking = { call: ++this.#calls, maxPerOrderingKey };
    const lease = (node: Node, attempts: number) => {
      taken.push(this.#lease(node, attempts + 1, leaseMs, now));
      for (const joined of this.#conversations.join(node, taking, max - taken.length)) {
        taken.push(this.#lease(joined.node, joined.attempts + 1, leaseMs, now));
      }
    };
    while (taken.length < max) {
      const { next } = this.#cursor;
      const again = this.#redeliverable.popDue(next === undefined ? Infinity : next.seq);
      if (again !== undefined) {
        const { node, attempts } = again;
        if (!node.removed && this.#conversations.take(node, attempts, taking)) lease(node, attempts);
      } else if (next !== undefined) {
        this.#cursor = next;
        if (next.removed) continue;
        this.unread -= 1;
        if (this.#conversations.take(next, 0, taking)) lease(next, 0);
      } else {
        break;
      }
    }
    return taken;
  }

  /** Makes messages deliverable whose delay is over or whose lease has ended. */
  advance(now: number): void {
    this.#log.advance(now);
    for (let again = this.#scheduled.popDue(now); again; again = this.#scheduled.popDue(now)) {
      if (again.node.removed) continue;
      if (again.node.orderingKey === undefined) this.#redeliverable.push(again.node.seq, again);
      else this.#promote(this.#conversations.due(again.node, again.attempts));
    }
    for (const [leaseMs, list] of this.#leases) {
      for (let lease = list.first; lease && lease.until <= now; lease = list.first) {
        this.#end(lease);
        this.#return(lease, lease.attempts, now);
      }
      if (list.first === undefined && this.#leases.size > LENGTHS_KEPT) this.#leases.delete(leaseMs);
    }
  }

  /** Returns the next moment at which a message may become deliverable by itself. */
  get nextAt(): number {
    let at = Math.min(this.#log.nextAt, this.#scheduled.nextAt);
    for (const list of this.#leases.values()) at = Math.min(at, list.first?.until ?? Infinity);
    return at;
  }

  /** Acknowledges a message. */
  ack(lease: Lease, now: number): boolean {
    if (!this.#holds(lease, now)) return false;
    this.#end(lease);
    this.#settled(lease.node, now);
    return true;
  }

  /** Retries a message: it comes again at `at`. */
  retry(lease: Lease, at: number, now: number): boolean {
    if (!this.#holds(lease, now)) return false;
    this.#end(lease);
    if (at <= now || lease.node.removed) this.#return(lease, lease.attempts, now);
    else {
      if (lease.node.orderingKey !== undefined) this.#promote(this.#conversations.schedule(lease.node, now));
      this.#scheduled.push(at, { node: lease.node, attempts: lease.attempts });
      this.wake(); // so that a waiting receive waits no longer than until then
    }
    return true;
  }

  /** Releases a message: it comes again as if it had not been delivered. */
  release(lease: Lease, now: number): boolean {
    if (!this.#holds(lease, now)) return false;
    this.#end(lease);
    this.#return(lease, lease.attempts - 1, now);
    return true;
  }

  /** Moves a message to the dead letters. */
  deadLetter(lease: Lease, key: string, name: string, cause: FailureCause, now: number, diedAt: Date): boolean {
    if (!this.#holds(lease, now)) return false;
    const { node: message, attempts } = lease;
    const n = ++this.#died;
    const id = `${message.seq}-${n}`;
    const { payload } = message;
    this.dead.set(id, {
      n,
      message,
      letter: {
        id,
        messageId: message.id,
        key,
        group: name,
        payload: undefined,
        ...payload instanceof Uint8Array
          ? bodyOfBytes(payload)
          : { body: typeof payload === "object" ? JSON.stringify(payload) : payload ?? "" },
        headers: message.headers ?? {},
        attempts,
        cause,
        publishedAt: message.publishedAt === undefined ? undefined : new Date(message.publishedAt),
        diedAt,
      },
    });
    this.#end(lease);
    this.#settled(lease.node, now);
    return true;
  }

  /** Makes a lease end later, or sooner. */
  extend(lease: Lease, leaseMs: number, now: number): boolean {
    if (!this.#holds(lease, now)) return false;
    lease.list!.remove(lease);
    this.#start(lease, leaseMs, now);
    return true;
  }

  /** Puts a dead letter back, for this group alone, behind every waiting message. */
  revive(id: string, now: number): void {
    this.advance(now); // delayed messages that are due stand before it
    const { message } = this.dead.get(id)!;
    this.dead.delete(id);
    const node = this.#log.place(message, now);
    this.#conversations.add(node);
    this.#redeliverable.push(node.seq, { node, attempts: 0 });
    this.wake();
  }

  /** Looks at what it has not settled. */
  unsettled(now: number): Unsettled {
    this.advance(now);
    const leased: Parked[] = [];
    for (const list of this.#leases.values()) {
      for (let lease = list.first; lease; lease = lease.after) leased.push(lease);
    }
    return {
      leased,
      redeliverable: this.#redeliverable,
      scheduled: this.#scheduled,
      parked: this.#conversations.parked(),
      unread: this.#cursor.next,
      isFree: (node) => this.#conversations.isFree(node),
    };
  }

  /** Counts messages by state. */
  depth(now: number): QueueDepth {
    this.advance(now);
    const { blocked, waiting } = this.#conversations;
    let ready = this.unread + waiting - blocked;
    for (const { node } of this.#redeliverable) if (!node.removed) ready += 1;
    let delayed = this.#log.delayed;
    for (const { node } of this.#scheduled) if (!node.removed) delayed += 1;
    return { ready, inFlight: this.#inFlight, delayed, blocked, dead: this.dead.size };
  }

  /** Notes that a message was added to the log. */
  added(node: Node): void {
    this.unread += 1;
    this.#conversations.add(node);
    if (this.#waiters.size > 0) this.wake();
  }

  /** Notes that a message was removed from the log that this group has not settled. */
  removed(node: Node): void {
    const passed = node.seq <= this.#cursor.seq;
    this.#promote(this.#conversations.remove(node, passed));
    if (!passed) {
      this.unread -= 1;
    } else if (++this.#stale >= STALE && this.#stale * 2 >= this.#redeliverable.size + this.#scheduled.size) {
      this.#stale = 0;
      for (const heap of [this.#redeliverable, this.#scheduled]) heap.keep((again) => !again.node.removed);
    }
  }

  /** Moves the group's cursor back when its place is about to leave the log. */
  unlinked(node: Node): void {
    if (this.#cursor === node) this.#cursor = node.before!;
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
    for (const wake of [...this.#waiters]) wake();
  }

  #lease(node: Node, attempts: number, leaseMs: number, now: number): RawDelivery {
    const lease = new Lease(node, attempts, attempts === 1 ? this.#conversations.blockedMs(node) : undefined);
    this.#start(lease, leaseMs, now);
    this.#inFlight += 1;
    return lease;
  }

  #start(lease: Lease, leaseMs: number, now: number): void {
    lease.until = now + leaseMs;
    let list = this.#leases.get(leaseMs);
    if (list === undefined) this.#leases.set(leaseMs, list = new LeaseList());
    list.add(lease);
  }

  #holds(lease: Lease, now: number): boolean {
    // A lease that has run out is over although no consumer has taken the message since: it is deliverable.
    return lease.list !== undefined && lease.until > now;
  }

  #end(lease: Lease): void {
    lease.list!.remove(lease);
    this.#inFlight -= 1;
  }

  #settled(node: Node, now: number): void {
    if (node.orderingKey !== undefined) this.#promote(this.#conversations.finish(node, now));
    this.#log.settled(node);
  }

  /** Makes the next message of an ordering key deliverable. */
  #promote(next: Parked | undefined): void {
    if (next === undefined) return;
    this.#redeliverable.push(next.node.seq, next);
    if (this.#waiters.size > 0) this.wake();
  }

  #return(lease: Lease, attempts: number, now: number): void {
    const { node } = lease;
    if (node.orderingKey !== undefined) {
      const { removed } = node;
      this.#promote(
        removed ? this.#conversations.finish(node, now) : this.#conversations.giveBack(node, attempts, now),
      );
      return;
    }
    if (node.removed) return;
    this.#redeliverable.push(node.seq, { node, attempts });
    if (this.#waiters.size > 0) this.wake();
  }
}
