/**
 * Asks a broker how a queue is, at a bounded cost.
 *
 * @module
 */
import { abortable, withDeadline } from "../util/async.ts";
import { type Clock, monotonic } from "../util/clock.ts";
import { QueueError } from "../errors.ts";
import type { LeasingBackend, QueueDepth } from "../protocol.ts";

/** How a queue was when the broker was last asked. */
export interface QueueState {
  /** The messages by state; `undefined` where the broker did not tell. */
  readonly depth: QueueDepth | undefined;
  /** Milliseconds since the oldest unsettled message was published; `undefined` where there is none, or the broker cannot tell. */
  readonly oldestAgeMs: number | undefined;
  /** Why the broker did not tell. */
  readonly error: unknown;
}

/** How often, and for how long, a broker is asked. */
export interface QueueStateOptions {
  /** The group. */
  readonly group: string;
  /** Milliseconds for which an answer is kept. */
  readonly keptMs: number;
  /** Milliseconds to wait for an answer. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Asks the broker at most once at a time and once in `keptMs`, however often it is read. */
export class QueueStateReader {
  readonly #backend: LeasingBackend;
  readonly #key: string;
  readonly #options: QueueStateOptions;
  #known: QueueState | undefined;
  #knownUntil = 0;
  #asking: Promise<QueueState> | undefined;

  /** Creates a reader of one key and group. */
  constructor(backend: LeasingBackend, key: string, options: QueueStateOptions) {
    this.#backend = backend;
    this.#key = key;
    this.#options = options;
  }

  /** Resolves with the state; never rejects. */
  async read(): Promise<QueueState> {
    const { clock, keptMs } = this.#options;
    if (this.#known && monotonic(clock) < this.#knownUntil) return this.#known;
    return await (this.#asking ??= this.#ask().then((state) => {
      this.#asking = undefined;
      this.#knownUntil = monotonic(clock) + keptMs;
      return this.#known = state;
    }));
  }

  async #ask(): Promise<QueueState> {
    const { timeoutMs, clock } = this.#options;
    const late = () => new QueueError("timeout", "Cannot tell the depth: no reply came in time");
    try {
      return await withDeadline(
        clock,
        timeoutMs,
        late,
        undefined,
        ({ signal }) => abortable(this.#look(signal), signal),
      );
    } catch (error) {
      return { depth: undefined, oldestAgeMs: undefined, error };
    }
  }

  async #look(signal: AbortSignal): Promise<QueueState> {
    const { group } = this.#options;
    const { capabilities } = this.#backend;
    const depth = capabilities.depth ? await this.#backend.depth(this.#key, { group, signal }) : undefined;
    return { depth, oldestAgeMs: await this.#oldestAgeMs(group, signal), error: undefined };
  }

  async #oldestAgeMs(group: string, signal: AbortSignal): Promise<number | undefined> {
    try {
      const oldest = await this.#backend.inspect?.oldest(this.#key, { group, signal });
      return oldest && Math.max(this.#options.clock.now() - oldest.getTime(), 0);
    } catch (error) {
      if (error instanceof QueueError && error.code === "unsupported") return undefined;
      throw error;
    }
  }
}
