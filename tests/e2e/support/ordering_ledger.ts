/**
 * What the consumers of a soak did to messages with ordering keys, and whether that was in order: message `n` belongs to
 * the conversation `n % threads`.
 *
 * @module
 */

/** One delivery: times are epoch milliseconds of one computer. */
interface Handling {
  readonly n: number;
  readonly who: number;
  readonly from: number;
  /** When its handler was done, before it asked for the settlement. */
  done?: number;
  /** Whether the settlement was accepted. */
  accepted?: boolean;
  /** It was acknowledged, and not given back. */
  acked?: boolean;
  /** Its consumer was told that the lease is lost, or has given it up. */
  lost?: boolean;
  killedAt?: number;
}

/** Collects what consumers say, in lines of `what n attempt time`. */
export class OrderingLedger {
  readonly #threads: number;
  readonly #all: Handling[] = [];
  readonly #open: Map<string, Handling> = new Map();
  readonly #seen: Set<number> = new Set();

  /** A ledger of so many conversations. */
  constructor(threads: number) {
    this.#threads = threads;
  }

  /** The number of messages whose handler was done once. */
  get handled(): number {
    return this.#seen.size;
  }

  /** The number of deliveries. */
  get deliveries(): number {
    return this.#all.length;
  }

  /**
   * Notes what a consumer says: `b` a handler begins, `d` it is done and acknowledges, `r` it is done and gives back, `1`
   * or `0` whether that was accepted, `l` the lease is lost.
   */
  note(who: number, line: string): void {
    const [what = "", number, attempt, time] = line.split(" ");
    const [n, at] = [Number(number), Number(time)];
    // After a lost lease one consumer may have two deliveries of a message in hand.
    const id = `${who}:${n}:${attempt}`;
    if (what === "b") {
      const handling: Handling = { n, who, from: at };
      this.#all.push(handling);
      this.#open.set(id, handling);
      return;
    }
    const handling = this.#open.get(id);
    if (handling === undefined) return;
    if (what === "d" || what === "r") {
      handling.done = at;
      handling.acked = what === "d";
      if (what === "d") this.#seen.add(n);
    } else if (what === "l") {
      handling.lost = true;
    } else {
      handling.accepted = what === "1";
      this.#open.delete(id);
    }
  }

  /** Notes that a consumer was killed. */
  killed(who: number, at: number): void {
    for (const handling of this.#open.values()) if (handling.who === who) handling.killedAt ??= at;
  }

  /**
   * Looks through everything.
   *
   * @param count The number of messages that were published.
   */
  problems(count: number): { readonly lost: string[]; readonly inversions: string[]; readonly overlaps: string[] } {
    const [lost, inversions, overlaps]: [string[], string[], string[]] = [[], [], []];
    const threads = Array.from({ length: this.#threads }, (): Handling[] => []);
    for (const handling of this.#all) threads[handling.n % this.#threads]!.push(handling);
    for (let n = 0; n < count; n++) if (!this.#seen.has(n)) lost.push(`${n}`);
    for (const thread of threads) {
      thread.sort((one, other) => one.from - other.from);
      /** When each message was settled for good, as late as is certain. */
      const over = new Map<number, number>();
      for (const { n, done, acked, accepted } of thread) {
        if (!acked || accepted === false) continue;
        if (accepted) over.set(n, done!);
        else if (!over.has(n)) over.set(n, done!);
      }
      for (const [i, one] of thread.entries()) {
        const before = one.n - this.#threads;
        if (before >= 0 && one.from < (over.get(before) ?? Infinity)) inversions.push(`${one.n} before ${before}`);
        const until = one.lost || one.accepted === false ? -Infinity : one.done ?? one.killedAt ?? -Infinity;
        for (const other of thread.slice(i + 1)) {
          if (other.from >= until) break;
          overlaps.push(`${other.n} at ${other.from} beside ${one.n} until ${until}`);
        }
      }
    }
    return { lost, inversions, overlaps };
  }
}
