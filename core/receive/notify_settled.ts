/**
 * Tells the observer what became of a delivery.
 *
 * @module
 */
import type { BackendContext } from "../context.ts";
import type { Settlement } from "../driver.ts";
import { notify, type QueueMessageEvent } from "../observer.ts";
import { monotonic } from "../util/clock.ts";

/**
 * Tells the observer of a settlement, or that it came after the end of the lease.
 *
 * @param about The delivery.
 * @param handedAt When it was handed out, by the monotonic clock, in milliseconds.
 */
export function notifySettled(
  { clock, options: { observer } }: BackendContext,
  about: QueueMessageEvent,
  handedAt: number | undefined,
  settlement: Settlement,
  settled: boolean,
): void {
  const event = { ...about, ...handedAt !== undefined && { durationMs: monotonic(clock) - handedAt } };
  if (!settled) return notify(observer, "leaseLost", event);
  if (settlement.kind === "ack") notify(observer, "acked", event);
  else if (settlement.kind === "retry") notify(observer, "retried", { ...event, reason: settlement.cause });
  else if (settlement.kind === "dead") notify(observer, "deadLettered", { ...event, reason: settlement.cause });
}
