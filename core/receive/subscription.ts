/**
 * One consumer: takes deliveries from the driver ahead of demand, no more than its prefetch, and hands them out.
 *
 * @module
 */
import { callWithTimeout } from "../call.ts";
import { toCause } from "../cause.ts";
import { LeasedDelivery, type Lessor } from "./delivery.ts";
import type { RawDelivery, Settlement } from "../driver.ts";
import { ConsumeError } from "../errors.ts";
import type { BackendContext } from "../context.ts";
import { parsePayload } from "../util/json.ts";
import { LeaseManager } from "./lease_manager.ts";
import { notify } from "../observer.ts";
import { backoffMs } from "../util/retry.ts";
import type { SettlementBatcher } from "./settlement_batcher.ts";
import { delay } from "../util/async.ts";
import { monotonic } from "../util/clock.ts";

/** What a subscription is made with: {@link ReceiveOptions} with their defaults. */
export interface SubscriptionOptions {
  readonly group: string;
  readonly prefetch: number;
  readonly leaseMs: number;
  readonly signal: AbortSignal | undefined;
  readonly stopWhenEmpty: boolean;
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** How many deliveries a new consumer asks for at first: grows while handlers are fast. */
const FIRST_FETCH = 16;

/** Milliseconds between two fetches below which handlers count as fast. */
const FAST_MS = 50;

/** Milliseconds: a wait of the broker that ends in vain sooner was none, and is made up for, growing up to this. */
const IDLE_MS = 100;

/** The iterator behind `receive`, and beneath `consume`; `T` is what it hands out. */
export class Subscription<T> implements AsyncIterableIterator<T, undefined>, Lessor {
  readonly key: string;
  readonly #context: BackendContext;
  readonly #options: SubscriptionOptions;
  readonly #settlements: SettlementBatcher;
  readonly #leases: LeaseManager;
  readonly #give: (delivery: LeasedDelivery) => T;
  readonly #onOver: () => void;
  readonly #fetchAbort = new AbortController();
  readonly #releases: Promise<unknown>[] = [];
  #buffer: LeasedDelivery[] = [];
  #head = 0;
  #waiters: Waiter<T>[] = [];
  #fetching: Promise<void> | undefined;
  #unsettled = 0;
  #window: number;
  #fetchedAt = 0;
  /** Handed out since the last fetch. */
  #handed = 0;
  #failure: unknown;
  #stopped = false;
  /** Nothing was ready at the last look, and nobody waits for more: it is looked again when somebody does. */
  #dry = false;
  #onSettled: (() => void) | undefined;
  readonly #onAbort = () => void this.stop();

  /** A consumer; `onOver` is told when it holds nothing any more and never will. */
  constructor(
    context: BackendContext,
    key: string,
    options: SubscriptionOptions,
    settler: SettlementBatcher,
    give: (delivery: LeasedDelivery) => T,
    onOver: () => void,
  ) {
    this.#context = context;
    this.key = key;
    this.#options = options;
    this.#settlements = settler;
    this.#give = give;
    this.#onOver = onOver;
    this.#window = Math.min(options.prefetch, FIRST_FETCH);
    this.#leases = new LeaseManager(context, key, options.group, options.leaseMs, (delivery) => this.#onLost(delivery));
  }

  /** Begins, unless it is over before that: then `onOver` is told, so its owner must know it by now. */
  begin(): void {
    const { signal } = this.#options;
    if (this.#context.closed) {
      return this.#fail(this.#context.closedError(`Cannot receive from "${this.key}"`, this.key));
    }
    if (!signal?.aborted) return signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#stopped = true;
    this.#checkOver();
  }

  checkDelay(delayMs: number): void {
    this.#context.checkDelay(delayMs);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const delivery = this.#shift();
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
    this.#settlements.flush(); // whoever waits here has nothing more to settle
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#pump();
    });
  }

  /** Leaves: what is prefetched is released; what is in hand can be settled until its lease ends. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#leases.renewing = false;
    await this.stop();
    return DONE;
  }

  /** Stops taking and releases what is prefetched; resolves when the broker has it back. */
  async stop(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#options.signal?.removeEventListener("abort", this.#onAbort);
      this.#fetchAbort.abort(new DOMException("The consumer stopped", "AbortError"));
      for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE);
    }
    for (let delivery = this.#shift(); delivery; delivery = this.#shift()) this.#giveBack(delivery);
    const done = async () => {
      await this.#fetching;
      await Promise.all(this.#releases.splice(0));
    };
    // A broker that hangs must not hold up whoever leaves a loop: what it still answers is dealt with when it comes.
    await callWithTimeout(this.#context, done, this.#context.options.timeoutMs, "timeout").catch(() => undefined);
    this.#checkOver();
  }

  /** Resolves when nothing is in hand any more. */
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

  settle(delivery: LeasedDelivery, settlement: Settlement): Promise<boolean> {
    this.#leases.remove(delivery);
    return new Promise((resolve, reject) => {
      this.#settlements.add(delivery, settlement, this, (settled, error) => error ? reject(error) : resolve(settled));
    });
  }

  settleSoon(delivery: LeasedDelivery, settlement: Settlement): void {
    this.#leases.remove(delivery);
    this.#settlements.add(delivery, settlement, this);
  }

  settled(delivery: LeasedDelivery, settlement: Settlement, settled: boolean): void {
    this.#unsettled -= 1;
    if (this.#context.options.observer) this.#tellSettled(delivery, settlement, settled);
    this.#onFreed();
  }

  async extend(delivery: LeasedDelivery, leaseMs: number): Promise<boolean> {
    try {
      const [kept] = await this.#leases.extend([delivery], leaseMs);
      return kept === true;
    } catch (error) {
      throw this.#context.wrap(ConsumeError, `Cannot extend a lease on "${this.key}"`, error, { key: this.key });
    }
  }

  #handOut(delivery: LeasedDelivery): IteratorYieldResult<T> {
    const { observer } = this.#context.options;
    this.#handed += 1;
    if (observer) {
      delivery.handedAt = monotonic(this.#context.clock);
      const { blockedMs } = delivery.raw;
      notify(observer, "delivered", { ...this.#about(delivery), ...blockedMs !== undefined && { blockedMs } });
    }
    return { done: false, value: this.#give(delivery) };
  }

  #shift(): LeasedDelivery | undefined {
    while (this.#head < this.#buffer.length) {
      const delivery = this.#buffer[this.#head++]!;
      if (this.#head === this.#buffer.length) this.#buffer.length = this.#head = 0;
      if (!delivery.over) return delivery; // else its lease was lost while it waited here
    }
    return undefined;
  }

  #giveBack(delivery: LeasedDelivery): void {
    // Where the broker does not take it back, its lease ends by itself; the observer is told.
    this.#releases.push(delivery.release().catch(() => undefined));
  }

  /** Fetches where there is room for more and a reason to. */
  #pump(): void {
    if (this.#fetching || this.#stopped) return;
    const buffered = this.#buffer.length - this.#head;
    // Half-full: asking for a few at a time would cost a round trip each.
    if (this.#waiters.length === 0 && (this.#dry || buffered > this.#window / 2)) return;
    const room = Math.min(this.#options.prefetch - this.#unsettled, this.#window - buffered);
    if (room <= 0) return;
    this.#fetching = this.#fetch(room).finally(() => {
      this.#fetching = undefined;
      this.#pump();
      this.#checkOver();
    });
  }

  async #fetch(max: number): Promise<void> {
    const { driver, clock } = this.#context;
    const { group, leaseMs, stopWhenEmpty } = this.#options;
    const { signal } = this.#fetchAbort;
    const waitMs = stopWhenEmpty ? 0 : driver.maxWaitMs ?? 30_000;
    // An abort during the wait is what the loop's condition sees next.
    const idle = (ms: number) => delay(ms, clock, signal).catch(() => undefined);
    for (let failures = 0, inVain = 0; !signal.aborted;) {
      const askedAt = monotonic(clock);
      try {
        const raws = await driver.receive!(this.key, { group, max, leaseMs, waitMs, signal });
        this.#take(raws, max);
        this.#dry = stopWhenEmpty && raws.length === 0;
        if (this.#dry) this.#runDry();
        if (raws.length > 0 || stopWhenEmpty || monotonic(clock) - askedAt >= Math.min(waitMs, IDLE_MS)) return;
        // A driver may wake for nothing, but one that never waits must not take all the time there is.
        if (inVain > 0) await idle(backoffMs(inVain, { baseMs: 10, maxMs: IDLE_MS, jitter: "none" }));
        inVain += 1;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        const wrapped = this.#context.wrap(ConsumeError, `Cannot receive from "${this.key}"`, error, { key: this.key });
        this.#context.reportFailure("receive", this.key, failures, wrapped);
        if (!wrapped.retryable && wrapped.code !== "unknown-outcome") return this.#fail(wrapped);
        await idle(this.#context.backoffMs(failures, wrapped));
      }
    }
  }

  #take(raws: readonly RawDelivery[], asked: number): void {
    const now = raws.length > 0 ? monotonic(this.#context.clock) : 0;
    const hungry = this.#waiters.length > 0;
    const handed = this.#handed;
    this.#handed = 0;
    // It is refilled before it is empty: a consumer that never catches up would keep all that it ever had.
    if (this.#head > 0) this.#buffer.splice(0, this.#head);
    this.#head = 0;
    for (const raw of raws) {
      this.#unsettled += 1;
      const payload = typeof raw.body === "string" ? parsePayload(raw.body) : raw.body ?? "it has no body";
      const readable = typeof payload === "object";
      const delivery = new LeasedDelivery(this, raw, readable ? payload : {}, now + this.#options.leaseMs);
      if (!readable) {
        this.#quarantine(delivery, payload);
      } else if (this.#stopped) {
        this.#giveBack(delivery);
      } else {
        this.#leases.add(delivery);
        const waiter = this.#waiters.shift();
        if (waiter) waiter.resolve(this.#handOut(delivery));
        else this.#buffer.push(delivery);
      }
    }
    // All that was asked for came, to somebody who waited or took half a window in no time: the handlers are faster.
    const fast = now - this.#fetchedAt < FAST_MS && handed >= this.#window / 2;
    if (raws.length === asked && (hungry || fast)) this.#window = Math.min(this.#window * 2, this.#options.prefetch);
    this.#fetchedAt = now;
  }

  #quarantine(delivery: LeasedDelivery, problem: string): void {
    const reason = new ConsumeError("malformed", `Cannot read a message of "${this.key}": ${problem}`);
    this.settleSoon(delivery, { lease: delivery.raw.lease, kind: "dead", cause: toCause(reason) });
  }

  #runDry(): void {
    // What is still in hand may come back to be asked for: only who waits for more is told that it is over.
    if (this.#waiters.length === 0 || this.#stopped) return;
    this.#stopped = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE);
    this.#checkOver();
  }

  #fail(error: unknown): void {
    const waiters = this.#waiters.splice(0);
    if (waiters.length > 0) waiters.shift()!.reject(error);
    else this.#failure = error;
    this.#stopped = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const waiter of waiters) waiter.resolve(DONE);
    this.#checkOver();
  }

  #onLost(delivery: LeasedDelivery): void {
    // It stays in the buffer until it is passed over; handlers that fall behind their leases get fewer ahead.
    if (this.#buffer.includes(delivery, this.#head)) this.#window = Math.max(1, Math.floor(this.#window / 2));
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

  #about(delivery: LeasedDelivery): { backend: string; key: string; id: string; group: string; attempts: number } {
    const { group } = this.#options;
    return { backend: this.#context.driver.name, key: this.key, id: delivery.id, group, attempts: delivery.attempts };
  }

  #tellSettled(delivery: LeasedDelivery, settlement: Settlement, settled: boolean): void {
    const { observer } = this.#context.options;
    const { handedAt } = delivery;
    const event = {
      ...this.#about(delivery),
      ...handedAt !== undefined && { durationMs: monotonic(this.#context.clock) - handedAt },
    };
    if (!settled) return notify(observer, "leaseLost", event);
    if (settlement.kind === "ack") notify(observer, "acked", event);
    else if (settlement.kind === "retry") notify(observer, "retried", { ...event, reason: settlement.cause });
    else if (settlement.kind === "dead") notify(observer, "deadLettered", { ...event, reason: settlement.cause });
  }
}
