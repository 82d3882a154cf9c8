/**
 * The publishing side of the portable backend, which is all of it where the platform pushes.
 *
 * @module
 */
import { abortSignal, checkKey, checkOptions, type Checks, nonNegative, positive, text, textRecord } from "./check.ts";
import type { QueueDriver } from "./driver.ts";
import { ConnectionError, QueueError } from "./errors.ts";
import { type BackendOptions, Host } from "./host.ts";
import { kindOf } from "./json.ts";
import { Outbox } from "./outbox.ts";
import { Composer, type Outgoing } from "./outgoing.ts";
import {
  type BatchOptions,
  type Capabilities,
  type ConsumeOptions,
  type DeadLetters,
  DEFAULT_GROUP,
  type Delivery,
  type Health,
  type JsonObject,
  type LeasingBackend,
  type OutgoingMessage,
  type PublishOptions,
  type PublishReceipt,
  type QueueDepth,
  type ReceiveOptions,
} from "./protocol.ts";

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

const DEPTH_CHECKS: Checks<{ group?: string; signal?: AbortSignal }> = { group: text, signal: abortSignal };

const NO_OPTIONS = {};

/** The receiving side, as the publishing side knows it. */
export interface ReceivingSide {
  readonly deadLetters: DeadLetters;
  consume(key: string, options: ConsumeOptions): AsyncIterableIterator<JsonObject>;
  receive(key: string, options: ReceiveOptions): AsyncIterableIterator<Delivery>;
  stop(): Promise<void>;
  revoke(reason: unknown): Promise<void>;
}

/**
 * A backend made of a driver that only sends: its platform pushes. `PortableBackend` adds the receiving side; here,
 * what belongs to it rejects with code `"unsupported"`.
 */
export class PublishingBackend implements LeasingBackend {
  /** List, replay, purge. */
  readonly deadLetters: DeadLetters;
  readonly #host: Host;
  readonly #outboxes: Map<unknown, Outbox> = new Map();
  readonly #receiving: ReceivingSide | undefined;
  readonly #composer: Composer;
  #closing: Promise<void> | undefined;

  /**
   * A backend over a driver. `Receiving` makes its receiving side, where it has one.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(driver: QueueDriver, options: BackendOptions = {}, Receiving?: new (host: Host) => ReceivingSide) {
    this.#host = new Host(driver, options);
    this.#composer = new Composer(this.#host);
    this.#receiving = Receiving && new Receiving(this.#host);
    this.deadLetters = this.#receiving?.deadLetters ?? this.#noDeadLetters();
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
    return this.#pulling().consume(key, options);
  }

  /**
   * Deliveries under a lease that is renewed while they are in hand, each to be settled by its own methods.
   *
   * @throws As `consume`.
   */
  receive(key: string, options: ReceiveOptions = NO_OPTIONS): AsyncIterableIterator<Delivery> {
    return this.#pulling().receive(key, options);
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
    this.#host.checkGroup(group);
    return await this.#host.call(
      `Cannot look into "${key}"`,
      (limit) => driver.depth!(key, group, limit),
      { key, ...signal && { signal } },
    );
  }

  /**
   * Whether the broker can be used now. Publishes nothing; a broker that does not answer is an answer, no rejection.
   *
   * @throws {QueueError} `"closed"`.
   */
  async health(options: { readonly signal?: AbortSignal } = NO_OPTIONS): Promise<Health> {
    const what = "Cannot reach the broker";
    if (this.#host.closed) throw this.#host.closedError(what);
    const { driver, clock, options: { timeoutMs } } = this.#host;
    const startedAt = clock.now();
    const result = (error?: Error): Health => ({
      ok: error === undefined,
      latencyMs: clock.now() - startedAt,
      ...error && { error },
    });
    try {
      await this.#host.limited(
        (limit) => driver.ping?.(limit) ?? Promise.resolve(),
        timeoutMs,
        "timeout",
        options.signal,
      );
      return result();
    } catch (error) {
      const wrapped = this.#host.wrap(QueueError, what, error);
      const { message, backend, cause } = wrapped;
      return result(wrapped.code === "connection" ? new ConnectionError(message, { backend, cause }) : wrapped);
    }
  }

  /**
   * Stops taking, sends what was published, lets running handlers finish up to `closeDeadlineMs`, releases the rest
   * uncounted, and closes what was opened. Idempotent; afterwards every call rejects with code `"closed"`.
   *
   * @throws {QueueError} The driver could not close what it opened, or not in time.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { options, clock } = this.#host;
    this.#host.closed = true;
    const deadline = Promise.withResolvers<void>();
    const timer = clock.setTimeout(deadline.resolve, options.closeDeadlineMs);
    const outboxes = [...this.#outboxes.values()];
    try {
      // All stop before any is waited for; what nobody settles by the deadline goes back.
      await Promise.race([
        Promise.all([this.#receiving?.stop(), ...outboxes.map((outbox) => outbox.idle())]),
        deadline.promise,
      ]);
      for (const outbox of outboxes) outbox.abandon(this.#host.closedError("Cannot publish"));
      const limit = Promise.withResolvers<void>();
      const last = clock.setTimeout(limit.resolve, options.timeoutMs);
      const reason = this.#host.closedError("The lease was given back");
      await Promise.race([this.#receiving?.revoke(reason), limit.promise]);
      clock.clearTimeout(last);
    } finally {
      clock.clearTimeout(timer);
      await this.#closeDriver();
    }
  }

  async #closeDriver(): Promise<void> {
    const { driver, options } = this.#host;
    try {
      await this.#host.limited(() => driver.close(), options.timeoutMs, "timeout");
    } catch (error) {
      throw this.#host.wrap(QueueError, "Cannot close", error);
    }
  }

  async #send(key: string, messages: readonly Outgoing[], options: BatchOptions): Promise<PublishReceipt[]> {
    if (this.#host.closed) throw this.#host.closedError(`Cannot publish to "${key}"`, key);
    options.signal?.throwIfAborted();
    const name = this.#host.driver.separate ? {} : key;
    let outbox = this.#outboxes.get(name);
    if (outbox === undefined) {
      // A key that falls silent costs nothing: its outbox goes when it is empty.
      outbox = new Outbox(this.#host, key, () => this.#outboxes.delete(name));
      this.#outboxes.set(name, outbox);
    }
    return await outbox.add(messages, {
      timeoutMs: options.timeoutMs ?? this.#host.options.timeoutMs,
      signal: options.signal,
    });
  }

  #pulling(): ReceivingSide {
    if (this.#receiving === undefined || !this.#host.driver.receive) throw this.#host.unsupported("pulling messages");
    return this.#receiving;
  }

  #noDeadLetters(): DeadLetters {
    const refuse = () => Promise.reject(this.#host.unsupported("dead letters"));
    // deno-lint-ignore require-yield -- a list that is refused when it is asked for its first letter
    const list = async function* () {
      await refuse();
    };
    return { list, replay: refuse, purge: refuse };
  }
}
