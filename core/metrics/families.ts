/**
 * Counters, gauges and histograms, and their text in the format of Prometheus.
 *
 * @module
 */

/** Labels by name. One without a value is left out. */
export type Labels = Readonly<Record<string, string | undefined>>;

/** Upper bounds in seconds of the buckets of a histogram: from a fast broker to a slow handler. */
const BUCKETS: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

interface Histogram {
  /** The observations in each bucket alone; the last one is for what is over all bounds. */
  readonly buckets: number[];
  sum: number;
}

/** Returns labels as text, such as `{key="slack_events"}`; empty where there are none. */
export function labelText(labels: Labels): string {
  const parts = Object.entries(labels)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escape)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escape(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}

/** A number that only grows, or one that goes up and down, for each set of labels. */
export class Family {
  readonly #head: string;
  readonly #name: string;
  readonly #values = new Map<string, number>();

  /** Creates a family without values. */
  constructor(name: string, type: "counter" | "gauge", help: string) {
    this.#name = name;
    this.#head = head(name, type, help);
  }

  /** Adds one. */
  add(labels: string): void {
    this.#values.set(labels, (this.#values.get(labels) ?? 0) + 1);
  }

  /** Begins at 0, where there is no value yet. */
  start(labels: string): void {
    if (!this.#values.has(labels)) this.#values.set(labels, 0);
  }

  /** Sets a value. */
  set(labels: string, value: number): void {
    this.#values.set(labels, value);
  }

  /** Removes all values. */
  clear(): void {
    this.#values.clear();
  }

  /** Returns the text; empty where there is no value. */
  render(): string {
    const lines = Array.from(this.#values, ([labels, value]) => `${this.#name}${labels} ${value}\n`);
    return lines.length === 0 ? "" : this.#head + lines.join("");
  }
}

/** How long things took, for each set of labels. */
export class Durations {
  readonly #head: string;
  readonly #name: string;
  readonly #histograms = new Map<string, Histogram>();

  /** Creates a family without values. */
  constructor(name: string, help: string) {
    this.#name = name;
    this.#head = head(name, "histogram", help);
  }

  /** Adds an observation in milliseconds. */
  observe(labels: string, ms: number): void {
    let histogram = this.#histograms.get(labels);
    if (!histogram) this.#histograms.set(labels, histogram = { buckets: BUCKETS.map(() => 0).concat(0), sum: 0 });
    const seconds = Math.max(ms, 0) / 1000;
    const at = BUCKETS.findIndex((bound) => seconds <= bound);
    histogram.buckets[at < 0 ? BUCKETS.length : at]! += 1;
    histogram.sum += seconds;
  }

  /** Returns the text; empty where there is no value. */
  render(): string {
    const lines = Array.from(this.#histograms, ([labels, { buckets, sum }]) => {
      let count = 0;
      const text = buckets.map((inBucket, at) => {
        count += inBucket;
        const bound = `le="${BUCKETS[at] ?? "+Inf"}"`;
        return `${this.#name}_bucket${labels === "" ? `{${bound}}` : `${labels.slice(0, -1)},${bound}}`} ${count}\n`;
      });
      return `${text.join("")}${this.#name}_sum${labels} ${sum}\n${this.#name}_count${labels} ${count}\n`;
    });
    return lines.length === 0 ? "" : this.#head + lines.join("");
  }
}

function head(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}
