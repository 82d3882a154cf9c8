/**
 * When to pull again: each empty pull is billed, so the gaps between them grow.
 *
 * @module
 */
import { type Clock, monotonic } from "../../core/util/clock.ts";

/** The gap after the first empty pull; it doubles from there. */
const FIRST_GAP_MS = 250;

/** The pulls of one key. */
export class Poll {
  readonly #clock: Clock;
  readonly #maxGapMs: number;
  readonly #sleepers = new Set<() => void>();
  #gapMs = 0;
  #lastAt = 0;
  #expectedAt = Infinity;

  /** The first pull is due at once. */
  constructor(clock: Clock, maxGapMs: number) {
    this.#clock = clock;
    this.#maxGapMs = maxGapMs;
  }

  /** Milliseconds until the next pull is due. */
  get dueMs(): number {
    return Math.min(this.#lastAt + this.#gapMs, this.#expectedAt) - monotonic(this.#clock);
  }

  /** Tells what a pull brought. */
  pulled(count: number): void {
    this.#lastAt = monotonic(this.#clock);
    if (this.#expectedAt <= this.#lastAt) this.#expectedAt = Infinity;
    this.#gapMs = count > 0 ? 0 : Math.min(Math.max(this.#gapMs * 2, FIRST_GAP_MS), this.#maxGapMs);
  }

  /** Something is known to be there in `ms`: the next pull is due no later. */
  expect(ms: number): void {
    this.#expectedAt = Math.min(this.#expectedAt, monotonic(this.#clock) + ms);
    for (const wake of [...this.#sleepers]) wake();
  }

  /** Resolves after `ms`, or when it is woken, or when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#clock.clearTimeout(timer);
        this.#sleepers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = this.#clock.setTimeout(wake, ms);
      this.#sleepers.add(wake);
      signal.addEventListener("abort", wake);
      if (signal.aborted) wake();
    });
  }
}

/** The most pulls of one idle hour with such a longest gap. */
export function pullsPerHour(maxGapMs: number): number {
  return Math.ceil(3_600_000 / maxGapMs) + Math.max(0, Math.ceil(Math.log2(maxGapMs / FIRST_GAP_MS))) + 1;
}
