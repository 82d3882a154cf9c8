/**
 * A leased message, as the portable layer hands it out.
 *
 * @module
 */
import { checkOptions, checkValue, nonNegative, positive, type Validators } from "../util/validate.ts";
import { toCause } from "../cause.ts";
import type { RawDelivery, Settlement } from "../driver.ts";
import type { Delivery, JsonObject, RetryDeliveryOptions } from "../protocol.ts";

/** A settlement, or a new end of the lease. */
export type LeaseChange = Settlement | { readonly kind: "extend"; readonly leaseMs: number };

/**
 * Passes a change of a lease on to the broker.
 *
 * @param waits Whether the caller waits for the result. Changes without a waiting caller may be gathered for longer.
 * @returns Whether the lease was still held by this consumer.
 * @throws {QueueError | RangeError} At once, changing nothing: a delay that the broker does not take.
 */
export type ChangeLease = (delivery: LeasedDelivery, change: LeaseChange, waits: boolean) => Promise<boolean>;

const NO_HEADERS: Readonly<Record<string, string>> = /* @__PURE__ */ Object.freeze({});

const SETTLED: Promise<boolean> = /* @__PURE__ */ Promise.resolve(true);

const NOT_HELD: Promise<boolean> = /* @__PURE__ */ Promise.resolve(false);

const RETRY_CHECKS: Validators<RetryDeliveryOptions> = { delayMs: nonNegative, reason: () => undefined };

/** A {@link Delivery} whose lease is renewed until it is settled. */
export class LeasedDelivery implements Delivery {
  readonly key: string;
  readonly payload: JsonObject;
  /** The delivery as the driver returned it. */
  readonly raw: RawDelivery;
  /** When the lease ends unless it is renewed, by the monotonic clock of this process, in milliseconds. */
  leasedUntil: number;
  /** When it was handed out, in milliseconds of the same clock; set where an observer is there. */
  handedAt: number | undefined;
  /** Its neighbours in the list of the lease manager. */
  before: LeasedDelivery | undefined;
  after: LeasedDelivery | undefined;
  held = false;
  settlement: Settlement | undefined;
  readonly #change: ChangeLease;
  #settled: Promise<boolean> | undefined;
  #lost: { readonly reason: unknown } | undefined;
  #controller: AbortController | undefined;

  constructor(key: string, raw: RawDelivery, payload: JsonObject, leasedUntil: number, change: ChangeLease) {
    this.key = key;
    this.raw = raw;
    this.payload = payload;
    this.leasedUntil = leasedUntil;
    this.#change = change;
  }

  get id(): string {
    return this.raw.id;
  }

  get attempts(): number {
    return this.raw.attempts;
  }

  get orderingKey(): string | undefined {
    return this.raw.orderingKey;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.raw.headers ?? NO_HEADERS;
  }

  get publishedAt(): Date | undefined {
    const { publishedAt } = this.raw;
    return publishedAt === undefined ? undefined : new Date(publishedAt);
  }

  /** Created at the first access: most handlers never use it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#lost) this.#controller.abort(this.#lost.reason);
    }
    return this.#controller.signal;
  }

  ack(): Promise<boolean> {
    return this.#settle({ lease: this.raw.lease, kind: "ack" });
  }

  retry(options: RetryDeliveryOptions = {}): Promise<boolean> {
    try {
      checkOptions("retry options", options, RETRY_CHECKS);
      const { delayMs = 0, reason } = options;
      const cause = reason === undefined ? undefined : toCause(reason);
      return this.#settle({ lease: this.raw.lease, kind: "retry", delayMs, cause });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  deadLetter(reason: unknown): Promise<boolean> {
    return this.#settle({ lease: this.raw.lease, kind: "dead", cause: toCause(reason) });
  }

  /** Acknowledges it for a caller who does not wait for the result. */
  ackSoon(): void {
    if (this.#settled) return;
    this.#settled = SETTLED;
    void this.#change(this, { lease: this.raw.lease, kind: "ack" }, false);
  }

  /** Moves it to the dead letters for a caller who does not wait for the result. */
  deadLetterSoon(reason: unknown): void {
    this.#settled = NOT_HELD;
    void this.#change(this, { lease: this.raw.lease, kind: "dead", cause: toCause(reason) }, false);
  }

  /** Gives it back without counting the attempt. Later settlements return `false`. */
  async release(): Promise<boolean> {
    if (this.#settled) return await this.#settled;
    this.#settled = NOT_HELD;
    return await this.#change(this, { lease: this.raw.lease, kind: "release" }, true);
  }

  extend(leaseMs: number): Promise<boolean> {
    try {
      checkValue("leaseMs", leaseMs, positive);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.over ? NOT_HELD : this.#change(this, { kind: "extend", leaseMs }, true);
  }

  /** True once it is settled or its lease is lost. */
  get over(): boolean {
    return this.#settled !== undefined;
  }

  /** Whether the lease has run out at `now`, a reading of the monotonic clock. */
  expired(now: number): boolean {
    return now >= this.leasedUntil;
  }

  /** Marks the lease as lost: later settlements return `false`, and the signal aborts. */
  lose(reason: unknown): void {
    this.#settled ??= NOT_HELD;
    this.abort(reason);
  }

  /** Aborts the signal, also one that is accessed later. */
  abort(reason: unknown): void {
    if (this.#lost) return;
    this.#lost = { reason };
    this.#controller?.abort(reason);
  }

  #settle(settlement: Settlement): Promise<boolean> {
    if (this.#settled) return this.#settled;
    this.#settled = this.#change(this, settlement, true);
    this.settlement = settlement;
    return this.#settled;
  }
}
