/**
 * A clock that a test turns by hand: {@link FakeClock}.
 *
 * @module
 */
import type { Clock } from "../../core/util/clock.ts";

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/**
 * Turns of the platform's shortest timer, half a second and more, that `until` grants to work that no timer of the clock announces.
 * They are counted, since on a busy machine, or beside other work of this process, a second may go by in one turn.
 */
const GRACE_TURNS = 500;

/** Not part of the web's library, but on most runtimes, and by far the quickest there. */
declare const setImmediate: ((callback: () => void) => unknown) | undefined;

function immediateTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate!(resolve));
}

/** Resolves when a message has come back: in some thirtieth of the time that the platforms' shortest timer takes. */
function messageTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      port2.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

function timerTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** The quickest that lets all microtasks run before; known after the first turn. */
let quickest: (() => Promise<void>) | undefined;

/** Whether a turn comes in a task of its own: workerd brings messages between microtasks. */
async function isTask(turn: () => Promise<void>): Promise<boolean> {
  let left = 200;
  const chain = async () => {
    while (left > 0) {
      await undefined;
      left--;
    }
  };
  const running = chain();
  await turn();
  const drained = left === 0;
  await running;
  return drained;
}

async function findTurn(): Promise<() => Promise<void>> {
  if (typeof setImmediate === "function" && await isTask(immediateTurn)) return immediateTurn;
  if (typeof MessageChannel === "function" && await isTask(messageTurn)) return messageTurn;
  return timerTurn;
}

/** Lets everything that is ready run: resolves when all microtasks are done, and those that they led to. */
async function turn(): Promise<void> {
  quickest ??= await findTurn();
  await quickest();
}

/**
 * A clock that stands still until it is turned. Give the same one to the broker and to the backends:
 * leases, delays, retries and renewals then pass in no time, in the same order at every run.
 *
 * @example
 * ```ts
 * import { FakeClock } from "@slack-mcp/queue/testing";
 *
 * const clock = new FakeClock();
 * let rang = 0;
 * clock.setTimeout(() => rang++, 30_000);
 * await clock.advance(29_999); // rang is 0
 * await clock.advance(1); // rang is 1
 * if (rang !== 1) throw new Error("the timer did not run");
 * ```
 */
export class FakeClock implements Clock {
  /** Passes only; what an operator sets is in `#setByMs`. */
  #now: number;
  #setByMs = 0;
  #timers: Timer[] = [];

  /** A clock that shows `startMs` epoch milliseconds. Default: 2026-01-01T00:00:00Z. */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#now = startMs;
  }

  /** Epoch milliseconds, as far as the clock was turned, and as it was set. */
  now(): number {
    return this.#now + this.#setByMs;
  }

  /** Milliseconds that have passed since a fixed moment: `set` does not change it. */
  monotonic(): number {
    return this.#now;
  }

  /**
   * Sets the time of day forward, or back where `ms` is negative, as an operator or NTP does. No time passes: timers
   * fire when they would have fired.
   *
   * @param ms Milliseconds to add to the time of day.
   */
  set(ms: number): void {
    this.#setByMs += ms;
  }

  /** Calls back once, when the clock has been turned by `ms` milliseconds. */
  setTimeout(callback: () => void, ms: number): unknown {
    const timer: Timer = { at: this.#now + (ms > 0 ? ms : 0), callback };
    let index = this.#timers.length;
    while (index > 0 && this.#timers[index - 1]!.at > timer.at) index--;
    this.#timers.splice(index, 0, timer);
    return timer;
  }

  /** Calls off; does nothing where the timer ran already. */
  clearTimeout(timer: unknown): void {
    const index = this.#timers.indexOf(timer as Timer);
    if (index >= 0) this.#timers.splice(index, 1);
  }

  /** How many timers are set: what still waits, or what was left behind. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Epoch milliseconds of the next timer, by the time of day as it is set; `undefined` where there is no timer. */
  get nextAt(): number | undefined {
    const next = this.#timers[0];
    return next && next.at + this.#setByMs;
  }

  /** Turns nothing; resolves when everything that is ready has run. */
  async flush(): Promise<void> {
    // The second turn is for what a task of the first has made ready.
    await turn();
    await turn();
  }

  /**
   * Turns the clock by `ms` milliseconds: runs the timers that fall due in their order, each at its own time, and
   * lets everything that is ready run before the next. What a timer throws rejects.
   */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    await this.flush();
    for (let next = this.#timers[0]; next && next.at <= target; next = this.#timers[0]) {
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await turn();
    }
    this.#now = Math.max(this.#now, target);
    await this.flush();
  }

  /**
   * Turns the clock from timer to timer until the promise settles, and answers as it does; does not turn it at all
   * where it settles by itself. Rejects with a `RangeError` after `withinMs` milliseconds by this clock (default
   * 600,000), or where there is nothing left that could settle it.
   */
  async until<T>(promise: PromiseLike<T>, withinMs = 600_000): Promise<T> {
    let settled = false;
    const mark = () => void (settled = true);
    promise.then(mark, mark);
    const end = this.now() + withinMs;
    let grace = GRACE_TURNS;
    for (;;) {
      await this.flush();
      if (settled) return await promise;
      const next = this.nextAt;
      if (next !== undefined && next <= end) {
        await this.advance(next - this.now());
        grace = GRACE_TURNS;
        continue;
      }
      if (grace-- === 0) {
        throw new RangeError(`Did not settle within ${withinMs} ms of the fake clock, and no timer is left that could`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}
