/**
 * Settles deliveries of one key and group: settlements that come at the same time travel in one round trip.
 *
 * @module
 */
import type { Settlement } from "../driver.ts";
import { ConsumeError } from "../errors.ts";
import type { BackendContext } from "../context.ts";
import { DEFAULT_MAX_SETTLE_BATCH } from "../defaults.ts";
import type { LeasedDelivery } from "./delivery.ts";
import { delay } from "../util/async.ts";
import { monotonic } from "../util/clock.ts";

/** Called once for each settlement, before its promise settles. */
type OnSettled = (delivery: LeasedDelivery, settlement: Settlement, settled: boolean) => void;

interface Pending {
  readonly delivery: LeasedDelivery;
  readonly settlement: Settlement;
  readonly onSettled: OnSettled;
  /** Settles the promise of a caller who waits. */
  readonly done: ((settled: boolean, error?: ConsumeError) => void) | undefined;
}

/** Settlements without a waiting caller are gathered until none has come for this many turns of the microtask queue. */
const QUIET_TURNS = 4;

const SETTLED: Promise<boolean> = /* @__PURE__ */ Promise.resolve(true);

/** See the module. */
export class SettlementBatcher {
  readonly #context: BackendContext;
  readonly #key: string;
  readonly #group: string;
  readonly #maxBatch: number;
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;
  #urgent = false;

  constructor(context: BackendContext, key: string, group: string) {
    this.#context = context;
    this.#key = key;
    this.#group = group;
    this.#maxBatch = context.driver.maxSettleBatch ?? DEFAULT_MAX_SETTLE_BATCH;
  }

  /**
   * Settles a delivery.
   *
   * @param waits Whether the caller waits for the result. Where it does not, the promise resolves at once.
   * @returns Whether the lease was still held.
   * @throws {ConsumeError} The broker refused, and will again.
   */
  add(delivery: LeasedDelivery, settlement: Settlement, onSettled: OnSettled, waits: boolean): Promise<boolean> {
    if (!waits) {
      this.#push({ delivery, settlement, onSettled, done: undefined });
      return SETTLED;
    }
    this.#urgent = true;
    return new Promise((resolve, reject) => {
      const done: Pending["done"] = (settled, error) => error ? reject(error) : resolve(settled);
      this.#push({ delivery, settlement, onSettled, done });
    });
  }

  #push(pending: Pending): void {
    this.#pending.push(pending);
    this.#running ??= this.#run();
  }

  /** Sends what is gathered without waiting for more. */
  flush(): void {
    this.#urgent = true;
  }

  /** Resolves when everything that was added is settled. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    await undefined; // so that what is settled in the same turn travels together
    while (this.#pending.length > 0) {
      await this.#gather();
      this.#urgent = false;
      const batch = this.#pending.length <= this.#maxBatch ? this.#pending : this.#pending.slice(0, this.#maxBatch);
      this.#pending = batch === this.#pending ? [] : this.#pending.slice(this.#maxBatch);
      await this.#settle(batch);
    }
    this.#running = undefined;
  }

  async #gather(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS && !this.#urgent && this.#pending.length < this.#maxBatch;) {
      const { length } = this.#pending;
      await undefined;
      quiet = this.#pending.length === length ? quiet + 1 : 0;
    }
  }

  async #settle(all: readonly Pending[]): Promise<void> {
    const { driver, options, clock } = this.#context;
    let batch = all;
    let doubt = false;
    for (let failures = 0;;) {
      const settlements = batch.map((pending) => pending.settlement);
      let failed = batch;
      let wrapped: ConsumeError;
      try {
        const settled = await this.#context.callWithTimeout(
          (signal) => driver.settle!(this.#key, this.#group, settlements, signal),
          options.timeoutMs,
          "unknown-outcome",
        );
        this.#context.answered();
        const now = doubt ? monotonic(clock) : 0;
        const refused: Pending[] = [];
        let refusal: unknown;
        for (let i = 0; i < batch.length; i++) {
          const pending = batch[i]!;
          const result = settled[i];
          if (typeof result === "object") {
            const error = this.#wrap(result.error);
            if (isPassing(error)) {
              refused.push(pending);
              refusal = result.error;
            } else {
              this.#context.reportFailure("settle", this.#key, failures + 1, error);
              end(pending, false, error);
            }
          } else {
            // The first attempt may have settled it and lost its reply: while the lease lasts, no other consumer can have.
            end(pending, result === true || doubt && !pending.delivery.expired(now));
          }
        }
        if (refused.length === 0) return;
        failed = refused;
        wrapped = this.#wrap(refusal);
      } catch (error) {
        wrapped = this.#wrap(error);
        doubt ||= wrapped.code === "unknown-outcome" || wrapped.code === "timeout" || wrapped.code === "connection";
      }
      batch = failed;
      failures += 1;
      this.#context.reportFailure("settle", this.#key, failures, wrapped);
      const now = monotonic(clock);
      if (!isPassing(wrapped)) {
        for (const pending of batch) end(pending, false, wrapped);
        return;
      }
      if (
        batch.every(({ delivery }) => delivery.expired(now)) || this.#context.closed && failures > options.maxRetries
      ) {
        for (const pending of batch) end(pending, false);
        return;
      }
      await delay(this.#context.backoffMs(failures, wrapped), clock);
    }
  }

  #wrap(error: unknown): ConsumeError {
    return this.#context.wrap(ConsumeError, `Cannot settle on "${this.#key}"`, error, {
      key: this.#key,
    }) as ConsumeError;
  }
}

function end({ delivery, settlement, onSettled, done }: Pending, settled: boolean, error?: ConsumeError): void {
  onSettled(delivery, settlement, settled);
  done?.(settled, error);
}

/** Whether the same settlement may be taken later: also where the broker is full, since settling makes room. */
function isPassing({ retryable, code }: ConsumeError): boolean {
  return retryable || code === "unknown-outcome" || code === "queue-full";
}
