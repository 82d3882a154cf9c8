/**
 * The settlements of one key and group: those that come together travel in one round trip.
 *
 * @module
 */
import type { Settlement } from "./driver.ts";
import { ConsumeError } from "./errors.ts";
import type { Host } from "./host.ts";
import type { LeasedDelivery } from "./delivery.ts";
import { delay } from "./clock.ts";
import { tell } from "./observer.ts";
import { backoffMs } from "./retry.ts";

interface Pending {
  readonly delivery: LeasedDelivery;
  readonly settlement: Settlement;
  readonly done: (settled: boolean, error?: ConsumeError) => void;
}

/** Settles deliveries of one key and group. */
export class Settler {
  readonly #host: Host;
  readonly #key: string;
  readonly #group: string;
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;

  /** A settler for a key and group. */
  constructor(host: Host, key: string, group: string) {
    this.#host = host;
    this.#key = key;
    this.#group = group;
  }

  /** Settles a delivery; `done` is told whether its lease was still ours, or why that cannot be known. */
  add(delivery: LeasedDelivery, settlement: Settlement, done: Pending["done"]): void {
    this.#pending.push({ delivery, settlement, done });
    this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Resolves when all that was added is settled. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    const { maxSettleBatch = 1_000 } = this.#host.driver;
    while (this.#pending.length > 0) {
      const batch = this.#pending.length <= maxSettleBatch ? this.#pending : this.#pending.slice(0, maxSettleBatch);
      this.#pending = batch === this.#pending ? [] : this.#pending.slice(maxSettleBatch);
      await this.#settle(batch);
    }
    this.#running = undefined;
  }

  async #settle(batch: readonly Pending[]): Promise<void> {
    const { driver, options, clock } = this.#host;
    const settlements = batch.map((pending) => pending.settlement);
    let doubt = false;
    for (let failures = 0;;) {
      const limit = new AbortController();
      const timer = clock.setTimeout(() => {
        limit.abort(new DOMException("No answer came in time", "TimeoutError"));
      }, options.timeoutMs);
      try {
        const settled = await this.#host.unlessAborted(
          driver.settle!(this.#key, this.#group, settlements, limit.signal),
          limit.signal,
        );
        const now = clock.now();
        for (let i = 0; i < batch.length; i++) {
          const { delivery, done } = batch[i]!;
          // The first try may have done it and lost its answer: while the lease lasts, nobody else can have.
          done(settled[i] === true || doubt && !delivery.expired(now));
        }
        return;
      } catch (error) {
        failures += 1;
        const wrapped = this.#wrap(error, limit.signal.aborted);
        tell(options.observer, "failed", {
          backend: driver.name,
          key: this.#key,
          operation: "settle",
          failures,
          error: wrapped,
        });
        doubt ||= wrapped.code === "unknown-outcome" || wrapped.code === "timeout" || wrapped.code === "connection";
        const transient = wrapped.retryable || wrapped.code === "unknown-outcome";
        const now = clock.now();
        if (!transient) {
          for (const { done } of batch) done(false, wrapped);
          return;
        }
        if (
          batch.every(({ delivery }) => delivery.expired(now)) || this.#host.closed && failures > options.maxRetries
        ) {
          for (const { done } of batch) done(false);
          return;
        }
        const waitMs = backoffMs(failures, { baseMs: options.retryDelayMs }, options.random);
        await delay(Math.max(waitMs, this.#host.retryAfterMs(error)), clock);
      } finally {
        clock.clearTimeout(timer);
      }
    }
  }

  #wrap(error: unknown, timedOut: boolean): ConsumeError {
    const cause = timedOut ? new ConsumeError("unknown-outcome", "no answer came in time", { cause: error }) : error;
    return this.#host.wrap(ConsumeError, `Cannot settle on "${this.#key}"`, cause, { key: this.#key }) as ConsumeError;
  }
}
