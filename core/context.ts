/**
 * The driver, the resolved options, and how calls of the driver are bounded and their errors wrapped: what
 * all parts of the portable layer share.
 *
 * @module
 */
import { type BackendOptions, type ResolvedOptions, resolveOptions } from "./backend_options.ts";
import { DEFAULT_GROUP, MIN_RETRY_DELAY_MS } from "./defaults.ts";
import type { QueueDriver } from "./driver.ts";
import { ConsumeError, type ErrorCode, QueueError, type QueueErrorOptions } from "./errors.ts";
import { type FailureEvent, notify } from "./observer.ts";
import { abortable, microtasks, neverAborts, withDeadline } from "./util/async.ts";
import { type Clock, monotonic, systemClock } from "./util/clock.ts";
import { messageOf, redactError, redactText } from "./util/redact.ts";
import { backoffMs, retry } from "./util/retry.ts";

/** The driver with the options of its backend. */
export class BackendContext {
  declare readonly driver: QueueDriver;
  declare readonly options: ResolvedOptions;
  declare readonly clock: Clock;
  closed = false;
  /** Set while the broker is lost: since when, by the monotonic clock, and how many calls have failed. */
  #outage: { readonly since: number; failures: number } | undefined;

  constructor(driver: QueueDriver, options: BackendOptions) {
    this.driver = driver;
    this.options = resolveOptions(options, driver);
    this.clock = options.clock ?? systemClock;
    if (options.observer) {
      driver.observeConnection?.({
        lost: (error) => this.#lost(this.wrap(QueueError, "Cannot keep the connection", error)),
        back: () => this.answered(),
      });
    }
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
