/**
 * The leases that one subscription holds: renewed together, and given up when renewal fails.
 *
 * @module
 */
import { DEFAULT_MAX_SETTLE_BATCH } from "../defaults.ts";
import type { LeasedDelivery } from "./delivery.ts";
import { LONGEST, monotonic } from "../util/clock.ts";
import { ConsumeError } from "../errors.ts";
import type { BackendContext } from "../context.ts";
import { notify } from "../observer.ts";

/** A lease is renewed after this part of its length: a third. */
const RENEWALS = 3;

/** Renews leases until they are removed. */
export class LeaseManager {
  readonly #context: BackendContext;
  readonly #key: string;
  readonly #group: string;
  readonly #leaseMs: number;
  #first: LeasedDelivery | undefined;
  #last: LeasedDelivery | undefined;
  readonly #onLost: (delivery: LeasedDelivery) => void;
  #timer: unknown;
  #armed = false;
  #failures = 0;
  /** Set to false to let the leases run out. */
  renewing = true;

  /** @param onLost Called with each delivery whose lease ended. */
  constructor(
    context: BackendContext,
    key: string,
    group: string,
    leaseMs: number,
    onLost: (delivery: LeasedDelivery) => void,
  ) {
    this.#context = context;
    this.#key = key;
    this.#group = group;
    this.#leaseMs = leaseMs;
    this.#onLost = onLost;
  }

  /** Returns the deliveries whose leases are held. */
  held(): LeasedDelivery[] {
    const all: LeasedDelivery[] = [];
    for (let delivery = this.#first; delivery; delivery = delivery.after) all.push(delivery);
    return all;
  }

  /** Adds a lease. */
  add(delivery: LeasedDelivery): void {
    delivery.held = true;
    delivery.before = this.#last;
    if (this.#last) this.#last.after = delivery;
    else this.#first = delivery;
    this.#last = delivery;
    this.#arm();
  }

  /** Removes a lease that is being settled. */
  remove(delivery: LeasedDelivery): void {
    if (!delivery.held) return;
    delivery.held = false;
    if (delivery.before) delivery.before.after = delivery.after;
    else this.#first = delivery.after;
    if (delivery.after) delivery.after.before = delivery.before;
    else this.#last = delivery.before;
    delivery.before = delivery.after = undefined;
  }

  /** Stops the timer where no lease is held. */
  stop(): void {
    if (this.#first || !this.#armed) return;
    this.#context.clock.clearTimeout(this.#timer);
    this.#armed = false;
  }

  /**
   * Makes leases end `leaseMs` milliseconds from now.
   *
   * @returns For each lease whether it was still held.
   */
  async extend(
    deliveries: readonly LeasedDelivery[],
    leaseMs: number,
    withinMs: number = this.#context.options.timeoutMs,
  ): Promise<boolean[]> {
    const { driver, clock } = this.#context;
    if (!driver.extend) throw this.#context.unsupported("the extension of a lease");
    const { maxSettleBatch = DEFAULT_MAX_SETTLE_BATCH } = driver;
    const kept: boolean[] = [];
    for (let from = 0; from < deliveries.length; from += maxSettleBatch) {
      const some = deliveries.slice(from, from + maxSettleBatch);
      const startedAt = monotonic(clock);
      const replies = await this.#context.callWithTimeout(
        (signal) => driver.extend!(this.#key, this.#group, some.map((delivery) => delivery.raw.lease), leaseMs, signal),
        withinMs,
        "unknown-outcome",
      );
      this.#context.answered();
      for (const [i, delivery] of some.entries()) {
        const ours = replies[i] === true;
        if (ours) delivery.leasedUntil = startedAt + leaseMs;
        else if (delivery.held) this.#lose(delivery);
        kept.push(ours);
      }
    }
    return kept;
  }

  #arm(): void {
    if (this.#armed || !this.#first) return;
    this.#armed = true;
    const { clock } = this.#context;
    // After a failed renewal there is less time left, so the next attempt comes sooner, and no lease ends unnoticed.
    const regular = Math.min(this.#leaseMs / RENEWALS / (this.#failures > 0 ? 4 : 1), LONGEST);
    const waitMs = Math.max(0, Math.min(regular, this.#endsAt(this.held()) - monotonic(clock)));
    this.#timer = clock.setTimeout(() => {
      this.#renew().finally(() => {
        this.#armed = false;
        this.#arm();
      });
    }, waitMs);
  }

  async #renew(): Promise<void> {
    const { driver, clock } = this.#context;
    const now = monotonic(clock);
    const due: LeasedDelivery[] = [];
    for (const delivery of this.held()) {
      if (delivery.expired(now)) this.#lose(delivery);
      else if (delivery.leasedUntil - now <= this.#leaseMs * (1 - 1 / RENEWALS) + 1) due.push(delivery);
    }
    if (due.length === 0 || !this.renewing || !driver.extend) return;
    const withinMs = Math.min(this.#context.options.timeoutMs, this.#leaseMs / RENEWALS, this.#endsAt(due) - now);
    try {
      await this.extend(due, this.#leaseMs, withinMs);
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      const wrapped = this.#context.wrap(ConsumeError, `Cannot renew leases on "${this.#key}"`, error, {
        key: this.#key,
      });
      this.#context.reportFailure("extend", this.#key, this.#failures, wrapped);
    }
  }

  #endsAt(deliveries: readonly LeasedDelivery[]): number {
    return deliveries.reduce((at, { leasedUntil }) => Math.min(at, leasedUntil), Infinity);
  }

  #lose(delivery: LeasedDelivery): void {
    this.remove(delivery);
    const about = { backend: this.#context.driver.name, key: this.#key, id: delivery.id };
    delivery.lose(
      new ConsumeError("not-found", `Cannot keep the lease of a message of "${this.#key}": it was lost`, about),
    );
    notify(this.#context.options.observer, "leaseLost", { ...about, group: this.#group, attempts: delivery.attempts });
    this.#onLost(delivery);
  }
}
