/**
 * Tables, JSON and progress.
 *
 * @module
 */
import type { Io, Output } from "./io.ts";

/** The space between two columns. */
const GAP = "  ";
/** The narrowest that a column is cut to. */
const NARROWEST = 8;
/** Milliseconds between two pictures of a progress bar. */
const FRAME_MS = 100;
/** The characters of a progress bar. */
const BAR = 24;

/** A column of a table. */
export interface Column {
  /** The heading. */
  readonly title: string;
  /**
   * Where the text stands.
   *
   * @default "left"
   */
  readonly align?: "left" | "right" | undefined;
  /** True for a column that is cut where the terminal is too narrow. */
  readonly cut?: boolean | undefined;
}

/** Returns lines with aligned columns and no heading. */
export function columns(rows: readonly (readonly string[])[], indent = ""): string {
  const widths = widthsOf(rows);
  return rows.map((row) => `${indent}${line(row, widths)}\n`).join("");
}

/**
 * Returns a table for people. On a terminal the columns that allow it are cut, so that no line is wider than it is.
 *
 * @param width The width of the terminal; `Infinity` where nobody looks.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width = Infinity): string {
  const all = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))];
  const widths = fit(widthsOf(all), columns, width);
  const aligns = columns.map(({ align = "left" }) => align);
  return all.map((row) => `${line(row.map((cell, at) => cutTo(cell, widths[at]!)), widths, aligns)}\n`).join("");
}

/** The width for {@link table}: the terminal's, or none where the output is a file or a pipe. */
export function widthOf({ isTTY, columns }: Output): number {
  return isTTY ? columns : Infinity;
}

/** Writes one JSON document. */
export async function writeJson({ stdout }: Io, value: unknown): Promise<void> {
  await stdout.write(`${JSON.stringify(value, null, stdout.isTTY ? 2 : undefined)}\n`);
}

/** Writes one line of JSON: an entry of a list that may be long, or never ends. */
export async function writeJsonLine({ stdout }: Io, value: unknown): Promise<void> {
  await stdout.write(`${JSON.stringify(value)}\n`);
}

/** Control characters, which would move a terminal's cursor or colour what follows. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Returns text that is safe to write to a terminal: what a stranger sent must not move its cursor. */
export function printable(text: string): string {
  return text.replace(CONTROL, " ");
}

/** Shows how far long work is, where a person looks. */
export class Progress {
  readonly #output: Output;
  readonly #clock: Io["clock"];
  readonly #what: string;
  readonly #total: number | undefined;
  #shownAt = -Infinity;
  #width = 0;

  /**
   * Creates a progress bar on the standard error.
   *
   * @param what What is counted, such as `"moved"`.
   * @param total How many there will be, where that is known.
   */
  constructor({ stderr, clock }: Io, what: string, total?: number) {
    this.#output = stderr;
    this.#clock = clock;
    this.#what = what;
    this.#total = total;
  }

  /** Shows a count, at most ten times a second. */
  show(done: number): void {
    const now = this.#clock.now();
    if (!this.#output.isTTY || now - this.#shownAt < FRAME_MS) return;
    this.#shownAt = now;
    this.#draw(done);
  }

  /** Removes the bar. */
  end(): void {
    if (this.#width > 0) void this.#output.write(`\r${" ".repeat(this.#width)}\r`);
    this.#width = 0;
  }

  #draw(done: number): void {
    const total = this.#total;
    const part = total === undefined || total === 0 ? undefined : Math.min(done / total, 1);
    const filled = part === undefined ? 0 : Math.round(part * BAR);
    const bar = part === undefined ? "" : `${"█".repeat(filled)}${"░".repeat(BAR - filled)} `;
    const text = `${bar}${done}${total === undefined ? "" : ` of ${total}`} ${this.#what}`;
    void this.#output.write(`\r${text.padEnd(this.#width)}`);
    this.#width = Math.max(this.#width, text.length);
  }
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => widths[at] = Math.max(widths[at] ?? 0, cell.length));
  return widths;
}

/** Narrows the columns that may be cut, the widest first, until the line fits. */
function fit(widths: number[], columns: readonly Column[], width: number): number[] {
  const cuttable = columns.flatMap(({ cut }, at) => cut ? [at] : []);
  let over = widths.reduce((sum, one) => sum + one + GAP.length, -GAP.length) - width;
  while (over > 0) {
    const widest = cuttable.reduce((best, at) => widths[at]! > (widths[best] ?? 0) ? at : best, -1);
    if (widest < 0 || widths[widest]! <= NARROWEST) break;
    widths[widest]!--;
    over--;
  }
  return widths;
}

function cutTo(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

function line(row: readonly string[], widths: readonly number[], aligns: readonly string[] = []): string {
  const cells = row.map((cell, at) => aligns[at] === "right" ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!));
  return cells.join(GAP).trimEnd();
}
