/**
 * The kit's clock, which also tells which timers it holds.
 *
 * @module
 */
import { FakeClock } from "../../testing/faults/fake_clock.ts";

const standing = new FakeClock();

/** Runs everything that can run without time passing. */
export function turn(): Promise<void> {
  return standing.flush();
}

/** A clock turned by hand, which starts at a round number. */
export class HandClock extends FakeClock {
  /** Each timer with the moment when it fires, by the monotonic clock. */
  readonly timers: Map<unknown, number> = new Map();

  constructor(now = 1_000_000) {
    super(now);
  }

  override setTimeout(callback: () => void, ms: number): unknown {
    if (Number.isNaN(ms)) throw new TypeError("a timer of NaN milliseconds");
    const timer: unknown = super.setTimeout(() => {
      this.timers.delete(timer);
      callback();
    }, ms);
    this.timers.set(timer, this.monotonic() + Math.max(0, ms));
    return timer;
  }

  override clearTimeout(timer: unknown): void {
    this.timers.delete(timer);
    super.clearTimeout(timer);
  }

  /** Milliseconds until each timer, the soonest first. */
  waits(): number[] {
    return [...this.timers.values()].map((at) => at - this.monotonic()).sort((a, b) => a - b);
  }
}
