/**
 * The kit's clock, which also tells what it waits for, and can be set back.
 *
 * @module
 */
import { FakeClock } from "../../testing/faults/fake_clock.ts";

const standing = new FakeClock();

/** Lets everything run that can run without time passing. */
export function turn(): Promise<void> {
  return standing.flush();
}

/** Time by hand. Begins at a time that is easy to read. */
export class HandClock extends FakeClock {
  /** What is armed, each with when it fires by the clock as it was before anybody set it. */
  readonly timers: Map<unknown, number> = new Map();
  #setBy = 0;

  constructor(now = 1_000_000) {
    super(now);
  }

  override now(): number {
    return super.now() + this.#setBy;
  }

  override setTimeout(callback: () => void, ms: number): unknown {
    if (Number.isNaN(ms)) throw new TypeError("a timer of NaN milliseconds");
    const timer: unknown = super.setTimeout(() => {
      this.timers.delete(timer);
      callback();
    }, ms);
    this.timers.set(timer, super.now() + Math.max(0, ms));
    return timer;
  }

  override clearTimeout(timer: unknown): void {
    this.timers.delete(timer);
    super.clearTimeout(timer);
  }

  /** Milliseconds until each timer, the soonest first: what would keep a process from ending. */
  waits(): number[] {
    return [...this.timers.values()].map((at) => at - super.now()).sort((a, b) => a - b);
  }

  /** Sets the clock, as somebody would who corrects it: timers fire as if nothing had happened. */
  step(ms: number): void {
    this.#setBy += ms;
  }
}
