/**
 * A clock that stands still until a test turns it.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** Lets everything run that can run without time passing. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Time by hand: timers fire in `advance` alone, each at its own time. */
export class HandClock implements Clock {
  /** What is armed, and would keep a process from ending. */
  readonly timers: Set<Timer> = new Set();
  #now: number;

  /** A clock that begins at a time. */
  constructor(now = 1_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, ms: number): unknown {
    if (Number.isNaN(ms)) throw new TypeError("a timer of NaN milliseconds");
    const timer = { at: this.#now + Math.max(0, ms), callback };
    this.timers.add(timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as Timer);
  }

  /** Milliseconds until each timer, the soonest first. */
  waits(): number[] {
    return [...this.timers].map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  /** Lets time pass, and all that is due run, one after the other. */
  async advance(ms: number): Promise<void> {
    await turn();
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
      await turn();
    }
    this.#now = until;
  }

  /** Sets the clock, as somebody would who corrects it: what waits keeps waiting as long as before. */
  step(ms: number): void {
    const timers = [...this.timers].map((timer) => ({ ...timer, timer }));
    for (const { at, timer } of timers) Object.assign(timer, { at: at + ms });
    this.#now += ms;
  }
}
