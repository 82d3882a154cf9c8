/**
 * The settlements of one key and group: those that come together travel in one round trip.
 *
 * @module
 */
import { callWithTimeout } from "../call.ts";
import type { Settlement } from "../driver.ts";
import { ConsumeError } from "../errors.ts";
import type { BackendContext } from "../context.ts";
import type { LeasedDelivery, Lessor } from "./delivery.ts";
import { delay } from "../util/async.ts";
import { monotonic } from "../util/clock.ts";

interface Pending {
  readonly delivery: LeasedDelivery;
  readonly settlement: Settlement;
  readonly lessor: Lessor;
  readonly done: ((settled: boolean, error?: ConsumeError) => void) | undefined;
}

/** Settlements that nobody waits for are gathered until none has come for so many turns of the microtask queue. */
const QUIET_TURNS = 4;

/** Settles deliveries of one key and group. */
export class SettlementBatcher {
  readonly #context: BackendContext;
  readonly #key: string;
  readonly #group: string;
  readonly #most: number;
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;
  #urgent = false;

  /** A settler for a key and group. */
  constructor(context: BackendContext, key: string, group: string) {
    this.#context = context;
    this.#key = key;
    this.#group = group;
    this.#most = context.driver.maxSettleBatch ?? 1_000;
  }

  /**
   * Settles a delivery, then tells its lessor and `done`, where somebody waits for the answer: whether the lease was
   * still ours, or why that cannot be known.
   */
  add(delivery: LeasedDelivery, settlement: Settlement, lessor: Lessor, done?: Pending["done"]): void {
    this.#pending.push({ delivery, settlement, lessor, done });
    if (done) this.#urgent = true;
    this.#running ??= this.#run();
  }

  /** Sends what is gathered without waiting for more. */
  flush(): void {
    this.#urgent = true;
  }

  /** Resolves when all that was added is settled. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    await undefined; // so that what is settled in the same turn travels together
    while (this.#pending.length > 0) {
      await this.#gather();
      this.#urgent = false;
      const batch = this.#pending.length <= this.#most ? this.#pending : this.#pending.slice(0, this.#most);
      this.#pending = batch === this.#pending ? [] : this.#pending.slice(this.#most);
      await this.#settle(batch);
    }
    this.#running = undefined;
  }

  async #gather(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS && !this.#urgent && this.#pending.length < this.#most;) {
      const { length } = this.#pending;
      await undefined;
      quiet = this.#pending.length === length ? quiet + 1 : 0;
    }
  }

  #done({ delivery, settlement, lessor, done }: Pending, settled: boolean, error?: ConsumeError): void {
    lessor.settled(delivery, settlement, settled);
    done?.(settled, error);
  }

  async #settle(batch: readonly Pending[]): Promise<void> {
    const { driver, options, clock } = this.#context;
    const settlements = batch.map((pending) => pending.settlement);
    let doubt = false;
    for (let failures = 0;;) {
      try {
        const settled = await callWithTimeout(
          this.#context,
          (signal) => driver.settle!(this.#key, this.#group, settlements, signal),
          options.timeoutMs,
          "unknown-outcome",
        );
        const now = doubt ? monotonic(clock) : 0;
        for (let i = 0; i < batch.length; i++) {
          const pending = batch[i]!;
          // The first try may have done it and lost its answer: while the lease lasts, nobody else can have.
          this.#done(pending, settled[i] === true || doubt && !pending.delivery.expired(now));
        }
        return;
      } catch (error) {
        failures += 1;
        const wrapped = this.#wrap(error);
        this.#context.reportFailure("settle", this.#key, failures, wrapped);
        doubt ||= wrapped.code === "unknown-outcome" || wrapped.code === "timeout" || wrapped.code === "connection";
        const transient = wrapped.retryable || wrapped.code === "unknown-outcome";
        const now = monotonic(clock);
        if (!transient) {
          for (const pending of batch) this.#done(pending, false, wrapped);
          return;
        }
        if (
          batch.every(({ delivery }) => delivery.expired(now)) || this.#context.closed && failures > options.maxRetries
        ) {
          for (const pending of batch) this.#done(pending, false);
          return;
        }
        await delay(this.#context.backoffMs(failures, wrapped), clock);
      }
    }
  }

  #wrap(error: unknown): ConsumeError {
    return this.#context.wrap(ConsumeError, `Cannot settle on "${this.#key}"`, error, {
      key: this.#key,
    }) as ConsumeError;
  }
}
