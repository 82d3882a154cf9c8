/**
 * The receiving side of the portable backend: subscriptions, settlements and dead letters.
 *
 * It is kept apart from the publishing side so that the bundle of a Worker that only publishes does not hold it.
 *
 * @module
 */
import { DEFAULT_GROUP, DEFAULT_LEASE_MS, DEFAULT_PREFETCH } from "../defaults.ts";
import { call, checkGroup } from "../context.ts";
import {
  abortSignal,
  boolean,
  checkKey,
  checkOptions,
  count,
  positive,
  text,
  type Validators,
} from "../util/validate.ts";
import { deadLettersOf } from "./dead_letters.ts";
import type { LeasedDelivery } from "./delivery.ts";
import type { BackendContext } from "../context.ts";
import { PayloadIterator } from "./payload_iterator.ts";
import type { ConsumeOptions, DeadLetters, Delivery, JsonObject, QueueDepth, ReceiveOptions } from "../protocol.ts";
import { SettlementBatcher } from "./settlement_batcher.ts";
import { Subscription } from "./subscription.ts";

const RECEIVE_CHECKS: Validators<ReceiveOptions> = {
  group: text,
  prefetch: count,
  leaseMs: positive,
  maxPerOrderingKey: count,
  signal: abortSignal,
  stopWhenEmpty: boolean,
};

type DepthOptions = { readonly group?: string; readonly signal?: AbortSignal };

const DEPTH_CHECKS: Validators<DepthOptions> = { group: text, signal: abortSignal };

/** The part of a subscription that does not depend on what it hands out. */
type Stoppable = Pick<Subscription<never>, "stop" | "empty" | "revoke">;

/** The consumers of a backend. */
export class Receiver {
  readonly deadLetters: DeadLetters;
  readonly #context: BackendContext;
  readonly #settlements: Map<string, { readonly batcher: SettlementBatcher; users: number }> = new Map();
  readonly #subscriptions: Set<Stoppable> = new Set();

  constructor(context: BackendContext) {
    this.#context = context;
    this.deadLetters = deadLettersOf(context);
  }

  /** Yields payloads; asking for the next acknowledges the one before. */
  consume(key: string, options: ConsumeOptions): AsyncIterableIterator<JsonObject> {
    return new PayloadIterator((give) => this.#subscribe(key, options, give));
  }

  /** Yields deliveries, to be settled one by one. */
  receive(key: string, options: ReceiveOptions): AsyncIterableIterator<Delivery> {
    return this.#subscribe<Delivery>(key, options, (delivery) => delivery);
  }

  /** Counts the messages of a key by state. */
  async depth(key: string, options: DepthOptions = {}): Promise<QueueDepth> {
    checkKey(key);
    checkOptions("depth options", options, DEPTH_CHECKS);
    const { driver } = this.#context;
    if (!driver.depth) throw this.#context.unsupported("depth");
    const { group = DEFAULT_GROUP, signal } = options;
    checkGroup(this.#context, group);
    const counts = await call(
      this.#context,
      `Cannot look into "${key}"`,
      (limit) => driver.depth!(key, group, limit),
      key,
      signal,
    );
    return { blocked: 0, ...counts };
  }

  /** Stops fetching; resolves when nothing is in hand. */
  async stop(): Promise<void> {
    await Promise.allSettled(
      [...this.#subscriptions].map((subscription) => subscription.stop().then(() => subscription.empty())),
    );
  }

  /** Takes back what is in hand, and sends every settlement that is left. */
  async revoke(): Promise<void> {
    const reason = this.#context.closedError("Cannot keep the lease");
    await Promise.allSettled([
      ...[...this.#subscriptions].map((subscription) => subscription.revoke(reason)),
      ...[...this.#settlements.values()].map(({ batcher }) => batcher.idle()),
    ]);
  }

  #subscribe<T>(key: string, options: ReceiveOptions, give: (delivery: LeasedDelivery) => T): Subscription<T> {
    checkKey(key);
    checkOptions("receive options", options, RECEIVE_CHECKS);
    const { driver, options: defaults } = this.#context;
    if (!driver.receive || !driver.settle) throw this.#context.unsupported("receive or consume");
    const { group = DEFAULT_GROUP, signal } = options;
    const { prefetch = defaults.prefetch ?? DEFAULT_PREFETCH, leaseMs = defaults.leaseMs ?? DEFAULT_LEASE_MS } =
      options;
    checkGroup(this.#context, group);
    const id = JSON.stringify([key, group]);
    let shared = this.#settlements.get(id);
    if (shared === undefined) {
      this.#settlements.set(id, shared = { batcher: new SettlementBatcher(this.#context, key, group), users: 0 });
    }
    const { batcher } = shared;
    const { stopWhenEmpty = false, maxPerOrderingKey = 1 } = options;
    const settings = { group, prefetch, leaseMs, maxPerOrderingKey, signal, stopWhenEmpty };
    const subscription: Subscription<T> = new Subscription<T>(this.#context, key, settings, batcher, give, () => {
      if (!this.#subscriptions.delete(subscription)) return;
      shared.users -= 1;
      if (shared.users === 0) this.#settlements.delete(id);
    });
    this.#subscriptions.add(subscription);
    shared.users += 1;
    subscription.begin();
    return subscription;
  }
}
