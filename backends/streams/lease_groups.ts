/**
 * The leases that a driver holds.
 *
 * A lease group is one lease on the server: a consumer name with an end. All that is received within a short time shares
 * it, so that the server keeps one end for hundreds of messages, and renewing them is one write. Its length counts
 * from the last receive, so that an entry is leased for `leaseMs` and at most an eighth more. What is settled makes room for
 * others in its group: the server goes through the names of all consumers for some answers, so they are to be few.
 *
 * @module
 */

/** The beginning of every lease's name; the scripts know it too. */
const LEASE_PREFIX = "lease:";

/** A new lease group begins after this fraction of a lease's length: one eighth. */
const SHARE = 8;

/** The most entries of one lease group. Upstash refuses to read for a consumer that has about a thousand pending. */
export const MAX_LEASE_GROUP = 900;

/** One lease on the server. */
export class LeaseGroup {
  readonly name: string;
  /** It has been given entries, so the server has its end. */
  registered = false;
  startedAt = 0;
  /** Entries that it holds, or may be given by a receive that is under way. */
  held = 0;

  /** A lease of this name. */
  constructor(name: string) {
    this.name = name;
  }
}

/** Many messages that one receive gave one after the other, each the only one of its ordering key. */
export interface Run {
  /** As `lua/shared/runs.lua` has them. */
  readonly names: string;
  readonly count: number;
  /** Whether the server keeps them as one. */
  readonly kept: boolean;
}

/** The part of a delivery that settles and renews it. */
export class Lease {
  /** The entry; with `r` in front, one of the replayed. */
  readonly member: string;
  /** Others of this ordering key may wait for the message. */
  readonly orderingKey: string | undefined;
  /** Others of its ordering key may have been leased together with it. */
  readonly together: boolean;
  /** The run that the message was given in. */
  readonly run: Run | undefined;
  group: LeaseGroup;
  /** Where a renewal that has no answer yet, or whose answer was lost, may have moved the entry. */
  other: LeaseGroup | undefined;
  /** Renewals that are under way. */
  renewals = 0;
  /** The answer of a renewal was lost: it may still arrive at the server, so that `other` counts from now on. */
  renewalLost = false;
  /** A settlement was sent that has no answer. */
  unanswered = false;

  /** A lease of an entry within a group. */
  constructor(member: string, group: LeaseGroup, orderingKey?: string, together: boolean = false, run?: Run) {
    this.member = member;
    this.orderingKey = orderingKey;
    this.together = together;
    this.run = run;
    this.group = group;
  }
}

/** Leases that the server can treat alike, by their places in a list. */
export interface LeasePart {
  readonly group: LeaseGroup;
  readonly other: LeaseGroup | undefined;
  readonly unanswered: boolean;
  readonly places: number[];
}

/** Sorts leases into parts. */
export function partsOfLeases(leases: readonly Lease[]): LeasePart[] {
  const parts: LeasePart[] = [];
  const known = new Map<LeaseGroup, LeasePart[]>();
  for (let i = 0; i < leases.length; i++) {
    const { group, other, unanswered } = leases[i]!;
    let some = known.get(group);
    if (some === undefined) known.set(group, some = []);
    let part = some.find((one) => one.other === other && one.unanswered === unanswered);
    if (part === undefined) {
      part = { group, other, unanswered, places: [] };
      some.push(part);
      parts.push(part);
    }
    part.places.push(i);
  }
  return parts;
}

/** The current lease groups of one key and group, by their length of lease. */
export class LeaseGroups {
  readonly #current: Map<number, LeaseGroup[]> = new Map();
  readonly #now: () => number;
  readonly #newName: () => string;
  /** When entries without a lease were last looked for. */
  sweptAt = -Infinity;

  /** Lease groups by a clock, named by a source of unique texts. */
  constructor(now: () => number, unique: () => string) {
    this.#now = now;
    this.#newName = () => LEASE_PREFIX + unique();
  }

  /** A new lease group that nothing is received under yet. */
  fresh(): LeaseGroup {
    return new LeaseGroup(this.#newName());
  }

  /** Reserves places for up to `max` entries of leases this long. */
  reserve(leaseMs: number, max: number): LeaseGroup {
    const now = this.#now();
    const current = (this.#current.get(leaseMs) ?? []).filter(({ registered, startedAt }) =>
      !registered || now - startedAt < leaseMs / SHARE
    );
    this.#current.set(leaseMs, current);
    let group = current.find(({ held }) => held + max <= MAX_LEASE_GROUP);
    if (group === undefined) current.push(group = this.fresh());
    group.held += max;
    return group;
  }

  /** Ends a lease group: nothing more is received under it. */
  end(group: LeaseGroup): void {
    for (const [leaseMs, current] of this.#current) {
      this.#current.set(leaseMs, current.filter((one) => one !== group));
    }
  }

  /** Notes that of `max` reserved places `count` were taken. */
  gave(group: LeaseGroup, max: number, count: number): void {
    group.held -= max - count;
    if (count === 0) return;
    if (!group.registered) group.startedAt = this.#now();
    group.registered = true;
  }
}
