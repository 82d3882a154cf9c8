/**
 * One consumer: fetches deliveries ahead of demand, no more than its prefetch, and hands them out.
 *
 * @module
 */
import { type ChangeLease, LeasedDelivery } from "./delivery.ts";
import type { RawDelivery, Settlement } from "../driver.ts";
import { ConsumeError } from "../errors.ts";
import type { BackendContext } from "../context.ts";
import { DeliveryBuffer } from "./delivery_buffer.ts";
import { fetchDeliveries, type FetchOptions } from "./fetch.ts";
import { parsePayload } from "../util/json.ts";
import { LeaseManager } from "./lease_manager.ts";
import { notify, type QueueMessageEvent } from "../observer.ts";
import { notifySettled } from "./notify_settled.ts";
import { PrefetchWindow } from "./prefetch_window.ts";
import type { SettlementBatcher } from "./settlement_batcher.ts";
import { monotonic } from "../util/clock.ts";

/** `ReceiveOptions` with their defaults. */
export interface SubscriptionOptions extends Omit<FetchOptions, "max" | "signal"> {
  readonly signal: AbortSignal | undefined;
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** The iterator behind `receive` and `consume`; it hands out values of type `T`. */
export class Subscription<T> implements AsyncIterableIterator<T, undefined> {
  readonly #context: BackendContext;
  readonly #key: string;
  readonly #options: SubscriptionOptions;
  readonly #settlements: SettlementBatcher;
  readonly #leases: LeaseManager;
  readonly #window: PrefetchWindow;
  readonly #give: (delivery: LeasedDelivery) => T;
  readonly #onOver: () => void;
  readonly #fetchAbort = new AbortController();
  readonly #releases: Promise<unknown>[] = [];
  readonly #buffer = new DeliveryBuffer();
  #waiters: Waiter<T>[] = [];
  #fetching: Promise<void> | undefined;
  #unsettled = 0;
  #failure: unknown;
  #stopped = false;
  /** Nothing was ready at the last fetch, and the consumer asks for no more than that. */
  #dry = false;
  #onSettled: (() => void) | undefined;
  readonly #onAbort = () => void this.stop();

  /**
   * @param give Makes of a delivery what the iterator hands out.
   * @param onOver Called when the consumer holds nothing and never will again.
   */
  constructor(
    context: BackendContext,
    key: string,
    options: SubscriptionOptions,
    settlements: SettlementBatcher,
    give: (delivery: LeasedDelivery) => T,
    onOver: () => void,
  ) {
    this.#context = context;
    this.#key = key;
    this.#options = options;
    this.#settlements = settlements;
    this.#give = give;
    this.#onOver = onOver;
    this.#window = new PrefetchWindow(options.prefetch, options.maxPerOrderingKey);
    this.#leases = new LeaseManager(context, key, options.group, options.leaseMs, (delivery) => this.#onLost(delivery));
  }

  /** Begins. May call `onOver` at once: its owner must know the subscription by then. */
  begin(): void {
    const { signal } = this.#options;
    if (this.#context.closed) {
      return this.#fail(this.#context.closedError(`Cannot receive from "${this.#key}"`, this.#key));
    }
    if (!signal?.aborted) return signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#stopped = true;
    this.#checkOver();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const delivery = this.#buffer.shift();
    if (delivery) {
      this.#pump();
      return Promise.resolve(this.#handOut(delivery));
    }
    if (this.#failure !== undefined) {
      const error = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#stopped) return Promise.resolve(DONE);
    this.#settlements.flush(); // a consumer that waits here has nothing more to settle
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#pump();
    });
  }

  /** Ends the iteration: what is prefetched is released; what is in hand can be settled until its lease ends. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#leases.renewing = false;
    await this.stop();
    return DONE;
  }

  /** Stops fetching and releases what is prefetched; resolves when the broker has it back. */
  async stop(): Promise<void> {
    this.#end();
    for (let delivery = this.#buffer.shift(); delivery; delivery = this.#buffer.shift()) this.#giveBack(delivery);
    const done = async () => {
      await this.#fetching;
      await Promise.all(this.#releases.splice(0));
    };
    // A broker that hangs must not keep a consumer from leaving its loop. A late reply is handled when it comes.
    await this.#context.callWithTimeout(done, this.#context.options.timeoutMs, "timeout").catch(() => undefined);
    this.#checkOver();
  }

  /** Resolves when nothing is in hand. */
  empty(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onSettled = resolve);
  }

  /** Takes back what is in hand: released uncounted, and its signal aborts with the reason. */
  async revoke(reason: unknown): Promise<void> {
    const releases: Promise<boolean>[] = [];
    for (const delivery of this.#leases.held()) {
      releases.push(delivery.release());
      delivery.abort(reason);
    }
    await Promise.allSettled(releases);
  }

  readonly #change: ChangeLease = (delivery, change, waits) => {
    if (change.kind === "extend") return this.#extend(delivery, change.leaseMs);
    if (change.kind === "retry") this.#context.checkDelay(change.delayMs);
    this.#leases.remove(delivery);
    return this.#settlements.add(delivery, change, this.#settled, waits);
  };

  readonly #settled = (delivery: LeasedDelivery, settlement: Settlement, settled: boolean): void => {
    this.#unsettled -= 1;
    if (this.#context.options.observer) {
      notifySettled(this.#context, this.#about(delivery), delivery.handedAt, settlement, settled);
    }
    this.#onFreed();
  };

  async #extend(delivery: LeasedDelivery, leaseMs: number): Promise<boolean> {
    const key = this.#key;
    try {
      const [kept] = await this.#leases.extend([delivery], leaseMs);
      return kept === true;
    } catch (error) {
      throw this.#context.wrap(ConsumeError, `Cannot extend a lease on "${key}"`, error, { key });
    }
  }

  #handOut(delivery: LeasedDelivery): IteratorYieldResult<T> {
    const { observer } = this.#context.options;
    this.#window.handOut();
    if (observer) {
      delivery.handedAt = monotonic(this.#context.clock);
      const { blockedMs } = delivery.raw;
      notify(observer, "delivered", { ...this.#about(delivery), ...blockedMs !== undefined && { blockedMs } });
    }
    return { done: false, value: this.#give(delivery) };
  }

  #giveBack(delivery: LeasedDelivery): void {
    // Where the broker does not take it back, its lease ends by itself; the failure is reported to the observer.
    this.#releases.push(delivery.release().catch(() => undefined));
  }

  /** Fetches where there is room for more and a reason to. */
  #pump(): void {
    if (this.#fetching || this.#stopped) return;
    const waiting = this.#waiters.length > 0;
    if (!waiting && this.#dry) return;
    const max = this.#window.room(this.#unsettled, this.#buffer.length, waiting);
    if (max <= 0) return;
    this.#fetching = this.#fetch(max).finally(() => {
      this.#fetching = undefined;
      this.#pump();
      this.#checkOver();
    });
  }

  async #fetch(max: number): Promise<void> {
    const { stopWhenEmpty } = this.#options;
    try {
      const options = { ...this.#options, max, signal: this.#fetchAbort.signal };
      const raws = await fetchDeliveries(this.#context, this.#key, options);
      this.#take(raws, max);
      this.#dry = stopWhenEmpty && raws.length === 0;
      if (this.#dry) this.#runDry();
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(raws: readonly RawDelivery[], asked: number): void {
    const now = raws.length > 0 ? monotonic(this.#context.clock) : 0;
    this.#window.fetched(raws.length === asked, this.#waiters.length > 0, now);
    // The buffer is refilled before it is empty: without this a busy consumer would keep every delivery it ever had.
    this.#buffer.compact();
    for (const raw of raws) {
      const leasedUntil = now - (raw.leasedForMs ?? 0) + this.#options.leaseMs;
      if (leasedUntil <= now) {
        // The answer came too late: somebody else may have it by now.
        notify(this.#context.options.observer, "leaseLost", this.#about(raw));
        continue;
      }
      this.#unsettled += 1;
      const payload = typeof raw.body === "string" ? parsePayload(raw.body) : raw.body ?? "it has no body";
      const readable = typeof payload === "object";
      const delivery = new LeasedDelivery(this.#key, raw, readable ? payload : {}, leasedUntil, this.#change);
      if (!readable) {
        const reason = new ConsumeError("malformed", `Cannot read a message of "${this.#key}": ${payload}`);
        notify(this.#context.options.observer, "unreadable", { ...this.#about(delivery), reason });
        delivery.deadLetterSoon(reason);
      } else if (this.#stopped) {
        this.#giveBack(delivery);
      } else {
        this.#leases.add(delivery);
        const waiter = this.#waiters.shift();
        if (waiter) waiter.resolve(this.#handOut(delivery));
        else this.#buffer.push(delivery);
      }
    }
  }

  /** Ends the iteration for a consumer that waits although nothing is ready. */
  #runDry(): void {
    // Deliveries in hand may come back, so only a consumer that waits for more is at its end.
    if (this.#waiters.length === 0 || this.#stopped) return;
    this.#end();
    this.#checkOver();
  }

  #fail(error: unknown): void {
    const waiter = this.#waiters.shift();
    if (waiter) waiter.reject(error);
    else this.#failure = error;
    this.#end();
    this.#checkOver();
  }

  /** Ends the iteration: the fetching, every wait, and what the driver does for this consumer between two fetches. */
  #end(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#fetchAbort.abort(new DOMException("The consumer stopped", "AbortError"));
    const { driver } = this.#context;
    if (driver.unsubscribe) this.#releases.push(driver.unsubscribe(this.#fetchAbort.signal).catch(() => undefined));
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE);
  }

  #onLost(delivery: LeasedDelivery): void {
    // It stays in the buffer until it is passed over.
    if (this.#buffer.includes(delivery)) this.#window.shrink();
    this.#unsettled -= 1;
    this.#onFreed();
  }

  #onFreed(): void {
    if (this.#unsettled === 0) {
      this.#onSettled?.();
      this.#onSettled = undefined;
      this.#checkOver();
    }
    if (this.#waiters.length > 0) this.#pump();
  }

  #checkOver(): void {
    if (!this.#stopped || this.#unsettled > 0 || this.#fetching) return;
    this.#leases.stop();
    this.#onOver();
  }

  #about({ id, attempts }: RawDelivery | LeasedDelivery): QueueMessageEvent {
    return { backend: this.#context.driver.name, key: this.#key, id, group: this.#options.group, attempts };
  }
}
