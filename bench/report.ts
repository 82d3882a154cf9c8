/**
 * What the benchmarks print: a line for each figure, beside its budget.
 *
 * @module
 */

/** Messages a second, of a run over `count` messages. */
export type Rate = (count: number) => Promise<number>;

/** The lines of one benchmark. */
export class Report {
  readonly #width: number;
  readonly #rounds: number;
  /** Whether a budget was missed. */
  missed = false;

  /**
   * @param width The width of the names.
   * @param rounds Rounds of a comparison, after one that warms up.
   */
  constructor(width: number, rounds = 5) {
    this.#width = width;
    this.#rounds = rounds;
  }

  /** Prints one figure. Without `ok` it is there for comparison. */
  row(name: string, value: string, budget = "", ok = true): void {
    this.missed ||= !ok;
    console.log(`${name.padEnd(this.#width)} ${value.padEnd(38)} ${budget.padEnd(16)} ${ok ? "ok" : "MISSED"}`);
  }

  /**
   * Measures a pair in turns and prints the ratio of the best rates: other work of the machine only makes a turn slower.
   *
   * @param ours The rate of the backend, and the number of messages.
   * @param theirs The same of what it is compared to.
   * @param budget The least ratio. 0: for comparison.
   */
  async compare(name: string, ours: [Rate, number], theirs: [Rate, number], budget: number): Promise<void> {
    let [best, other] = [0, 0];
    for (let round = 0; round <= this.#rounds; round++) {
      const [a, b] = [await ours[0](ours[1]), await theirs[0](theirs[1])];
      if (round > 0) [best, other] = [Math.max(best, a), Math.max(other, b)];
    }
    const ratio = best / other;
    const value = `${ratio.toFixed(2)}× (${figure(best)}/s to ${figure(other)}/s)`;
    this.row(name, value, budget > 0 ? `≥ ${budget}×` : "", ratio >= budget);
  }
}

/** Returns a whole number with separators. */
export function figure(n: number): string {
  return Math.round(n).toLocaleString("en");
}
