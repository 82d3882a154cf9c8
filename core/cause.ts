/**
 * The reason of a failure, as a broker keeps it.
 *
 * @module
 */
import type { FailureCause } from "./protocol.ts";
import { messageOf } from "./util/redact.ts";

/**
 * Returns the name and message of a reason, at most a few kilobytes of them.
 *
 * @param reason An error, or anything else that a handler threw or gave as a reason.
 */
export function toCause(reason: unknown): FailureCause {
  const error = reason instanceof Error;
  const name = error ? String(reason.name) : typeof reason === "string" ? "Error" : "unknown";
  return { name: name.slice(0, 200).toWellFormed(), message: messageOf(reason).slice(0, 4_000).toWellFormed() };
}
