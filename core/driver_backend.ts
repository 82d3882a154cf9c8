/**
 * The base of every backend over a driver, however its messages are sent.
 *
 * @module
 */
import { checkKey, checkOptions } from "./util/validate.ts";
import type { QueueDriver } from "./driver.ts";
import { ConnectionError, QueueError } from "./errors.ts";
import type { BackendOptions } from "./backend_options.ts";
import { BackendContext } from "./context.ts";
import { delay } from "./util/async.ts";
import { monotonic } from "./util/clock.ts";
import { checkedBatch, PUBLISH_CHECKS } from "./publish/checks.ts";
import { MessageFactory } from "./publish/message.ts";
import type {
  BatchOptions,
  Capabilities,
  ConsumeOptions,
  DeadLetters,
  Delivery,
  Health,
  Inspection,
  JsonObject,
  LeasingBackend,
  OutgoingMessage,
  PublishOptions,
  PublishReceipt,
  QueueDepth,
  ReceiveOptions,
} from "./protocol.ts";
import type { DriverMessage } from "./driver.ts";
import type { MessageSender } from "./publish/sender.ts";
import { diagnosisOf } from "./receive/diagnosis.ts";
import { inspectionOf } from "./receive/inspection.ts";
import { Receiver } from "./receive/receiver.ts";

const NO_OPTIONS = {};

/**
 * A backend over a driver: the base of {@link PortableBackend}, which sends in batches, and of the memory backend, which
 * has no use for those. Where the driver only sends, since its platform pushes, `receive`, `consume`, `depth` and the dead
 * letters reject with code `"unsupported"`.
 *
 * @internal Authors extend `PortableBackend`.
 */
export class DriverBackend implements LeasingBackend {
  /** The dead letters: list, replay, purge. */
  readonly deadLetters: DeadLetters;
  /** Looks for what makes events get lost or late later on. Absent where the driver cannot tell. */
  declare readonly diagnose?: NonNullable<LeasingBackend["diagnose"]>;
  /** Removes a queue with all that belongs to it. Absent where the driver cannot. */
  declare readonly dropQueue?: NonNullable<LeasingBackend["dropQueue"]>;
  /** Looks into queues: keys, groups, the oldest, the waiting. Present exactly where `capabilities.inspect` is true. */
  declare readonly inspect?: Inspection;
  readonly #context: BackendContext;
  readonly #sender: MessageSender;
  readonly #receiver: Receiver;
  readonly #messages: MessageFactory;
  #closing: Promise<void> | undefined;

  /**
   * Creates a backend over a driver. The driver is not checked: {@link checkDriver} does that, and `createBackend` calls it.
   *
   * @param driver Talks to the broker. `close()` closes it.
   * @param options Limits, retries and leases.
   * @param createSender Makes what hands messages to the driver.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   * @throws {QueueError} `"unsupported"`: `messageTtlMs` where `capabilities.ttl` is false.
   */
  constructor(
    driver: QueueDriver,
    options: BackendOptions,
    createSender: (context: BackendContext) => MessageSender,
  ) {
    this.#context = new BackendContext(driver, options);
    if (options.messageTtlMs !== undefined && !driver.capabilities.ttl) throw this.#context.unsupported("messageTtlMs");
    this.#messages = new MessageFactory(this.#context);
    this.#receiver = new Receiver(this.#context);
    this.#sender = createSender(this.#context);
    this.deadLetters = this.#receiver.deadLetters;
    Object.assign(this, diagnosisOf(this.#context));
    if (driver.capabilities.inspect) this.inspect = inspectionOf(this.#context);
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
    const create = (message: OutgoingMessage) => this.#messages.createDriverMessage(message.payload, message);
    const outgoing = checkedBatch(key, messages, options, create);
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
    return this.#receiver.consume(key, options);
  }

  /**
   * Yields deliveries under a lease that is renewed until they are settled, each by its own methods.
   *
   * @param key The name of the queue.
   * @param options Group, prefetch, lease and signal.
   * @throws As `consume`.
   */
  receive(key: string, options: ReceiveOptions = NO_OPTIONS): AsyncIterableIterator<Delivery> {
    return this.#receiver.receive(key, options);
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
    return await this.#receiver.depth(key, options);
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
      this.#context.answered();
    } catch (cause) {
      error = this.#context.wrap(QueueError, what, cause);
      if (!options.signal?.aborted) this.#context.failed(error);
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
    await delay(closeDeadlineMs, clock, undefined, Promise.all([this.#receiver.stop(), this.#sender.idle()]));
    await this.#sender.abandon(this.#context.closedError("Cannot confirm a publish"));
    await delay(timeoutMs, clock, undefined, this.#receiver.revoke());
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
}
