/**
 * What the parts of the portable layer share: the driver, the options with their defaults, and the one way in
 * which a driver's error becomes one of ours.
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
import { type Clock, systemClock } from "./util/clock.ts";
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

/** Options of every backend that is made of a driver. */
export interface BackendOptions {
  /** Milliseconds to wait for the broker's confirmation of a publish, tries included. Default: 5,000. */
  readonly timeoutMs?: number | undefined;
  /** How often a transient failure is tried again. Default: 3. */
  readonly maxRetries?: number | undefined;
  /** Milliseconds of the first wait before trying again; doubles, with full jitter, from 10 ms up to 10 s. Default: 100. */
  readonly retryDelayMs?: number | undefined;
  /** The most unsettled deliveries of one consumer. Default: 100. */
  readonly prefetch?: number | undefined;
  /** Milliseconds of a lease. Default: 30,000. */
  readonly leaseMs?: number | undefined;
  /** Milliseconds after which an unsettled message leaves the queue by itself. Default: never. */
  readonly messageTtlMs?: number | undefined;
  /** Milliseconds for which `close()` lets running handlers finish. Default: 5,000. */
  readonly closeDeadlineMs?: number | undefined;
  /** The largest payload, as bytes of JSON in UTF-8. Default: the driver's. */
  readonly maxPayloadBytes?: number | undefined;
  /** Default: the platform's clock. */
  readonly clock?: Clock | undefined;
  /** A source of numbers from 0 to below 1, for jitter. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Told of all that happens. */
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

/** The names of {@link BackendOptions} alone, of an object that may hold a backend's own options too. */
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

/** The driver and what surrounds it. */
export class BackendContext {
  declare readonly driver: QueueDriver;
  declare readonly options: ResolvedOptions;
  declare readonly clock: Clock;
  closed = false;

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
  }

  /**
   * Calls back when the driver has had its turn to name the reason of an abort: after {@link ABORT_GRACE_MS} of real
   * time, or of the injected clock where that runs ahead.
   *
   * @returns A function that calls it off.
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

  /** Names an error. */
  codeOf(error: unknown): ErrorCode {
    if (error instanceof QueueError) return error.code;
    try {
      return this.driver.classify(error);
    } catch {
      return "internal"; // a driver that fails to name an error must not cost the message that it is about
    }
  }

  /**
   * Milliseconds to wait after so many failures: no shorter than the broker asked for, and never so short that
   * trying again would keep the process from its other work.
   */
  backoffMs(failures: number, error: QueueError): number {
    const { retryDelayMs, random } = this.options;
    return Math.max(backoffMs(failures, { baseMs: retryDelayMs }, random), error.retryAfterMs ?? 0, MIN_RETRY_DELAY_MS);
  }

  /** Tells the observer of a failure. */
  reportFailure(operation: FailureEvent["operation"], key: string, failures: number, error: QueueError): void {
    notify(this.options.observer, "failed", { backend: this.driver.name, key, operation, failures, error });
  }

  /** Makes one of our errors of whatever a driver threw, without its secrets. */
  wrap(
    Kind: new (code: ErrorCode, message: string, options: QueueErrorOptions) => QueueError,
    what: string,
    error: unknown,
    about: { readonly key?: string; readonly id?: string | undefined; readonly hide?: readonly string[] } = {},
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
      return ms !== undefined && ms > 0 ? ms : undefined; // a header that is no number must not become a wait of none
    } catch {
      return undefined; // as for classify
    }
  }

  /** An error that says that the backend is closed. */
  closedError(what: string, key?: string): QueueError {
    return new QueueError("closed", `${what}: the ${this.driver.name} backend is closed`, {
      backend: this.driver.name,
      key,
    });
  }

  /** An error that says that the backend does not offer something. */
  unsupported(what: string): QueueError {
    return new QueueError("unsupported", `The ${this.driver.name} backend does not support ${what}`, {
      backend: this.driver.name,
    });
  }

  /** Refuses a delay that the driver does not take. */
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

  /** Whether a driver that was aborted rejected with a reason of its own, in place of echoing the abort. */
  hasOwnReason(error: unknown, { reason }: AbortSignal): boolean {
    const echo = error === reason || error instanceof Error && /^(Abort|Timeout)Error$/.test(error.name);
    return !echo && this.codeOf(error) !== "internal";
  }

  /** An error that says that the time is up. */
  timeoutError(code: ErrorCode): QueueError {
    return new QueueError(code, "no answer came in time", { backend: this.driver.name });
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
  key: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (context.closed) throw context.closedError(what, key);
  const { clock, options: { timeoutMs, maxRetries, retryDelayMs: baseMs, random } } = context;
  const once = async (): Promise<T> => {
    try {
      return await context.callWithTimeout(fn, timeoutMs, "timeout", signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw context.wrap(ConsumeError, what, error, { key });
    }
  };
  return await retry(once, { maxRetries, baseMs, random, clock, signal });
}
