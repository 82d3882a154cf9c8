/**
 * The portable backend: what is the same for every queue, once, above a small driver.
 *
 * @module
 */
import {
  abortSignal,
  checkKey,
  checkOptions,
  type Checks,
  count,
  flag,
  nonNegative,
  positive,
  text,
  textRecord,
} from "./check.ts";
import type { LeasedDelivery } from "./delivery.ts";
import type { QueueDriver } from "./driver.ts";
import { ConnectionError, QueueError } from "./errors.ts";
import { type BackendOptions, Host } from "./host.ts";
import { kindOf } from "./json.ts";
import { deadLettersOf } from "./dead_letters.ts";
import { Outbox } from "./outbox.ts";
import { Composer, type Outgoing } from "./outgoing.ts";
import { PayloadIterator } from "./payloads.ts";
import type {
  BatchOptions,
  Capabilities,
  ConsumeOptions,
  DeadLetters,
  Delivery,
  Health,
  JsonObject,
  LeasingBackend,
  OutgoingMessage,
  PublishOptions,
  PublishReceipt,
  QueueDepth,
  ReceiveOptions,
} from "./protocol.ts";
import { DEFAULT_GROUP } from "./protocol.ts";
import { Settler } from "./settler.ts";
import { Subscription } from "./subscription.ts";

const PUBLISH_CHECKS: Checks<PublishOptions> = {
  id: text,
  delayMs: nonNegative,
  ttlMs: positive,
  headers: textRecord,
  signal: abortSignal,
  timeoutMs: positive,
};

const MESSAGE_CHECKS: Checks<OutgoingMessage> = {
  payload: () => undefined, // checked where it is copied
  id: text,
  delayMs: nonNegative,
  ttlMs: positive,
  headers: textRecord,
};

const BATCH_CHECKS: Checks<BatchOptions> = { signal: abortSignal, timeoutMs: positive };

const RECEIVE_CHECKS: Checks<ReceiveOptions> = {
  group: text,
  prefetch: count,
  leaseMs: positive,
  signal: abortSignal,
  stopWhenEmpty: flag,
};

const DEPTH_CHECKS: Checks<{ group?: string; signal?: AbortSignal }> = { group: text, signal: abortSignal };

const NO_OPTIONS = {};

/** What `close()` asks of a subscription, whatever it hands out. */
type Stoppable = Pick<Subscription<never>, "stop" | "empty" | "revoke">;

/** A backend made of a driver; the first-party backends extend it. */
export class PortableBackend implements LeasingBackend {
  /** List, replay, purge. */
  readonly deadLetters: DeadLetters;
  readonly #host: Host;
  readonly #outboxes: Map<string, Outbox> = new Map();
  readonly #settlers: Map<string, { readonly settler: Settler; users: number }> = new Map();
  readonly #subscriptions: Set<Stoppable> = new Set();
  readonly #composer: Composer;
  #closing: Promise<void> | undefined;

  /**
   * A backend over a driver.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(driver: QueueDriver, options: BackendOptions = {}) {
    this.#host = new Host(driver, options);
    this.#composer = new Composer(this.#host);
    this.deadLetters = deadLettersOf(this.#host);
  }

  /** The backend's name, such as `"memory"`. */
  get name(): string {
    return this.#host.driver.name;
  }

  /** What it can do. */
  get capabilities(): Capabilities {
    return this.#host.driver.capabilities;
  }

  /**
   * Publishes one message; resolves when the broker has confirmed it.
   *
   * @throws {TypeError | RangeError} An empty key, a payload that is not a JSON object or is over the limit, a wrong option.
   * @throws {PublishError} Not confirmed: `"unknown-outcome"`, `"queue-full"`, `"connection"`, `"timeout"` and others.
   * @throws {QueueError} `"closed"`, or `"unsupported"` for an option that the backend does not offer.
   */
  async publish(key: string, payload: JsonObject, options: PublishOptions = NO_OPTIONS): Promise<PublishReceipt> {
    checkKey(key);
    if (options !== NO_OPTIONS) checkOptions("publish options", options, PUBLISH_CHECKS);
    const message = this.#composer.compose(payload, options);
    const [receipt] = await this.#send(key, [message], options);
    return receipt!;
  }

  /**
   * Publishes messages in order; resolves when the broker has confirmed all of them, with a receipt for each.
   *
   * @throws As `publish`. A batch that was confirmed in part rejects with a `PublishError` whose `outcomes` say which.
   */
  async publishBatch(
    key: string,
    messages: readonly OutgoingMessage[],
    options: BatchOptions = NO_OPTIONS,
  ): Promise<PublishReceipt[]> {
    checkKey(key);
    if (!Array.isArray(messages)) throw new TypeError(`messages must be an array, found ${kindOf(messages)}`);
    checkOptions("batch options", options, BATCH_CHECKS);
    const outgoing = messages.map((message: OutgoingMessage, i) => {
      checkOptions(`messages[${i}]`, message, MESSAGE_CHECKS);
      if (message === undefined) throw new TypeError(`messages[${i}] must be an object, found undefined`);
      return this.#composer.compose(message.payload, message);
    });
    if (outgoing.length === 0) return [];
    return await this.#send(key, outgoing, options);
  }

  /**
   * Payloads, one after the other. Asking for the next acknowledges the one before; leaving the loop (break, return,
   * throw) releases the one in hand and all that was prefetched, at once and without counting an attempt.
   *
   * @throws {TypeError | RangeError} A wrong key or option.
   * @throws {QueueError} `"unsupported"` where the backend offers no groups, or no pulling at all.
   */
  consume(key: string, options: ConsumeOptions = NO_OPTIONS): AsyncIterableIterator<JsonObject> {
    return new PayloadIterator((give) => this.#subscribe(key, options, give));
  }

  /**
   * Deliveries under a lease that is renewed while they are in hand, each to be settled by its own methods.
   *
   * @throws As `consume`.
   */
  receive(key: string, options: ReceiveOptions = NO_OPTIONS): AsyncIterableIterator<Delivery> {
    return this.#subscribe<Delivery>(key, options, (delivery) => delivery);
  }

  /**
   * How many messages are where, for one group.
   *
   * @throws {ConsumeError} The broker did not answer.
   * @throws {QueueError} `"closed"`, or `"unsupported"` where `capabilities.depth` is false.
   */
  async depth(
    key: string,
    options: { readonly group?: string; readonly signal?: AbortSignal } = NO_OPTIONS,
  ): Promise<QueueDepth> {
    checkKey(key);
    checkOptions("depth options", options, DEPTH_CHECKS);
    const { driver } = this.#host;
    if (!driver.depth) throw this.#host.unsupported("depth");
    const { group = DEFAULT_GROUP, signal } = options;
    this.#checkGroup(group);
    return await this.#host.call(
      `Cannot look into "${key}"`,
      (limit) => driver.depth!(key, group, limit),
      { key, ...signal && { signal } },
    );
  }

  /** Whether the broker can be used now. Publishes nothing; never rejects. */
  async health(options: { readonly signal?: AbortSignal } = NO_OPTIONS): Promise<Health> {
    const { driver, clock } = this.#host;
    const startedAt = clock.now();
    try {
      await this.#host.call("Cannot reach the broker", (limit) => driver.ping?.(limit) ?? Promise.resolve(), {
        maxRetries: 0,
        ...options.signal && { signal: options.signal },
      });
      return { ok: true, latencyMs: clock.now() - startedAt };
    } catch (caught) {
      const error = caught instanceof QueueError && caught.code === "connection"
        ? new ConnectionError(caught.message, { backend: driver.name, cause: caught.cause })
        : caught as Error;
      return { ok: false, latencyMs: clock.now() - startedAt, error };
    }
  }

  /**
   * Stops taking, sends what was published, lets running handlers finish up to `closeDeadlineMs`, releases the rest
   * uncounted, and closes what was opened. Idempotent; afterwards every call rejects with code `"closed"`.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { driver, options, clock } = this.#host;
    this.#host.closed = true;
    const deadline = Promise.withResolvers<void>();
    const timer = clock.setTimeout(deadline.resolve, options.closeDeadlineMs);
    const subscriptions = [...this.#subscriptions];
    try {
      // All stop before any is waited for; what nobody settles by the deadline goes back.
      await Promise.race([
        Promise.allSettled([
          ...subscriptions.map((subscription) => subscription.stop().then(() => subscription.empty())),
          ...[...this.#outboxes.values()].map((outbox) => outbox.idle()),
        ]),
        deadline.promise,
      ]);
      const reason = this.#host.closedError("The lease was given back");
      const late = this.#host.closedError("Cannot publish");
      for (const outbox of this.#outboxes.values()) outbox.abandon(late);
      const revoked = subscriptions.map((subscription) => subscription.revoke(reason));
      const settled = [...this.#settlers.values()].map(({ settler }) => settler.idle());
      const limit = Promise.withResolvers<void>();
      const last = clock.setTimeout(limit.resolve, options.timeoutMs);
      await Promise.race([Promise.allSettled([...revoked, ...settled]), limit.promise]);
      clock.clearTimeout(last);
    } finally {
      clock.clearTimeout(timer);
      await driver.close();
    }
  }

  async #send(key: string, messages: readonly Outgoing[], options: BatchOptions): Promise<PublishReceipt[]> {
    if (this.#host.closed) throw this.#host.closedError(`Cannot publish to "${key}"`, key);
    options.signal?.throwIfAborted();
    let outbox = this.#outboxes.get(key);
    if (outbox === undefined) {
      // A key that falls silent costs nothing: its outbox goes when it is empty.
      outbox = new Outbox(this.#host, key, () => this.#outboxes.delete(key));
      this.#outboxes.set(key, outbox);
    }
    return await outbox.add(messages, {
      timeoutMs: options.timeoutMs ?? this.#host.options.timeoutMs,
      signal: options.signal,
    });
  }

  #subscribe<T>(key: string, options: ReceiveOptions, give: (delivery: LeasedDelivery) => T): Subscription<T> {
    checkKey(key);
    checkOptions("receive options", options, RECEIVE_CHECKS);
    const { driver, options: defaults } = this.#host;
    if (!driver.receive || !driver.settle) throw this.#host.unsupported("pulling messages");
    const { group = DEFAULT_GROUP, prefetch = defaults.prefetch, leaseMs = defaults.leaseMs, signal } = options;
    this.#checkGroup(group);
    const id = JSON.stringify([key, group]);
    let shared = this.#settlers.get(id);
    if (shared === undefined) {
      this.#settlers.set(id, shared = { settler: new Settler(this.#host, key, group), users: 0 });
    }
    const { settler } = shared;
    const settings = { group, prefetch, leaseMs, signal, stopWhenEmpty: options.stopWhenEmpty ?? false };
    const subscription: Subscription<T> = new Subscription<T>(this.#host, key, settings, settler, give, () => {
      if (!this.#subscriptions.delete(subscription)) return;
      shared.users -= 1;
      if (shared.users === 0) this.#settlers.delete(id);
    });
    this.#subscriptions.add(subscription);
    shared.users += 1;
    return subscription;
  }

  #checkGroup(group: string): void {
    if (group !== DEFAULT_GROUP && !this.capabilities.groups) {
      throw this.#host.unsupported(`groups, such as "${group}"`);
    }
  }
}

/**
 * Makes a full backend of a driver.
 *
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export function createBackend(driver: QueueDriver, options: BackendOptions = {}): LeasingBackend {
  return new PortableBackend(driver, options);
}
