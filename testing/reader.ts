/**
 * A consumer at the hand of a case: one step at a time, each with patience.
 *
 * @module
 */
import { check } from "./check.ts";

/** The case, as a reader sees it. */
export interface ReaderClock {
  /** Waits for what must happen. */
  settles<T>(promise: PromiseLike<T>, what: string): Promise<T>;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
  /** Keeps a rejection until the work is awaited. */
  inBackground<T>(work: Promise<T>): Promise<T>;
}

/** An iteration, taken step by step. A read that was begun and brought nothing is kept for the next step. */
export class Reader<T> {
  readonly #clock: ReaderClock;
  readonly #iterator: AsyncIterableIterator<T>;
  #pending: Promise<IteratorResult<T>> | undefined;

  /** A reader of the iteration. */
  constructor(clock: ReaderClock, iterator: AsyncIterableIterator<T>) {
    this.#clock = clock;
    this.#iterator = iterator;
  }

  /** Asks for the next without waiting for it. What is asked for already is not asked for again. */
  ask(): Promise<IteratorResult<T>> {
    return this.#pending ??= this.#clock.inBackground(this.#iterator.next());
  }

  /** The read that was asked for has been seen to: the next step asks anew. */
  forget(): void {
    this.#pending = undefined;
  }

  /** Each of the iteration until it ends, for a loop that runs beside the case. */
  each(handle: (value: T) => unknown): Promise<void> {
    const loop = async () => {
      for (let step = await this.#iterator.next(); !step.done; step = await this.#iterator.next()) {
        await handle(step.value);
      }
    };
    return this.#clock.inBackground(loop());
  }

  /** The next step, whichever it is. */
  async step(what: string): Promise<IteratorResult<T>> {
    const step = await this.#clock.settles(this.ask(), what);
    this.#pending = undefined;
    return step;
  }

  /** The next, which must come. */
  async next(what: string): Promise<T> {
    const step = await this.step(what);
    check(!step.done, `${what}: the iteration ended`);
    return step.value;
  }

  /** Resolves with the next `count` deliveries. Fails where one does not come. */
  async take(count: number, what: string): Promise<T[]> {
    const taken: T[] = [];
    while (taken.length < count) taken.push(await this.next(`${what} (${taken.length + 1} of ${count})`));
    return taken;
  }

  /** The end of the iteration, which must come. */
  async end(what: string): Promise<void> {
    const step = await this.step(what);
    check(step.done, `${what}: the iteration went on`);
  }

  /** Lets time pass, in which nothing may come: neither a message, nor the end, nor an error. */
  async quiet(ms: number, what: string): Promise<void> {
    let over = false;
    const pending = this.ask();
    const onOver = () => void (over = true);
    void pending.then(onOver, onOver);
    await this.#clock.pass(ms);
    if (!over) return;
    const { done } = await pending;
    check(false, `${what}: ${done ? "the iteration ended" : "a message came all the same"}`);
  }

  /** Leaves the loop, as `break` does. */
  async leave(): Promise<void> {
    if (this.#iterator.return) await this.#clock.settles(this.#iterator.return(), "leaving the loop");
  }
}
