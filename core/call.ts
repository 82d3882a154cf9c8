/**
 * Looks into a queue: calls of the broker that are neither a send, nor a receive, nor a settlement.
 *
 * @module
 */
import { ConsumeError, type ErrorCode } from "./errors.ts";
import type { BackendContext } from "./context.ts";
import { DEFAULT_GROUP } from "./protocol.ts";
import { retry } from "./util/retry.ts";

/**
 * Refuses a group other than the default where the driver knows none.
 *
 * @throws {QueueError} `"unsupported"`.
 */
export function checkGroup(context: BackendContext, group: string): void {
  if (group !== DEFAULT_GROUP && !context.driver.capabilities.groups) {
    throw context.unsupported(`groups, such as "${group}"`);
  }
}

/** The signal of a call that nothing limits. Made when it is needed: a Worker may make none while it starts. */
let never: AbortSignal | undefined;

/**
 * As the host's `limited`; but a driver in this process answers at once and needs no limit, nor what a limit costs.
 */
export async function callWithTimeout<T>(
  context: BackendContext,
  fn: (signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
  code: ErrorCode,
  signal?: AbortSignal,
): Promise<T> {
  if (context.driver.inProcess) return await fn(signal ?? (never ??= new AbortController().signal));
  return await context.callWithTimeout(fn, timeoutMs, code, signal);
}

/**
 * Calls the broker: bounded in time, tried again while it fails transiently, its errors made ours.
 *
 * @throws {QueueError} `"closed"`, or what the broker answered.
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
      return await callWithTimeout(context, fn, timeoutMs, "timeout", signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw context.wrap(ConsumeError, what, error, { key });
    }
  };
  return await retry(once, { maxRetries, baseMs, random, clock, signal });
}
