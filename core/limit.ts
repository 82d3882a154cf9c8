/**
 * How long something may take: until its time is up, a signal aborts, or it is called off.
 *
 * @module
 */
import type { Clock } from "./clock.ts";

/** See the module. */
export class Limit {
  readonly #clock: Clock;
  readonly #outer: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #timer: unknown;
  readonly #onAbort = () => this.abort(this.#outer?.reason);

  /** A limit of so many milliseconds, then aborted with what `late` makes, and of a signal, where there is one. */
  constructor(clock: Clock, ms: number | undefined, late: () => unknown, outer?: AbortSignal) {
    this.#clock = clock;
    this.#outer = outer;
    if (ms !== undefined) this.#timer = clock.setTimeout(() => this.abort(late()), ms);
    if (outer?.aborted) this.#onAbort();
    outer?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Aborts when the limit is reached. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Calls it off. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Leaves no timer and no listener behind. */
  release(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}

/** The promise's outcome, unless the signal aborts first: what ignores its signal must not hold us up. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
