/**
 * The leases of one group.
 *
 * @module
 */
import type { RawDelivery } from "../../core/driver.ts";
import type { JsonObject } from "../../core/protocol.ts";
import { cloneJson } from "../../core/util/json.ts";
import type { Node } from "./node.ts";

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
    return this.node.details.headers;
  }

  get publishedAt(): number | undefined {
    return this.node.details.publishedAt;
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

/** The leases that are out. */
export class Leases {
  /** The number of leases. */
  size = 0;
  readonly #lists: Map<number, LeaseList> = new Map();

  /** The time at which the first lease ends; `Infinity` where there is none. */
  get nextAt(): number {
    let at = Infinity;
    for (const { first } of this.#lists.values()) if (first && first.until < at) at = first.until;
    return at;
  }

  /** Starts a lease. */
  start(lease: Lease, leaseMs: number, now: number): void {
    lease.until = now + leaseMs;
    let list = this.#lists.get(leaseMs);
    if (list === undefined) this.#lists.set(leaseMs, list = new LeaseList());
    list.add(lease);
    this.size += 1;
  }

  /** Ends a lease. Returns false where it was over before: its message is another consumer's, or will be. */
  end(lease: Lease, now: number): boolean {
    // A lease that has run out is over although no consumer has taken the message since: it is deliverable.
    if (lease.list === undefined || lease.until <= now) return false;
    this.#remove(lease);
    return true;
  }

  /** Makes a lease end later, or sooner. */
  extend(lease: Lease, leaseMs: number, now: number): boolean {
    if (!this.end(lease, now)) return false;
    this.start(lease, leaseMs, now);
    return true;
  }

  /** Ends a lease that has run out by now. Returns it; undefined where there is none. */
  endNext(now: number): Lease | undefined {
    for (const [leaseMs, { first }] of this.#lists) {
      if (first !== undefined && first.until <= now) {
        this.#remove(first);
        return first;
      }
      if (first === undefined && this.#lists.size > LENGTHS_KEPT) this.#lists.delete(leaseMs);
    }
    return undefined;
  }

  /** Yields all leases. */
  *all(): Iterable<Lease> {
    for (const { first } of this.#lists.values()) {
      for (let lease = first; lease; lease = lease.after) yield lease;
    }
  }

  #remove(lease: Lease): void {
    lease.list!.remove(lease);
    this.size -= 1;
  }
}
