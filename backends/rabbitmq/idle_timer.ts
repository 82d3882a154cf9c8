/**
 * Tells that a consumer has stood still while its process ran.
 *
 * @module
 */

/** Milliseconds after which a consumer that nobody asks takes no more, and gives back what it has not handed out. */
export const IDLE_MS = 100;

/**
 * They are counted in steps: a process that gets no processor time comes to few of them, and has not stopped asking. What
 * is on its way to a consumer that takes no more is counted by the broker as a delivery.
 */
const STEPS = 20;

/** A timer of {@link IDLE_MS}. */
export class IdleTimer {
  readonly #onIdle: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** A timer that stands. */
  constructor(onIdle: () => void) {
    this.#onIdle = onIdle;
  }

  /** Begins anew. */
  start(steps: number = STEPS): void {
    this.stop();
    this.#timer = setTimeout(() => steps > 1 ? this.start(steps - 1) : this.#onIdle(), IDLE_MS / STEPS);
  }

  /** Stops. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
