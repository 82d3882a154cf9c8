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
   * or `0` whether that was accepted.
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
    } else {
      handling.accepted = what === "1";
      this.#open.delete(id);
    }
  }

  /**
   * When a message was settled for good, no later than is certain. Where no acknowledgement was accepted, any may have been
   * the one: its consumer was killed before it could tell, or repeated it after its lease since the answer came too late.
   */
  #settledAt(all: readonly Handling[]): number {
    const certain = all.find(({ acked, accepted }) => acked && accepted);
    if (certain) return certain.done!;
    return Math.min(...all.filter(({ acked }) => acked).map(({ done }) => done!));
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
      const over = new Map<number, number>();
      for (const { n } of thread) over.set(n, this.#settledAt(thread.filter((one) => one.n === n)));
      for (const [i, one] of thread.entries()) {
        const before = one.n - this.#threads;
        if (before >= 0 && one.from < (over.get(before) ?? Infinity)) {
          const story = thread.filter(({ n }) => n === before || n === one.n);
          inversions.push(`${one.n} before ${before}: ${JSON.stringify(story)}`);
        }
        // Only what was accepted is certain to have been leased until then.
        if (!one.accepted) continue;
        for (const other of thread.slice(i + 1)) {
          if (other.from >= one.done!) break;
          overlaps.push(`${JSON.stringify(other)} beside ${JSON.stringify(one)}`);
        }
      }
    }
    return { lost, inversions, overlaps };
  }
}
