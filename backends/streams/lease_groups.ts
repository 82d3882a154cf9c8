/**
 * The leases that a driver holds.
 *
 * An epoch is one lease on the server: a consumer name with an end. All that is received within a short time shares
 * it, so that the server keeps one end for hundreds of messages, and renewing them is one write. Its length counts
 * from the last receive, so that an entry is leased for `leaseMs` and at most an eighth more.
 *
 * @module
 */
/** The beginning of every lease's name; `lua/receive.lua` knows it too. */
const LEASE_PREFIX = "lease:";

/** What part of a lease's length may pass before a new epoch begins. */
const SHARE = 8;

/** The most entries of one epoch. Upstash refuses to read for a consumer who has about a thousand pending. */
export const MAX_LEASE_GROUP = 900;

/** One lease on the server. */
export class LeaseGroup {
  readonly name: string;
  /** It has been given entries, so the server has its end. */
  registered = false;
  startedAt = 0;
  /** Entries that it was given. */
  given = 0;

  /** A lease of this name. */
  constructor(name: string) {
    this.name = name;
  }
}

/** What settles and renews one delivery. */
export class Lease {
  /** The entry; with `r` in front, one of the replayed. */
  readonly member: string;
  epoch: LeaseGroup;

  /** A lease of an entry within an epoch. */
  constructor(member: string, epoch: LeaseGroup) {
    this.member = member;
    this.epoch = epoch;
  }
}

/** Groups leases by epoch, keeping the place of each. */
export function byLeaseGroup(leases: readonly Lease[]): Map<LeaseGroup, number[]> {
  const places = new Map<LeaseGroup, number[]>();
  for (let i = 0; i < leases.length; i++) {
    const { epoch } = leases[i]!;
    const some = places.get(epoch);
    if (some) some.push(i);
    else places.set(epoch, [i]);
  }
  return places;
}

/** The current epochs of one key and group, one for each length of lease. */
export class LeaseGroups {
  readonly #current: Map<number, LeaseGroup> = new Map();
  readonly #now: () => number;
  readonly #newName: () => string;
  /** When entries without a lease were last looked for. */
  sweptAt = -Infinity;

  /** Epochs by a clock, named by a source of unique texts. */
  constructor(now: () => number, unique: () => string) {
    this.#now = now;
    this.#newName = () => LEASE_PREFIX + unique();
  }

  /** A new epoch that is nobody's current one. */
  fresh(): LeaseGroup {
    return new LeaseGroup(this.#newName());
  }

  /** The epoch for up to `max` entries of leases this long. */
  current(leaseMs: number, max: number): LeaseGroup {
    let epoch = this.#current.get(leaseMs);
    const spent = epoch?.registered &&
      (this.#now() - epoch.startedAt >= leaseMs / SHARE || epoch.given + max > MAX_LEASE_GROUP);
    if (epoch === undefined || spent) {
      epoch = this.fresh();
      this.#current.set(leaseMs, epoch);
    }
    return epoch;
  }

  /** Ends an epoch: nothing more is received under it. */
  end(leaseMs: number, epoch: LeaseGroup): void {
    if (this.#current.get(leaseMs) === epoch) this.#current.delete(leaseMs);
  }

  /** Notes that an epoch was given entries. */
  gave(epoch: LeaseGroup, count: number): void {
    if (!epoch.registered) epoch.startedAt = this.#now();
    epoch.registered = true;
    epoch.given += count;
  }
}
