/**
 * Waiting without a blocking read: a subscription that says when to look, and looking now and then where there is none
 * or where somebody publishes without telling.
 *
 * @module
 */
import { type Clock, monotonic } from "../../core/util/clock.ts";

/** Listens to a channel until the signal aborts or the connection ends. */
export type Subscribe = (channel: string, onEvent: (kind: string) => void, signal: AbortSignal) => Promise<void>;

/** Milliseconds between two looks while the subscription is there: for publishers who do not tell, such as Python's. */
export const LIVE_MS = 45_000;

/** Milliseconds before the first look without a subscription; doubles up to the longest. */
export const POLL_MS = { first: 250, longest: 40_000 } as const;

/** Milliseconds before the first try to subscribe again; four times as long before each next, up to the longest. */
const RETRY_MS = { first: 1_000, longest: 1_800_000 } as const;

/** Milliseconds after which a subscription counts as one that works, and breaks now and then. */
const HELD_MS = 10_000;

/** Milliseconds for which a subscription is kept when nobody waits: handlers are at work, and will be back. */
const LINGER_MS = 15_000;

/** Knows of one channel whether something may be new. */
export class Listener {
  readonly #channel: string;
  readonly #subscribe: Subscribe;
  readonly #clock: Clock;
  readonly #wakers: Set<() => void> = new Set();
  #news = 0;
  #looks = 0;
  #empty = 0;
  #failures = 0;
  #live = false;
  #stop: AbortController | undefined;
  #retry: unknown;
  #linger: unknown;

  /** For a channel; opens nothing yet. */
  constructor(channel: string, subscribe: Subscribe, clock: Clock) {
    this.#channel = channel;
    this.#subscribe = subscribe;
    this.#clock = clock;
  }

  /** True where nobody waits. */
  get idle(): boolean {
    return this.#wakers.size === 0;
  }

  /** Called before a look at the queue; what it answers tells {@link wait} from where on something is new. */
  mark(): number {
    // Two looks without a wait in between: the first one found something.
    if (this.#looks > 0) this.#empty = 0;
    this.#looks += 1;
    return this.#news;
  }

  /** Whether the subscription is there and has announced nothing since the mark. */
  unchanged(mark: number): boolean {
    return this.#live && mark === this.#news;
  }

  /** Resolves when something was told since the mark, when it is time to look all the same, or when the signal aborts. */
  async wait(mark: number, ms: number, signal: AbortSignal): Promise<void> {
    this.#looks = 0;
    this.#clock.clearTimeout(this.#linger);
    if (!this.#stop) this.#open();
    const interval = this.#live ? LIVE_MS : Math.min(POLL_MS.first * 2 ** this.#empty, POLL_MS.longest);
    this.#empty += 1;
    if (mark === this.#news && !signal.aborted) await this.#sleep(Math.min(ms, interval), signal);
    if (this.#wakers.size > 0) return;
    this.#clock.clearTimeout(this.#linger);
    this.#linger = this.#clock.setTimeout(() => this.close(), LINGER_MS);
  }

  /** Ends the subscription and every wait. */
  close(): void {
    this.#clock.clearTimeout(this.#linger);
    this.#clock.clearTimeout(this.#retry);
    this.#stop?.abort(new DOMException("Nobody waits", "AbortError"));
    this.#stop = undefined;
    this.#live = false;
    this.#failures = 0;
    this.#wake();
  }

  #wake(): void {
    this.#news += 1;
    for (const waker of [...this.#wakers]) waker();
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waker = () => {
        this.#clock.clearTimeout(timer);
        signal.removeEventListener("abort", waker);
        this.#wakers.delete(waker);
        resolve();
      };
      const timer = this.#clock.setTimeout(waker, ms);
      signal.addEventListener("abort", waker);
      this.#wakers.add(waker);
    });
  }

  #open(): void {
    const stop = this.#stop = new AbortController();
    let liveAt = Infinity;
    const onEvent = (kind: string) => {
      if (this.#stop !== stop) return;
      if (kind === "subscribe") {
        liveAt = monotonic(this.#clock);
        this.#live = true;
        // Messages before the subscription was there announced themselves to nobody.
        this.#wake();
      } else if (kind === "message") {
        this.#wake();
      }
    };
    const onEnd = () => {
      if (this.#stop !== stop) return;
      this.#live = false;
      // One that held for a while is opened again at once, which brings a look with it. Else there is polling.
      if (monotonic(this.#clock) - liveAt >= HELD_MS) {
        this.#failures = 0;
        return this.#open();
      }
      const ms = Math.min(RETRY_MS.first * 4 ** this.#failures, RETRY_MS.longest);
      this.#retry = this.#clock.setTimeout(() => this.#open(), ms);
      if (this.#failures++ > 0) return;
      this.#empty = 0;
      this.#wake();
    };
    // A subscription is a help and not a need: without it there is polling, whose errors are told.
    this.#subscribe(this.#channel, onEvent, stop.signal).then(onEnd, onEnd);
  }
}
