/**
 * Prints the demo's table, a line as soon as it is known, and remembers whether all were as they must be.
 *
 * @module
 */

/** One line: what was sent and what came of it. */
export interface Line {
  /** What was sent. */
  readonly request: string;
  /** What was answered. */
  readonly answer: string;
  /** Which handlers saw it. */
  readonly seen?: string | undefined;
  /** How often it was delivered. */
  readonly attempts?: number | undefined;
  /** How many dead letters there are afterwards. */
  readonly dead: number;
  /** What differs from what is expected; empty if nothing does. */
  readonly problems: readonly string[];
}

const COLUMNS = [["request", 43], ["answer", 18], ["the handlers saw", 42], ["attempts", 8], ["dead", 4]] as const;

/** The table. */
export class Table {
  readonly #write: (line: string) => void;
  #lines = 0;
  #wrong = 0;

  /** Writes to `write`, line by line. */
  constructor(write: (line: string) => void) {
    this.#write = write;
    write(`    ${COLUMNS.map(([name, width]) => name.padEnd(width)).join("  ")}`);
    write(`    ${COLUMNS.map(([, width]) => "─".repeat(width)).join("  ")}`);
  }

  /** How many lines there are. */
  get lines(): number {
    return this.#lines;
  }

  /** How many of them are wrong. */
  get wrong(): number {
    return this.#wrong;
  }

  /** Adds a line. */
  add({ request, answer, seen = "–", attempts, dead, problems }: Line): void {
    this.#lines++;
    const cells = [request, answer, seen, attempts?.toString() ?? "–", `${dead}`];
    const text = cells.map((cell, index) => cell.padEnd(COLUMNS[index]![1])).join("  ").trimEnd();
    this.#write(`  ${problems.length === 0 ? "✓" : "✗"} ${text}`);
    if (problems.length > 0) this.#wrong++;
    for (const problem of problems) this.#write(`      ✗ ${problem}`);
  }
}
