/**
 * The driver, the options with their defaults, and how calls of the driver are bounded and their errors wrapped: what
 * all parts of the portable layer share.
 *
 * @module
 */
import {
  ABORT_GRACE_MS,
  DEFAULT_CLOSE_DEADLINE_MS,
  DEFAULT_GROUP,
  DEFAULT_MAX_RETRIES,
  DEFAULT_RETRY_DELAY_MS,
  DEFAULT_TIMEOUT_MS,
  MIN_RETRY_DELAY_MS,
} from "./defaults.ts";
import { type Clock, monotonic, systemClock } from "./util/clock.ts";
import type { QueueDriver } from "./driver.ts";
import { ConsumeError, type ErrorCode, QueueError, type QueueErrorOptions } from "./errors.ts";
import { abortable, microtasks, neverAborts, withDeadline } from "./util/async.ts";
import { type FailureEvent, notify, type QueueObserver } from "./observer.ts";
import { messageOf, redactError, redactText } from "./util/redact.ts";
import { backoffMs, retry } from "./util/retry.ts";
import {
  checkOptions,
  count,
  func,
  nonNegative,
  object,
  positive,
  type Validators,
  wholeNumber,
} from "./util/validate.ts";

/** Options of every backend over a driver. */
export interface BackendOptions {
  /**
   * Milliseconds to wait for the broker's confirmation of a publish, retries included.
   *
   * @default 5_000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How often a transient failure is tried again.
   *
   * @default 3
   */
  readonly maxRetries?: number | undefined;
  /**
   * Milliseconds of the first wait before trying again. It doubles, with full jitter, from 10 ms up to 10 s.
   *
   * @default 100
   */
  readonly retryDelayMs?: number | undefined;
  /**
   * The most unsettled deliveries of one consumer.
   *
   * @default 100
   */
  readonly prefetch?: number | undefined;
  /**
   * Milliseconds of a lease.
   *
   * @default 30_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds after which an unsettled message leaves the queue by itself.
   *
   * @default never
   */
  readonly messageTtlMs?: number | undefined;
  /**
   * Milliseconds for which `close()` lets running handlers finish.
   *
   * @default 5_000
   */
  readonly closeDeadlineMs?: number | undefined;
  /**
   * The largest payload, as bytes of JSON in UTF-8.
   *
   * @default the driver's
   */
  readonly maxPayloadBytes?: number | undefined;
  /**
   * Tells the time and sets timers.
   *
   * @default the platform's clock
   */
  readonly clock?: Clock | undefined;
  /**
   * Returns numbers from 0 to below 1, for jitter.
   *
   * @default Math.random
   */
  readonly random?: (() => number) | undefined;
  /** Is called with every publish, delivery, settlement and failure. */
  readonly observer?: QueueObserver | undefined;
}

/** The checks of {@link BackendOptions}; a backend adds those of its own options. */
export const BACKEND_CHECKS: Validators<BackendOptions> = {
  timeoutMs: positive,
  maxRetries: wholeNumber,
  retryDelayMs: nonNegative,
  prefetch: count,
  leaseMs: positive,
  messageTtlMs: positive,
  closeDeadlineMs: nonNegative,
  maxPayloadBytes: count,
  clock: object,
  random: func,
  observer: object,
};

/** Picks the {@link BackendOptions} out of an object that may also hold options of one backend. */
export function backendOptions(options: BackendOptions): BackendOptions {
  const names = Object.keys(BACKEND_CHECKS) as (keyof BackendOptions)[];
  return Object.fromEntries(names.map((name) => [name, options[name]]));
}

type Defaulted =
  | "timeoutMs"
  | "maxRetries"
  | "retryDelayMs"
  | "closeDeadlineMs"
  | "maxPayloadBytes"
  | "random";

/** {@link BackendOptions} with their defaults. */
export type ResolvedOptions =
  & Omit<BackendOptions, Defaulted>
  & { readonly [Name in Defaulted]: NonNullable<BackendOptions[Name]> };

/** The driver with the options of its backend. */
export class BackendContext {
  declare readonly driver: QueueDriver;
  declare readonly options: ResolvedOptions;
  declare readonly clock: Clock;
  closed = false;
  /** Set while the broker is lost: since when, by the monotonic clock, and how many calls have failed. */
  #outage: { readonly since: number; failures: number } | undefined;

  constructor(driver: QueueDriver, options: BackendOptions) {
    checkOptions("backend options", options, BACKEND_CHECKS);
    this.driver = driver;
    this.clock = options.clock ?? systemClock;
    this.options = {
      ...options,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      maxRetries: options.maxRetries ?? DEFAULT_MAX_RETRIES,
      retryDelayMs: options.retryDelayMs ?? DEFAULT_RETRY_DELAY_MS,
      closeDeadlineMs: options.closeDeadlineMs ?? DEFAULT_CLOSE_DEADLINE_MS,
      maxPayloadBytes: options.maxPayloadBytes ?? driver.capabilities.maxPayloadBytes,
      random: options.random ?? Math.random,
    };
    if (options.observer) {
      driver.observeConnection?.({
        lost: (error) => this.#lost(this.wrap(QueueError, "Cannot keep the connection", error)),
        back: () => this.answered(),
      });
    }
  }

  /**
   * Calls back when a driver has had time to reject with its own reason after an abort: after {@link ABORT_GRACE_MS} of real
   * time, or of the injected clock where that runs ahead.
   *
   * @returns A function that cancels the call.
   */
  afterGrace(callback: () => void): () => void {
    const clocks = this.clock === systemClock ? [systemClock] : [systemClock, this.clock];
    const timers = clocks.map((clock) => {
      const timer = clock.setTimeout(() => {
        end();
        callback();
      }, ABORT_GRACE_MS);
      return () => clock.clearTimeout(timer);
    });
    const end = () => timers.forEach((clear) => clear());
    return end;
  }

  /** Returns the code of an error. */
  codeOf(error: unknown): ErrorCode {
    if (error instanceof QueueError) return error.code;
    try {
      return this.driver.classify(error);
    } catch {
      return "internal"; // a driver that cannot classify an error must not lose the message that it is about
    }
  }

  /**
   * Returns the milliseconds to wait after a number of failures: no shorter than the broker asked for, and never so short
   * that retries would keep the process from its other work.
   */
  backoffMs(failures: number, error: QueueError): number {
    const { retryDelayMs, random } = this.options;
    return Math.max(backoffMs(failures, { baseMs: retryDelayMs }, random), error.retryAfterMs ?? 0, MIN_RETRY_DELAY_MS);
  }

  /** Reports a failure to the observer. */
  reportFailure(operation: FailureEvent["operation"], key: string, failures: number, error: QueueError): void {
    notify(this.options.observer, "failed", { backend: this.driver.name, key, operation, failures, error });
    // A publish may be in doubt although the broker has answered: not all replicas have it.
    this.failed(error, operation !== "publish");
  }

  /**
   * Notes that a call failed, and tells the observer where that shows that the broker is lost.
   *
   * @param doubtful Whether an unknown outcome says that no reply came.
   */
  failed(error: QueueError, doubtful = false): void {
    const { code } = error;
    if (this.#outage) this.#outage.failures += 1;
    else if (code === "connection" || code === "timeout" || doubtful && code === "unknown-outcome") {
      this.#lost(error, 1);
    }
  }

  /** Notes that the broker has answered, and tells the observer where it was lost. */
  answered(): void {
    if (!this.#outage) return;
    const { since, failures } = this.#outage;
    this.#outage = undefined;
    const downMs = monotonic(this.clock) - since;
    notify(this.options.observer, "connected", { backend: this.driver.name, downMs, failures });
  }

  #lost(error: QueueError, failures = 0): void {
    if (this.#outage || this.closed) return;
    this.#outage = { since: monotonic(this.clock), failures };
    notify(this.options.observer, "disconnected", { backend: this.driver.name, error });
  }

  /** Makes a `QueueError` of anything that a driver threw, without its secrets. */
  wrap(
    Kind: new (code: ErrorCode, message: string, options: QueueErrorOptions) => QueueError,
    what: string,
    error: unknown,
    about: { readonly key?: string | undefined; readonly id?: string | undefined; readonly hide?: readonly string[] } =
      {},
  ): QueueError {
    if (error instanceof QueueError && error.code === "config") return error;
    const hide = [...this.driver.secrets ?? [], ...about.hide ?? []];
    const reason = redactText(messageOf(error), hide);
    return new Kind(this.codeOf(error), `${what} on ${this.driver.name}: ${reason}`, {
      backend: this.driver.name,
      key: about.key,
      id: about.id,
      cause: redactError(error, hide),
      retryable: error instanceof QueueError ? error.retryable : undefined,
      retryAfterMs: this.#askedToWait(error),
    });
  }

  #askedToWait(error: unknown): number | undefined {
    try {
      const ms = this.driver.retryAfterMs?.(error) ?? (error instanceof QueueError ? error.retryAfterMs : undefined);
      return ms !== undefined && ms > 0 ? ms : undefined; // a header that is not a number must not become a wait of 0
    } catch {
      return undefined; // see codeOf
    }
  }

  /** Makes the error of a call after `close()`. */
  closedError(what: string, key?: string): QueueError {
    return new QueueError("closed", `${what}: the ${this.driver.name} backend is closed`, {
      backend: this.driver.name,
      key,
    });
  }

  /** Makes the error of an option or call that the backend does not offer. */
  unsupported(what: string): QueueError {
    return new QueueError("unsupported", `Cannot use ${what}: the ${this.driver.name} backend does not support it`, {
      backend: this.driver.name,
    });
  }

  /**
   * Checks that the driver accepts a delay.
   *
   * @throws {QueueError} `"unsupported"`.
   * @throws {RangeError} The delay is too long.
   */
  checkDelay(delayMs: number): void {
    const { capabilities, maxDelayMs = Infinity } = this.driver;
    if (delayMs && !capabilities.delay) throw this.unsupported("delayMs");
    if (delayMs > maxDelayMs) throw new RangeError(`delayMs must be at most ${maxDelayMs}, found ${delayMs}`);
  }

  /**
   * Calls the broker for `timeoutMs` at most. A driver in this process returns at once and gets no limit.
   *
   * @throws {QueueError} When the time is over: the driver's own reason, where it has one, else an error with `code`.
   */
  async callWithTimeout<T>(
    fn: (signal: AbortSignal) => Promise<T>,
    timeoutMs: number,
    code: ErrorCode,
    outer?: AbortSignal,
  ): Promise<T> {
    if (this.driver.inProcess) return await fn(outer ?? neverAborts());
    return await withDeadline(this.clock, timeoutMs, () => this.timeoutError(code), outer, async ({ signal }) => {
      try {
        const call = abortable(fn(signal), signal, microtasks);
        return await (outer ? abortable(call, outer) : call);
      } catch (error) {
        throw signal.aborted && !this.hasOwnReason(error, signal) ? signal.reason : error;
      }
    });
  }

  /** Tells whether a driver that was aborted rejected with a reason of its own, in place of echoing the abort. */
  hasOwnReason(error: unknown, { reason }: AbortSignal): boolean {
    const echo = error === reason || error instanceof Error && /^(Abort|Timeout)Error$/.test(error.name);
    return !echo && this.codeOf(error) !== "internal";
  }

  /** Makes the error of a call without a reply in time. */
  timeoutError(code: ErrorCode): QueueError {
    return new QueueError(code, "no reply came in time", { backend: this.driver.name });
  }
}

/**
 * Refuses a group other than the default where the driver has no groups.
 *
 * @throws {QueueError} `"unsupported"`.
 */
export function checkGroup(context: BackendContext, group: string): void {
  if (group !== DEFAULT_GROUP && !context.driver.capabilities.groups) {
    throw context.unsupported(`groups, such as "${group}"`);
  }
}

/**
 * Calls the broker for something that is neither a send, nor a receive, nor a settlement: bounded in time, and tried
 * again while it fails transiently.
 *
 * @throws {QueueError} `"closed"`, the driver's error, or `"timeout"`. The signal's reason when it aborts.
 */
export async function call<T>(
  context: BackendContext,
  what: string,
  fn: (signal: AbortSignal) => Promise<T>,
  key: string | undefined,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (context.closed) throw context.closedError(what, key);
  const { clock, options: { timeoutMs, maxRetries, retryDelayMs: baseMs, random } } = context;
  const once = async (): Promise<T> => {
    try {
      const result = await context.callWithTimeout(fn, timeoutMs, "timeout", signal);
      context.answered();
      return result;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const wrapped = context.wrap(ConsumeError, what, error, { key });
      context.failed(wrapped);
      throw wrapped;
    }
  };
  return await retry(once, { maxRetries, baseMs, random, clock, signal });
}
