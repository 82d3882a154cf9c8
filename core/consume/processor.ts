/**
 * Runs the handler on a delivery and settles it by the outcome, the same for pull and push.
 *
 * @module
 */
import {
  DEFAULT_HANDLER_RETRY_DELAY_MS,
  DEFAULT_MAX_ATTEMPTS,
  DEFAULT_MAX_HANDLER_RETRY_DELAY_MS,
} from "../defaults.ts";
import { type Clock, monotonic, systemClock } from "../util/clock.ts";
import { checkValue, nonNegative } from "../util/validate.ts";
import { ConsumeError, PermanentError, QueueError } from "../errors.ts";
import { withDeadline } from "../util/async.ts";
import { notify, type QueueMessageEvent } from "../observer.ts";
import { checkConsumerOptions, type ConsumerOptions } from "./options.ts";
import type { Delivery, RetryDeliveryOptions } from "../protocol.ts";
import { settled } from "../util/user_callback.ts";
import { backoffMs, type BackoffOptions } from "../util/retry.ts";

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
}

/** Returns a summary of nothing, to count in. */
export function noCounts(): Counts {
  return { acked: 0, retried: 0, deadLettered: 0, lost: 0 };
}

const DEFAULT_BACKOFF: BackoffOptions = {
  baseMs: DEFAULT_HANDLER_RETRY_DELAY_MS,
  maxMs: DEFAULT_MAX_HANDLER_RETRY_DELAY_MS,
};

/** The outcome of each settlement that a handler can ask for. */
const OUTCOMES = { ack: "acked", retry: "retried", release: undefined, dead: "deadLettered" } as const;

/** Milliseconds of the longest wait: every backend accepts it as a delay. */
const LONGEST_WAIT_MS = 86_400_000;

/** Milliseconds of the first wait after a handler has failed with a `ConfigError`. */
export const SETUP_WAIT_MS = 900_000;

/** A delivery that can be given back uncounted, as those of the portable layer can. */
export type Releasable = Delivery & { release?(): Promise<boolean> };

/** Has a message come again after a `ConfigError`, and resolves as a settlement does. */
export type Postpone = (delivery: Delivery, delayMs: number, reason: unknown) => Promise<boolean>;

/**
 * Returns the milliseconds before a message comes again after a {@link ConfigError}, which is no fault of the message. The
 * wait grows, so that the platform's bound of deliveries is not reached before an operator has corrected the set-up.
 *
 * @returns `undefined` for any other error.
 */
export function setupDelayMs(error: unknown, attempts: number): number | undefined {
  return isConfigError(error) ? Math.min(SETUP_WAIT_MS * 2 ** (attempts - 1), LONGEST_WAIT_MS) : undefined;
}

function isConfigError(error: unknown): boolean {
  return error instanceof QueueError && error.code === "config";
}

/** Applies a consumer's options to deliveries. */
export class DeliveryProcessor {
  declare readonly options: ConsumerOptions;
  declare readonly maxAttempts: number;
  declare readonly clock: Clock;
  /** Ids of pushed messages that the sink could not keep. */
  readonly waiting: Set<string> = new Set();
  readonly #random: () => number;
  /** Set when a delivery with an ordering key was processed: others may wait behind it. */
  sawOrderingKey = false;

  /** @throws {TypeError | RangeError} An option that is not as described. */
  constructor(options: ConsumerOptions) {
    checkConsumerOptions(options);
    this.options = options;
    this.maxAttempts = options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
    this.clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  /** Runs the handler and settles the delivery. */
  async process(
    delivery: Delivery,
    backend: string,
    ending?: AbortSignal,
    settling: SettlementActions = delivery,
    postpone?: Postpone,
  ): Promise<DeliveryOutcome> {
    const startedAt = monotonic(this.clock);
    this.sawOrderingKey ||= delivery.orderingKey !== undefined;
    const unreadable = settling.malformed && new ConsumeError("malformed", "The body must be a JSON object");
    if (unreadable) this.#tell("unreadable", delivery, backend, { reason: unreadable });
    else this.#tell("delivered", delivery, backend, {});
    const failure = unreadable ? { error: unreadable } : await this.#attempt(delivery, ending, settling.anyAttempt);
    const durationMs = monotonic(this.clock) - startedAt;
    const { settlement } = delivery;
    const own = settlement && OUTCOMES[settlement.kind];
    if (own) { // the handler has settled it by itself: a further settlement resolves as that one did
      const reason = settlement.cause;
      return this.#settled(own, await delivery.ack(), delivery, backend, { durationMs, ...reason && { reason } });
    }
    if (failure === undefined) {
      return this.#settled("acked", await settling.ack(), delivery, backend, { durationMs });
    }
    const { error } = failure;
    const event = { durationMs, reason: error };
    let { backoff } = this.options;
    const setupMs = setupDelayMs(error, delivery.attempts);
    if (unreadable || setupMs === undefined && this.#isFinal(error, delivery.attempts)) {
      const dead = await settling.deadLetter(error);
      if (dead !== undefined) return this.#settled("deadLettered", dead, delivery, backend, event);
      backoff = undefined; // the wait is for the sink, not for the handler
    }
    if (setupMs !== undefined) {
      this.reportFailure("Cannot handle a message: the set-up is wrong", delivery, backend, error);
    }
    const delayMs = setupMs ?? this.#waitMs(backoff, delivery, error, backend);
    const again =
      await (setupMs !== undefined && postpone
        ? postpone(delivery, delayMs, error)
        : settling.retry({ delayMs, reason: error }));
    return this.#settled("retried", again, delivery, backend, event);
  }

  /** Reports to the observer that a function among the consumer's options failed. */
  reportFailure(message: string, { key, id, attempts }: Delivery, backend: string, cause: unknown): void {
    const code = isConfigError(cause) ? "config" : "internal";
    const error = new ConsumeError(code, message, { key, id, backend, cause });
    notify(this.options.observer, "failed", { backend, key, operation: "settle", failures: attempts, error });
  }

  /** Runs the handler. Resolves with its error, within an object since anything can be thrown. */
  async #attempt(
    delivery: Delivery,
    ending: AbortSignal | undefined,
    anyAttempt: boolean | undefined,
  ): Promise<{ readonly error: unknown } | undefined> {
    const { handler, timeoutMs } = this.options;
    const { key, attempts } = delivery;
    try {
      if (attempts > this.maxAttempts && !anyAttempt) {
        // Earlier deliveries ended with their consumers, or the sink failed. The handler could end this consumer too.
        const reason = `it was delivered ${attempts - 1} times without success`;
        throw new PermanentError(`Cannot handle the message: ${reason}`, { key });
      }
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

  #waitMs(backoff: ConsumerOptions["backoff"], delivery: Delivery, error: unknown, backend: string): number {
    const { attempts } = delivery;
    if (typeof backoff === "function") {
      try {
        const waitMs = settled(backoff(attempts, error));
        checkValue("backoff", waitMs, nonNegative);
        return Math.min(waitMs, LONGEST_WAIT_MS);
      } catch (cause) {
        this.reportFailure("Cannot retry a message by its backoff: the function failed", delivery, backend, cause);
        backoff = undefined;
      }
    }
    return Math.min(backoffMs(attempts, { ...DEFAULT_BACKOFF, ...backoff }, this.#random), LONGEST_WAIT_MS);
  }

  async #within(delivery: Delivery, timeoutMs: number | undefined, ending: AbortSignal | undefined): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const late = () => {
      const error = new QueueError("timeout", `Cannot finish the handler: it took longer than ${timeoutMs} ms`, {
        key: delivery.key,
      });
      reject(error);
      return error;
    };
    await withDeadline(this.clock, timeoutMs, late, ending, async ({ signal }) => {
      await Promise.race([this.options.handler(watched(delivery, signal)), promise]);
    });
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
    event: Partial<QueueMessageEvent>,
  ): void {
    const { observer } = this.options;
    if (observer?.[name]) notify(observer, name, { backend, key, id, attempts, ...event });
  }
}

/** Wraps a delivery so that its signal also aborts when its handler's time is over. */
function watched(delivery: Delivery, limit: AbortSignal): Delivery {
  let signal: AbortSignal | undefined;
  return new Proxy(delivery, {
    get: (target, name) => {
      if (name === "signal") return signal ??= AbortSignal.any([target.signal, limit]);
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
