/**
 * What becomes of one delivery: the handler's outcome turned into a settlement, the same for pull and push.
 *
 * @module
 */
import { type Clock, systemClock } from "./clock.ts";
import { toCause } from "./delivery.ts";
import { PermanentError, QueueError } from "./errors.ts";
import { type MessageEvent, type QueueObserver, tell } from "./observer.ts";
import type { Delivery, FailureCause, JsonObject, RetryDeliveryOptions } from "./protocol.ts";
import { backoffMs, type BackoffOptions } from "./retry.ts";

/** What a handler is: resolve is done, throw is try again, {@link PermanentError} is give up. */
export type Handler = (delivery: Delivery) => unknown;

/** Keeps what a queue cannot: resolves when the message is safe elsewhere. `body` is what came, where it could not be read. */
export type DeadLetterSink = (delivery: Delivery, cause: FailureCause, body?: unknown) => Promise<unknown>;

/** Options of `createConsumer`. */
export interface ConsumerOptions {
  /** Called with each delivery. */
  readonly handler: Handler;
  /** The most handlers that run at once. Default: 8. */
  readonly concurrency?: number;
  /** Deliveries after which a message goes to the dead letters. Default: 5. */
  readonly maxAttempts?: number;
  /** Milliseconds before a failed message comes again: a growing wait with full jitter, or a function of attempts and error. Default: 1 s, doubling, up to 5 min. */
  readonly backoff?: BackoffOptions | ((attempts: number, error: unknown) => number);
  /** Milliseconds after which a handler counts as failed and its `delivery.signal` aborts. Default: no limit. */
  readonly timeoutMs?: number;
  /** Takes dead letters where the backend or platform keeps none. Default: a run stops with an error sooner than lose one. */
  readonly deadLetter?: DeadLetterSink;
  /** Told what becomes of each delivery, with how long its handler took. */
  readonly observer?: QueueObserver;
  /** Default: the platform's. */
  readonly clock?: Clock;
  /** A source of numbers from 0 to below 1, for jitter. Default: `Math.random`. */
  readonly random?: () => number;
}

/** What a run did. */
export interface ConsumerSummary {
  /** Handled. */
  readonly acked: number;
  /** Failed, and to come again. */
  readonly retried: number;
  /** Given up. */
  readonly deadLettered: number;
  /** Settled too late: someone else has them now. */
  readonly lost: number;
}

/** What became of a delivery. */
export type Outcome = keyof ConsumerSummary;

/** A summary to count in. */
export type Counts = { -readonly [Name in Outcome]: number };

/** How a delivery is settled by its handler's outcome: as the delivery itself does it, or in some other way. */
export interface Settling {
  /** As {@link Delivery.ack}. */
  ack(): Promise<boolean>;
  /** As {@link Delivery.retry}. */
  retry(options: RetryDeliveryOptions): Promise<boolean>;
  /** As {@link Delivery.deadLetter}. */
  deadLetter(reason: unknown): Promise<boolean>;
}

/** A summary of nothing, to count in. */
export function noCounts(): Counts {
  return { acked: 0, retried: 0, deadLettered: 0, lost: 0 };
}

const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 1_000, maxMs: 300_000 };

/** Applies a consumer's options to deliveries. */
export class Policy {
  readonly options: ConsumerOptions;
  readonly maxAttempts: number;
  readonly clock: Clock;
  readonly #random: () => number;

  constructor(options: ConsumerOptions) {
    this.options = options;
    this.maxAttempts = options.maxAttempts ?? 5;
    this.clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  /** Runs the handler and settles. */
  async apply(
    delivery: Delivery,
    backend: string,
    ending?: AbortSignal,
    settling: Settling = delivery,
  ): Promise<Outcome> {
    const startedAt = this.clock.now();
    this.#tell("delivered", delivery, backend, {});
    const failure = await this.#attempt(delivery, ending);
    const durationMs = this.clock.now() - startedAt;
    if (failure === undefined) {
      return this.#settled("acked", await settling.ack(), delivery, backend, { durationMs });
    }
    const { error } = failure;
    const event = { durationMs, reason: error };
    if (this.#isFinal(error, delivery.attempts)) {
      const dead = await settling.deadLetter(error);
      return this.#settled("deadLettered", dead, delivery, backend, event);
    }
    const again = await settling.retry({ delayMs: this.#waitMs(delivery.attempts, error), reason: error });
    return this.#settled("retried", again, delivery, backend, event);
  }

  /** Settles as the delivery does, but for the dead: the sink keeps them, where there is one. */
  withSink(delivery: Delivery): Settling {
    const { deadLetter } = this.options;
    if (deadLetter === undefined) return delivery;
    return {
      ack: () => delivery.ack(),
      retry: (options) => delivery.retry(options),
      deadLetter: async (reason) => {
        await deadLetter(delivery, toCause(reason));
        return await delivery.ack();
      },
    };
  }

  async #attempt(delivery: Delivery, ending?: AbortSignal): Promise<{ readonly error: unknown } | undefined> {
    const { handler, timeoutMs } = this.options;
    if (delivery.attempts > this.maxAttempts) {
      // Every delivery before this one ended with the consumer: running it once more could end this one too.
      const times = delivery.attempts - 1;
      return { error: new PermanentError(`It was delivered ${times} times and never settled`, { key: delivery.key }) };
    }
    try {
      if (timeoutMs === undefined && ending === undefined) await handler(delivery);
      else await this.#within(delivery, timeoutMs, ending);
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  #isFinal(error: unknown, attempts: number): boolean {
    return error instanceof QueueError && error.code === "permanent" || attempts >= this.maxAttempts;
  }

  #waitMs(attempts: number, error: unknown): number {
    const { backoff = {} } = this.options;
    return typeof backoff === "function"
      ? backoff(attempts, error)
      : backoffMs(attempts, { ...DEFAULT_BACKOFF, ...backoff }, this.#random);
  }

  async #within(delivery: Delivery, timeoutMs: number | undefined, ending: AbortSignal | undefined): Promise<void> {
    const limit = new AbortController();
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = timeoutMs === undefined ? undefined : this.clock.setTimeout(() => {
      const error = new QueueError("timeout", `The handler took longer than ${timeoutMs} ms`, { key: delivery.key });
      limit.abort(error);
      reject(error);
    }, timeoutMs);
    const onEnding = () => limit.abort(ending?.reason);
    if (ending?.aborted) onEnding();
    else ending?.addEventListener("abort", onEnding, { once: true });
    try {
      await Promise.race([this.options.handler(new Watched(delivery, limit.signal)), promise]);
    } finally {
      this.clock.clearTimeout(timer);
      ending?.removeEventListener("abort", onEnding);
    }
  }

  #settled(
    outcome: Outcome,
    settled: boolean,
    delivery: Delivery,
    backend: string,
    event: Partial<MessageEvent>,
  ): Outcome {
    if (!settled) {
      this.#tell("leaseLost", delivery, backend, event);
      return "lost";
    }
    if (outcome !== "lost") this.#tell(outcome, delivery, backend, event);
    return outcome;
  }

  #tell(
    name: "delivered" | "acked" | "retried" | "deadLettered" | "leaseLost",
    { key, id, attempts }: Delivery,
    backend: string,
    event: Partial<MessageEvent>,
  ): void {
    const { observer } = this.options;
    if (observer?.[name]) tell(observer, name, { backend, key, id, attempts, ...event });
  }
}

/** A delivery whose signal also aborts when its handler's time is over. */
class Watched implements Delivery {
  readonly #delivery: Delivery;
  readonly #limit: AbortSignal;
  #signal: AbortSignal | undefined;

  constructor(delivery: Delivery, limit: AbortSignal) {
    this.#delivery = delivery;
    this.#limit = limit;
  }

  get id(): string {
    return this.#delivery.id;
  }
  get key(): string {
    return this.#delivery.key;
  }
  get payload(): JsonObject {
    return this.#delivery.payload;
  }
  get attempts(): number {
    return this.#delivery.attempts;
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#delivery.headers;
  }
  get publishedAt(): Date | undefined {
    return this.#delivery.publishedAt;
  }
  get signal(): AbortSignal {
    return this.#signal ??= AbortSignal.any([this.#delivery.signal, this.#limit]);
  }
  ack(): Promise<boolean> {
    return this.#delivery.ack();
  }
  retry(options?: RetryDeliveryOptions): Promise<boolean> {
    return this.#delivery.retry(options);
  }
  deadLetter(reason: unknown): Promise<boolean> {
    return this.#delivery.deadLetter(reason);
  }
  extend(leaseMs: number): Promise<boolean> {
    return this.#delivery.extend(leaseMs);
  }
}
