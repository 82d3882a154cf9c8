/**
 * The publishing side of the portable backend. Where the platform pushes, there is no other side.
 *
 * @module
 */
import {
  abortSignal,
  checkKey,
  checkOptions,
  nonNegative,
  orderingKey,
  positive,
  text,
  textRecord,
  type Validators,
} from "./util/validate.ts";
import { type Sender, UnbatchedSender } from "./publish/unbatched_sender.ts";
import type { DriverMessage, QueueDriver } from "./driver.ts";
import { ConnectionError, QueueError } from "./errors.ts";
import { BackendContext, type BackendOptions } from "./context.ts";
import { delay } from "./util/async.ts";
import { monotonic } from "./util/clock.ts";
import { kindOf } from "./util/json.ts";
import { MessageFactory } from "./publish/message.ts";
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

/** The checks of a batch as a whole. */
export const BATCH_CHECKS: Validators<BatchOptions> = { signal: abortSignal, timeoutMs: positive };

const ONE_CHECKS: Validators<Omit<OutgoingMessage, "payload">> = {
  id: text,
  orderingKey,
  delayMs: nonNegative,
  ttlMs: positive,
  headers: textRecord,
};

/** The checks of the options of one publish. */
export const PUBLISH_CHECKS: Validators<PublishOptions> = { ...ONE_CHECKS, ...BATCH_CHECKS };

/** The checks of one message of a batch; its payload is checked where it is copied. */
export const MESSAGE_CHECKS: Validators<OutgoingMessage> = { payload: () => undefined, ...ONE_CHECKS };

const NO_OPTIONS = {};

/** The parts of a backend that pulls: its receiving side, and the batcher of its publishes. */
export interface PullingParts {
  readonly Receiver: new (context: BackendContext) => ReceivingPart;
  readonly Batcher: new (context: BackendContext) => Sender;
}

/** The receiving side, as the publishing side uses it. */
export interface ReceivingPart {
  readonly deadLetters: DeadLetters;
  depth: LeasingBackend["depth"];
  consume(key: string, options: ConsumeOptions): AsyncIterableIterator<JsonObject>;
  receive(key: string, options: ReceiveOptions): AsyncIterableIterator<Delivery>;
  stop(): Promise<void>;
  revoke(): Promise<void>;
}

/**
 * A backend over a driver that only sends, since its platform pushes. `PortableBackend` adds the receiving side; without
 * it `receive`, `consume`, `depth` and the dead letters reject with code `"unsupported"`.
 */
export class PublishingBackend implements LeasingBackend {
  /** The dead letters: list, replay, purge. */
  readonly deadLetters: DeadLetters;
  readonly #context: BackendContext;
  readonly #sender: Sender;
  readonly #receiver: ReceivingPart | undefined;
  readonly #messages: MessageFactory;
  #closing: Promise<void> | undefined;

  /**
   * Creates a backend over a driver.
   *
   * @param driver Talks to the broker. `close()` closes it.
   * @param options Limits and retries.
   * @param parts The receiving side and the batcher. Default: none.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(driver: QueueDriver, options: BackendOptions = {}, parts?: PullingParts) {
    this.#context = new BackendContext(driver, options);
    this.#messages = new MessageFactory(this.#context);
    this.#receiver = parts && new parts.Receiver(this.#context);
    this.#sender = new (driver.unbatched || !parts ? UnbatchedSender : parts.Batcher)(this.#context);
    this.deadLetters = this.#receiver?.deadLetters ?? this.#noDeadLetters();
  }

  /** The backend's name, such as `"memory"`. */
  get name(): string {
    return this.#context.driver.name;
  }

  /** The abilities of the backend. */
  get capabilities(): Capabilities {
    return this.#context.driver.capabilities;
  }

  /**
   * Publishes one message; resolves when the broker has confirmed it.
   *
   * @param key The name of the queue.
   * @param payload A JSON object. It may be changed afterwards.
   * @param options Id, delay, time to live, headers, deadline and signal.
   * @returns The message's id, and whether it was added or a duplicate.
   * @throws {TypeError | RangeError} An empty key, a payload that is not a JSON object or is over the limit, a wrong option.
   * @throws {PublishError} Not confirmed: `"unknown-outcome"`, `"queue-full"`, `"connection"`, `"timeout"` and others.
   * @throws {QueueError} `"closed"`, or `"unsupported"` for an option that the backend does not offer.
   */
  async publish(key: string, payload: JsonObject, options: PublishOptions = NO_OPTIONS): Promise<PublishReceipt> {
    checkKey(key);
    if (options !== NO_OPTIONS) checkOptions("publish options", options, PUBLISH_CHECKS);
    return (await this.#send(key, [this.#messages.createDriverMessage(payload, options)], options))[0]!;
  }

  /**
   * Publishes messages in order; resolves when the broker has confirmed all of them.
   *
   * @param key The name of the queue.
   * @param messages Payloads, each with its options.
   * @param options Deadline and signal of the batch.
   * @returns One receipt per message.
   * @throws As `publish`. A batch that was confirmed in part rejects with a `PublishError` that has the `outcomes`.
   */
  async publishBatch(
    key: string,
    messages: readonly OutgoingMessage[],
    options: BatchOptions = NO_OPTIONS,
  ): Promise<PublishReceipt[]> {
    checkKey(key);
    if (!Array.isArray(messages)) throw new TypeError(`messages must be an array, found ${kindOf(messages)}`);
    checkOptions("batch options", options, BATCH_CHECKS);
    const outgoing = Array.from(messages, (message: OutgoingMessage, i) => { // not map, which passes over holes
      checkOptions(`messages[${i}]`, message, MESSAGE_CHECKS);
      return this.#messages.createDriverMessage(message.payload, message);
    });
    if (outgoing.length === 0) return [];
    return await this.#send(key, outgoing, options);
  }

  /**
   * Yields payloads, one after the other. Asking for the next acknowledges the one before; leaving the loop (break,
   * return, throw) releases the one in hand and everything prefetched, at once and without counting an attempt.
   *
   * @param key The name of the queue.
   * @param options Group, prefetch, lease and signal.
   * @throws {TypeError | RangeError} A wrong key or option.
   * @throws {QueueError} `"unsupported"` where the backend offers no groups, or no pulling at all.
   */
  consume(key: string, options: ConsumeOptions = NO_OPTIONS): AsyncIterableIterator<JsonObject> {
    return this.#pulling("receive or consume").consume(key, options);
  }

  /**
   * Yields deliveries under a lease that is renewed until they are settled, each by its own methods.
   *
   * @param key The name of the queue.
   * @param options Group, prefetch, lease and signal.
   * @throws As `consume`.
   */
  receive(key: string, options: ReceiveOptions = NO_OPTIONS): AsyncIterableIterator<Delivery> {
    return this.#pulling("receive or consume").receive(key, options);
  }

  /**
   * Counts the messages of a key by state, for one group.
   *
   * @param key The name of the queue.
   * @throws {ConsumeError} The broker did not reply.
   * @throws {QueueError} `"closed"`, or `"unsupported"` where `capabilities.depth` is false.
   */
  async depth(
    key: string,
    options: { readonly group?: string; readonly signal?: AbortSignal } = NO_OPTIONS,
  ): Promise<QueueDepth> {
    return await this.#pulling("depth").depth(key, options);
  }

  /**
   * Tells whether the broker can be used now. Publishes nothing, and does not reject where the broker does not reply.
   * `asked` is false where the driver has no `ping` and the broker was not asked.
   *
   * @returns `ok`, else the reason; `warnings` about settings that work but are not safe.
   * @throws {QueueError} `"closed"`.
   */
  async health(options: { readonly signal?: AbortSignal } = NO_OPTIONS): Promise<Health> {
    const what = "Cannot reach the broker";
    if (this.#context.closed) throw this.#context.closedError(what);
    const { driver, clock, options: { timeoutMs } } = this.#context;
    if (!driver.ping) return { ok: true, asked: false, latencyMs: 0 };
    const startedAt = monotonic(clock);
    let error: QueueError | undefined;
    let warnings: readonly string[] | void = undefined;
    try {
      warnings = await this.#context.callWithTimeout(
        async (limit) => await driver.ping!(limit),
        timeoutMs,
        "timeout",
        options.signal,
      );
    } catch (cause) {
      error = this.#context.wrap(QueueError, what, cause);
      if (error.code === "connection") error = new ConnectionError(error.message, error);
    }
    const latencyMs = monotonic(clock) - startedAt;
    return { ok: !error, latencyMs, ...error && { error }, ...warnings?.length && { warnings } };
  }

  /**
   * Stops fetching, sends what was published, lets running handlers finish up to `closeDeadlineMs`, releases the rest
   * uncounted, and closes what was opened. Idempotent; afterwards every call rejects with code `"closed"`.
   *
   * @throws {QueueError} The driver could not close what it opened, or not in time.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** See `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { driver, clock, options: { closeDeadlineMs, timeoutMs } } = this.#context;
    this.#context.closed = true;
    // Both stop before either is waited for. What is not settled by the deadline goes back.
    await delay(closeDeadlineMs, clock, undefined, Promise.all([this.#receiver?.stop(), this.#sender.idle()]));
    await this.#sender.abandon(this.#context.closedError("Cannot confirm a publish"));
    if (this.#receiver) await delay(timeoutMs, clock, undefined, this.#receiver.revoke());
    try {
      await this.#context.callWithTimeout(() => driver.close(), timeoutMs, "timeout");
    } catch (error) {
      throw this.#context.wrap(QueueError, "Cannot close", error);
    }
  }

  #send(key: string, messages: readonly DriverMessage[], options: BatchOptions): Promise<PublishReceipt[]> {
    if (this.#context.closed) throw this.#context.closedError(`Cannot publish to "${key}"`, key);
    options.signal?.throwIfAborted();
    return this.#sender.add(key, messages, options);
  }

  #pulling(what: string): ReceivingPart {
    if (this.#receiver === undefined) throw this.#context.unsupported(what);
    return this.#receiver;
  }

  #noDeadLetters(): DeadLetters {
    const refuse = () => Promise.reject(this.#context.unsupported("dead letters"));
    // deno-lint-ignore require-yield -- it rejects when it is asked for its first letter
    const list = async function* () {
      await refuse();
    };
    return { list, replay: refuse, purge: refuse };
  }
}
