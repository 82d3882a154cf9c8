/**
 * What the consumers of an ordering soak say of their handlers, held against the broker's own record of its leases.
 *
 * The broker's record ({@link LeaseHistory}) tells whether leases were given in order. This tells whether handlers ran so, too:
 *
 * - An **inversion**: a handler began before that handler of an earlier message of its ordering key was done whose
 *   acknowledgement the broker took.
 * - An **overlap**: a handler began while another of its ordering key ran under a lease that lasted. A lease whose
 *   settlement the broker took lasted until its handler asked for that; any other until its end in the broker's record,
 *   whether its consumer was killed, stood still, or believed that it had it.
 * - A **loss**: the broker took a message as settled, and no handler under that lease was done with it.
 * - A **lie**: a settlement returned true, and the broker's record has no such settlement under that lease.
 *
 * A lease is named by the message and its count of attempts. The other way round, a settlement that was taken and refused
 * when it was repeated after its lease had ended, since the answer to the first came too late, is no fault. It is counted.
 *
 * @module
 */
import type { Grant, LeaseHistory } from "./lease_history.ts";

/** One delivery: times are milliseconds of the broker's clock. */
interface Handling {
  readonly n: number;
  readonly attempts: number;
  readonly who: number;
  readonly from: number;
  /** When its handler was done, before it asked for the settlement. */
  done?: number;
  /** It asked to be acknowledged, and not to be given back. */
  acked?: boolean;
  /** What the settlement returned. */
  accepted?: boolean;
}

/** A delivery, its lease, and the time from which another of its ordering key may begin. */
interface Judged {
  readonly handling: Handling;
  readonly grant: Grant;
  readonly until: number;
}

/** What was wrong, and how often what is no fault happened. */
export interface Verdict {
  readonly lost: readonly string[];
  readonly inversions: readonly string[];
  readonly overlaps: readonly string[];
  readonly lies: readonly string[];
  /** Handlers that went on after their lease had ended. */
  readonly outlived: number;
  /** Settlements that were taken, and refused when they were repeated. */
  readonly refusedTwice: number;
}

/** Collects what consumers say, in lines of `what n attempts time`. */
export class OrderingLedger {
  readonly #threads: number;
  readonly #all: Handling[] = [];
  readonly #open: Map<string, Handling> = new Map();
  readonly #seen: Set<number> = new Set();

  /**
   * An empty ledger.
   *
   * @param threads The number of ordering keys: message `n` has that of `n % threads`.
   */
  constructor(threads: number) {
    this.#threads = threads;
  }

  /** The number of messages whose handler was done once. */
  get handled(): number {
    return this.#seen.size;
  }

  /** The number of deliveries that handlers began. */
  get deliveries(): number {
    return this.#all.length;
  }

  /**
   * Notes what a consumer says: `b` a handler begins, `s` it stops its whole process for a while, `d` it is done and
   * acknowledges, `r` it is done and gives back, `1` or `0` whether that was accepted.
   */
  note(who: number, line: string): void {
    const [what = "", number, attempt, time] = line.split(" ");
    const [n, attempts, at] = [Number(number), Number(attempt), Number(time)];
    // After a lost lease one consumer may have two deliveries of a message in hand.
    const id = `${who}:${n}:${attempts}`;
    if (what === "b") {
      const handling: Handling = { n, attempts, who, from: at };
      this.#all.push(handling);
      this.#open.set(id, handling);
      return;
    }
    const handling = this.#open.get(id);
    if (handling === undefined || what === "s") return;
    if (what === "d" || what === "r") {
      handling.done = at;
      handling.acked = what === "d";
      if (what === "d") this.#seen.add(n);
    } else {
      handling.accepted = what === "1";
      this.#open.delete(id);
    }
  }

  /**
   * Judges everything.
   *
   * @param history The broker's record, which is complete.
   * @param count The number of messages that were published.
   */
  judge(history: LeaseHistory, count: number): Verdict {
    const lost = [...history.lost];
    const inversions = [...history.inversions];
    const overlaps = [...history.overlaps];
    const lies: string[] = [];
    const threads = Array.from({ length: this.#threads }, (): Judged[] => []);
    const finished = new Set<number>();
    const known = new Set<Grant>();
    let [outlived, refusedTwice] = [0, 0];
    for (const handling of this.#all) {
      const { n, attempts, acked, done, accepted } = handling;
      const grant = history.grant(n, attempts);
      if (grant === undefined) {
        overlaps.push(`nobody had leased ${JSON.stringify(handling)}`);
        continue;
      }
      if (known.has(grant)) overlaps.push(`a second handler under one lease: ${JSON.stringify(handling)}`);
      known.add(grant);
      // What was given back before its handler asked for it was cleared away by another, after its lease.
      const givenBack = grant.over === "returned" && done! <= grant.returnedAt!;
      const taken = acked === undefined ? false : acked ? grant.over === "acked" : givenBack;
      if (accepted && !taken) lies.push(`${JSON.stringify(handling)}, ${JSON.stringify(grant)}`);
      if (taken && accepted === false) refusedTwice += 1;
      if (taken && acked) finished.add(n);
      const until = taken ? done! : Math.min(done ?? Infinity, grant.lostAt ?? Infinity);
      if ((done ?? until) > until) outlived += 1;
      threads[n % this.#threads]!.push({ handling, grant, until });
    }
    for (let n = 0; n < count; n++) {
      if (!finished.has(n)) lost.push(`no handler was done with ${n} under its last lease`);
    }
    for (const thread of threads) compare(thread, inversions, overlaps);
    return { lost, inversions, overlaps, lies, outlived, refusedTwice };
  }
}

/** Holds the handlers of one ordering key against each other, in the order of their leases. */
function compare(thread: Judged[], inversions: string[], overlaps: string[]): void {
  thread.sort((one, other) => one.grant.order - other.grant.order);
  let last: Judged | undefined;
  let highest = -1;
  for (const one of thread) {
    const { n, from } = one.handling;
    if (n < highest) inversions.push(`${JSON.stringify(one)} after ${highest}`);
    if (last && from < last.until) {
      (n === last.handling.n ? overlaps : inversions).push(`${JSON.stringify(one)} beside ${JSON.stringify(last)}`);
    }
    highest = Math.max(highest, n);
    if (last === undefined || one.until > last.until) last = one;
  }
}
