/**
 * Runs the handler on a delivery and settles it by the outcome, the same for pull and push.
 *
 * @module
 */
import {
  DEFAULT_HANDLER_RETRY_DELAY_MS,
  DEFAULT_MAX_ATTEMPTS,
  DEFAULT_MAX_HANDLER_RETRY_DELAY_MS,
  MAX_DELAY_MS,
  SETUP_WAIT_MS,
} from "../defaults.ts";
import { type Clock, monotonic, systemClock } from "../util/clock.ts";
import { checkValue, nonNegative } from "../util/validate.ts";
import { ConsumeError, PermanentError, QueueError } from "../errors.ts";
import { abortable, withDeadline } from "../util/async.ts";
import { notify, type QueueMessageEvent } from "../observer.ts";
import { checkConsumerOptions, type ConsumerOptions } from "./options.ts";
import type { Delivery, RetryDeliveryOptions } from "../protocol.ts";
import { settled } from "../util/user_callback.ts";
import { backoffMs } from "../util/retry.ts";

/** The number of deliveries by outcome. */
export interface ConsumerSummary {
  /** Handled and acknowledged. */
  readonly acked: number;
  /** Failed; they come again. */
  readonly retried: number;
  /** Moved to the dead letters. */
  readonly deadLettered: number;
  /** Settled after their lease had ended: another consumer has them. */
  readonly lost: number;
}

/** The outcome of a delivery. */
export type DeliveryOutcome = keyof ConsumerSummary;

/** A summary that is being counted. */
export type Counts = { -readonly [Name in DeliveryOutcome]: number };

/** Settles a delivery by its handler's outcome: as the delivery itself does, or in another way. */
export interface SettlementActions {
  /** See {@link Delivery.ack}. */
  ack(): Promise<boolean>;
  /** See {@link Delivery.retry}. */
  retry(options: RetryDeliveryOptions): Promise<boolean>;
  /** See {@link Delivery.deadLetter}. Resolves with `undefined` where it could not be kept now and must come again. */
  deadLetter(reason: unknown): Promise<boolean | undefined>;
  /** True where the body is no JSON object: it must not reach the handler, and belongs to the dead letters. */
  readonly malformed?: boolean | undefined;
  /** True where the handler runs however often the message was delivered before: the count says nothing of the message. */
  readonly anyAttempt?: boolean | undefined;
  /** Aborts when the consumer must have ended, whatever its handlers still do. */
  readonly ending?: AbortSignal | undefined;
}

/** Returns a delivery to call the handler with: it is `delivery`, but its signal also aborts with `limit`. */
export type LimitDelivery = (delivery: Delivery, limit: AbortSignal) => Delivery;

/** Returns a summary of nothing, to count in. */
export function noCounts(): Counts {
  return { acked: 0, retried: 0, deadLettered: 0, lost: 0 };
}

/** The outcome of each settlement that a handler can ask for. */
const OUTCOMES = { ack: "acked", retry: "retried", release: undefined, dead: "deadLettered" } as const;

/** A delivery that can be given back uncounted, as those of the portable layer can. */
export type Releasable = Delivery & { release?(): Promise<boolean> };

/**
 * Returns the milliseconds before a message comes again after a {@link ConfigError}, which is no fault of the message. The
 * wait grows, so that the platform's bound of deliveries is not reached before an operator has corrected the set-up.
 *
 * @returns `undefined` for any other error.
 */
export function setupDelayMs(error: unknown, attempts: number): number | undefined {
  return isConfigError(error) ? Math.min(SETUP_WAIT_MS * 2 ** (attempts - 1), MAX_DELAY_MS) : undefined;
}

/** Tells whether an error says that the set-up is wrong, which is no fault of the message. */
export function isConfigError(error: unknown): boolean {
  return error instanceof QueueError && error.code === "config";
}

/** Applies a consumer's options to deliveries. */
export class DeliveryProcessor {
  declare readonly options: ConsumerOptions;
  declare readonly maxAttempts: number;
  declare readonly clock: Clock;
  /** Ids of pushed messages that the sink could not keep. */
  readonly waiting: Set<string> = new Set();
  readonly #limit: LimitDelivery;

  /** @throws {TypeError | RangeError} An option that is not as described. */
  constructor(options: ConsumerOptions, limit: LimitDelivery) {
    checkConsumerOptions(options);
    this.#limit = limit;
    this.options = options;
    this.maxAttempts = options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
    this.clock = options.clock ?? systemClock;
  }

  /** Runs the handler and settles the delivery. */
  async process(
    delivery: Delivery,
    backend: string,
    settling: SettlementActions = delivery,
  ): Promise<DeliveryOutcome> {
    const startedAt = monotonic(this.clock);
    const unreadable = settling.malformed ? new ConsumeError("malformed", "The body must be a JSON object") : undefined;
    this.#tell(unreadable ? "unreadable" : "delivered", delivery, backend, unreadable && { reason: unreadable });
    const failure = unreadable ? { error: unreadable } : await this.#attempt(delivery, settling);
    const durationMs = monotonic(this.clock) - startedAt;
    const { settlement } = delivery;
    const own = settlement && OUTCOMES[settlement.kind];
    if (own) { // the handler has settled it by itself: a further settlement resolves as that one did
      const reason = settlement.cause;
      return this.#settled(own, await delivery.ack(), delivery, backend, { durationMs, ...reason && { reason } });
    }
    if (!failure) {
      return this.#settled("acked", await settling.ack(), delivery, backend, { durationMs });
    }
    const { error } = failure;
    const event = { durationMs, reason: error };
    let { backoff } = this.options;
    const setupMs = setupDelayMs(error, delivery.attempts);
    if (
      unreadable ||
      !setupMs && (error instanceof QueueError && error.code === "permanent" || delivery.attempts >= this.maxAttempts)
    ) {
      const dead = await settling.deadLetter(error);
      if (dead !== undefined) return this.#settled("deadLettered", dead, delivery, backend, event);
      backoff = undefined; // the wait is for the sink, not for the handler
    }
    if (setupMs) this.reportFailure("Cannot handle a message: the set-up is wrong", delivery, backend, error);
    const delayMs = setupMs ?? Math.min(this.#waitMs(backoff, delivery, error, backend), MAX_DELAY_MS);
    const again = await settling.retry({ delayMs, reason: error });
    return this.#settled("retried", again, delivery, backend, event);
  }

  /** Reports to the observer that a function among the consumer's options failed. */
  reportFailure(message: string, { key, id, attempts }: Delivery, backend: string, cause: unknown): void {
    const code = isConfigError(cause) ? "config" : "internal";
    const error = new ConsumeError(code, message, { backend, key, id, cause });
    notify(this.options.observer, "failed", { backend, key, operation: "settle", failures: attempts, error });
  }

  /** Runs the handler. Resolves with its error, within an object since anything can be thrown. */
  async #attempt(
    delivery: Delivery,
    { anyAttempt, ending }: SettlementActions,
  ): Promise<{ readonly error: unknown } | undefined> {
    const { handler, timeoutMs } = this.options;
    const { key, attempts } = delivery;
    try {
      if (attempts > this.maxAttempts && !anyAttempt) {
        // Earlier deliveries ended with their consumers, or the sink failed. The handler could end this consumer too.
        throw new PermanentError(
          `Cannot handle the message: it was delivered ${attempts - 1} times without success`,
          { key },
        );
      }
      if (!timeoutMs && !ending) await handler(delivery);
      else {
        await withDeadline(
          this.clock,
          timeoutMs,
          () => {
            return new QueueError("timeout", `Cannot finish the handler: it took longer than ${timeoutMs} ms`, { key });
          },
          undefined,
          async ({ signal }) => {
            const limit = ending ? AbortSignal.any([signal, ending]) : signal;
            await abortable(Promise.resolve(handler(this.#limit(delivery, limit))), signal);
          },
        );
      }
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  #waitMs(backoff: ConsumerOptions["backoff"], delivery: Delivery, error: unknown, backend: string): number {
    const { attempts } = delivery;
    if (typeof backoff === "function") {
      try {
        const waitMs = settled(backoff(attempts, error));
        checkValue("backoff", waitMs, nonNegative);
        return waitMs;
      } catch (cause) {
        this.reportFailure("Cannot use the backoff: its function failed", delivery, backend, cause);
      }
    }
    // A function that failed has no properties: the defaults apply.
    return backoffMs(attempts, {
      baseMs: DEFAULT_HANDLER_RETRY_DELAY_MS,
      maxMs: DEFAULT_MAX_HANDLER_RETRY_DELAY_MS,
      ...backoff,
    }, this.options.random);
  }

  #settled(
    outcome: "acked" | "retried" | "deadLettered",
    settled: boolean,
    delivery: Delivery,
    backend: string,
    event: Partial<QueueMessageEvent>,
  ): DeliveryOutcome {
    this.#tell(settled ? outcome : "leaseLost", delivery, backend, event);
    return settled ? outcome : "lost";
  }

  #tell(
    name: "delivered" | "acked" | "retried" | "deadLettered" | "leaseLost" | "unreadable",
    { key, id, attempts }: Delivery,
    backend: string,
    event?: Partial<QueueMessageEvent>,
  ): void {
    const { observer } = this.options;
    if (observer?.[name]) notify(observer, name, { backend, key, id, attempts, ...event });
  }
}
