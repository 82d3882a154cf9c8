/**
 * A clock for timers that are nearly always called off, such as the time limit of each call: they share one timer of the
 * platform, which is the dear part, and which stays where it is when they are called off.
 *
 * Not for Workers, where a timer belongs to the request that set it, and ends with it.
 *
 * @module
 */
import { type Clock, systemClock } from "../../core/util/clock.ts";

/** A timer of the platform's that can run on without keeping the process: those of Deno, Bun and Node. */
interface Timer {
  ref(): void;
  unref(): void;
}

function canLetGo(timer: unknown): timer is Timer {
  return typeof (timer as Partial<Timer>).ref === "function" && typeof (timer as Partial<Timer>).unref === "function";
}

interface Entry {
  /** When it is due, by the monotonic clock. */
  readonly at: number;
  readonly callback: () => void;
}

/** Timers that share one of the platform's. Where that cannot be let go of, each has one of its own. */
export class SharedTimers implements Clock {
  readonly #entries: Set<Entry> = new Set();
  #timer: Timer | undefined;
  #timerAt = Infinity;
  /** Nobody waits for the timer: it does not keep the process. */
  #resting = false;
  #separate = false;

  /** The platform's time of day, in epoch milliseconds. */
  now(): number {
    return systemClock.now();
  }

  /** The platform's monotonic clock, in milliseconds. */
  monotonic(): number {
    return performance.now();
  }

  /** As the platform's. */
  setTimeout(callback: () => void, ms: number): unknown {
    if (this.#separate) return systemClock.setTimeout(callback, ms);
    const entry: Entry = { at: performance.now() + ms, callback };
    this.#entries.add(entry);
    const timer = this.#arm(entry.at, ms);
    if (timer === undefined || canLetGo(timer)) return entry;
    this.#entries.delete(entry);
    this.#separate = true;
    systemClock.clearTimeout(timer);
    return systemClock.setTimeout(callback, ms);
  }

  /** As the platform's. */
  clearTimeout(timer: unknown): void {
    if (!this.#entries.delete(timer as Entry)) {
      if (this.#separate) systemClock.clearTimeout(timer);
    } else if (this.#entries.size === 0) {
      this.#resting = true;
      this.#timer?.unref();
    }
  }

  /** Sees to it that the timer fires by then; answers a new one. */
  #arm(at: number, ms: number): unknown {
    if (this.#resting) {
      this.#resting = false;
      this.#timer?.ref();
    }
    if (at >= this.#timerAt) return undefined;
    systemClock.clearTimeout(this.#timer);
    this.#timerAt = at;
    // A wait longer than the platform's longest timer is armed again when that timer fires.
    const timer = systemClock.setTimeout(() => this.#fire(), Math.max(ms, 0));
    this.#timer = canLetGo(timer) ? timer : undefined;
    return timer;
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = performance.now();
    const due = [...this.#entries].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
    try {
      for (const entry of due) if (this.#entries.delete(entry)) entry.callback();
    } finally {
      // Also what is due, where a callback has thrown.
      let next = Infinity;
      for (const { at } of this.#entries) if (at < next) next = at;
      if (next < Infinity) this.#arm(next, next - now);
    }
  }
}
