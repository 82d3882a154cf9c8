/** A clock that jumps to its next timer whenever nothing else is ready, so that waits take no time and keep their order. */
import { setImmediate } from "node:timers";
import type { Clock } from "../../core/util/clock.ts";

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** Resolves in a task of its own, after all input and output that is ready. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class AutoClock implements Clock {
  #now: number;
  #timers: Timer[] = [];
  #pumping = false;

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now = (): number => this.#now;

  setTimeout = (callback: () => void, ms: number): unknown => {
    const timer = { at: this.#now + Math.max(0, ms), callback };
    this.#timers.push(timer);
    this.#timers.sort((a, b) => a.at - b.at); // stable: equal times in the order in which they were set
    void this.#pump();
    return timer;
  };

  clearTimeout = (timer: unknown): void => {
    this.#timers = this.#timers.filter((one) => one !== timer);
  };

  /** The number of timers that are set. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Moves the clock without running timers. */
  skip(ms: number): void {
    this.#now += ms;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#timers.length > 0) {
      // Two turns: work that the first one makes ready runs before time passes.
      await turn();
      await turn();
      const next = this.#timers.shift();
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#pumping = false;
  }
}
