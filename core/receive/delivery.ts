/**
 * One leased message, as the portable layer hands it out.
 *
 * @module
 */
import { checkOptions, checkValue, nonNegative, positive, type Validators } from "../util/validate.ts";
import { toCause } from "../cause.ts";
import type { RawDelivery, Settlement } from "../driver.ts";
import type { Delivery, JsonObject, RetryDeliveryOptions } from "../protocol.ts";

/** What a delivery needs of the subscription that leased it. */
export interface Lessor {
  readonly key: string;
  /** Throws where the broker takes no such delay of a retry, or none at all. */
  checkDelay(delayMs: number): void;
  /** Passes a settlement on; answers whether the lease was still ours. */
  settle(delivery: LeasedDelivery, settlement: Settlement): Promise<boolean>;
  /** As `settle`, for whoever does not wait for the answer. */
  settleSoon(delivery: LeasedDelivery, settlement: Settlement): void;
  /** Makes the lease longer. */
  extend(delivery: LeasedDelivery, leaseMs: number): Promise<boolean>;
  /** The broker has answered; called for each settlement that was passed on. */
  settled(delivery: LeasedDelivery, settlement: Settlement, settled: boolean): void;
}

const NO_HEADERS: Readonly<Record<string, string>> = /* @__PURE__ */ Object.freeze({});

const SETTLED: Promise<boolean> = /* @__PURE__ */ Promise.resolve(true);

const NOT_OURS: Promise<boolean> = /* @__PURE__ */ Promise.resolve(false);

const RETRY_CHECKS: Validators<RetryDeliveryOptions> = { delayMs: nonNegative, reason: () => undefined };

/** A {@link Delivery} under a lease that is renewed while it is in hand. */
export class LeasedDelivery implements Delivery {
  readonly payload: JsonObject;
  /** What the driver gave. */
  readonly raw: RawDelivery;
  /** When the lease ends unless it is renewed, by the monotonic clock of this process, in milliseconds. */
  leasedUntil: number;
  /** When it was handed out, where somebody wants to know. */
  handedAt: number | undefined;
  /** Its neighbours among what the consumer holds. */
  before: LeasedDelivery | undefined;
  after: LeasedDelivery | undefined;
  held = false;
  readonly #lessor: Lessor;
  #settled: Promise<boolean> | undefined;
  #lost: { readonly reason: unknown } | undefined;
  #controller: AbortController | undefined;

  /** A delivery of a subscription. */
  constructor(lessor: Lessor, raw: RawDelivery, payload: JsonObject, leasedUntil: number) {
    this.#lessor = lessor;
    this.raw = raw;
    this.payload = payload;
    this.leasedUntil = leasedUntil;
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

  get key(): string {
    return this.#lessor.key;
  }

  get publishedAt(): Date | undefined {
    const { publishedAt } = this.raw;
    return publishedAt === undefined ? undefined : new Date(publishedAt);
  }

  /** Made when it is asked for: most handlers never do. */
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
      this.#lessor.checkDelay(options.delayMs ?? 0);
    } catch (error) {
      return Promise.reject(error);
    }
    const { delayMs = 0, reason } = options;
    const cause = reason === undefined ? undefined : toCause(reason);
    return this.#settle({ lease: this.raw.lease, kind: "retry", delayMs, cause });
  }

  deadLetter(reason: unknown): Promise<boolean> {
    return this.#settle({ lease: this.raw.lease, kind: "dead", cause: toCause(reason) });
  }

  /** As `ack`, for whoever does not wait for the answer. */
  ackSoon(): void {
    if (this.#settled) return;
    this.#settled = SETTLED;
    this.#lessor.settleSoon(this, { lease: this.raw.lease, kind: "ack" });
  }

  /** Gives it back without counting the attempt; whoever still holds it is told `false` from now on. */
  async release(): Promise<boolean> {
    if (this.#settled) return await this.#settled;
    this.#settled = NOT_OURS;
    return await this.#lessor.settle(this, { lease: this.raw.lease, kind: "release" });
  }

  extend(leaseMs: number): Promise<boolean> {
    try {
      checkValue("leaseMs", leaseMs, positive);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.over ? Promise.resolve(false) : this.#lessor.extend(this, leaseMs);
  }

  /** Settled, or lost. */
  get over(): boolean {
    return this.#settled !== undefined;
  }

  /** Whether the lease has run out at `now`, a reading of the monotonic clock. */
  expired(now: number): boolean {
    return now >= this.leasedUntil;
  }

  /** The lease is gone: settlements answer `false` from now on, and the signal aborts. */
  lose(reason: unknown): void {
    this.#settled ??= NOT_OURS;
    this.abort(reason);
  }

  /** Aborts the signal, whether or not somebody has asked for it yet. */
  abort(reason: unknown): void {
    if (this.#lost) return;
    this.#lost = { reason };
    this.#controller?.abort(reason);
  }

  #settle(settlement: Settlement): Promise<boolean> {
    return this.#settled ??= this.#lessor.settle(this, settlement);
  }
}
