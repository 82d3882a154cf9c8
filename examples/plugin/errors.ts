/**
 * Errors of the client, named for the portable layer.
 *
 * @module
 */
import { type ErrorCode, QueueError } from "@slack-mcp/queue";
import { JetStreamApiError } from "@nats-io/jetstream";
import {
  AuthorizationError,
  ClosedConnectionError,
  ConnectionError,
  NoRespondersError,
  PermissionViolationError,
  TimeoutError,
} from "@nats-io/transport-node";

/** The server's codes, by what they mean here. */
const API_CODES: Readonly<Record<number, ErrorCode>> = {
  10077: "queue-full", // maximum messages exceeded
  10047: "queue-full", // insufficient storage
  10023: "unavailable", // insufficient resources
  10008: "unavailable", // JetStream not available at this moment
  10054: "too-large",
  10059: "not-found", // the stream
  10014: "not-found", // the consumer
};

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name} ${error.message}` : String(error);
}

/** Names an error. */
export function classify(error: unknown): ErrorCode {
  if (error instanceof QueueError) return error.code;
  if (error instanceof JetStreamApiError) return API_CODES[error.code] ?? "invalid";
  if (error instanceof AuthorizationError || error instanceof PermissionViolationError) return "unauthorized";
  // A request that timed out was written: the server may have done it.
  if (error instanceof TimeoutError) return "unknown-outcome";
  if (error instanceof ConnectionError || error instanceof ClosedConnectionError) return "connection";
  // Nobody listens: JetStream, or the stream, is starting, or not enabled.
  if (error instanceof NoRespondersError || /no responders|not enabled|503/i.test(messageOf(error))) {
    return "unavailable";
  }
  if (/ECONNREFUSED|ECONNRESET|ENOTFOUND|CONNECTION_|connection refused|disconnect/i.test(messageOf(error))) {
    return "connection";
  }
  return "internal";
}

/**
 * A call that may be made again without harm: an answer that did not come leaves no message in doubt, so the portable
 * layer may repeat it.
 *
 * @throws {QueueError} `"timeout"` where the server did not answer in time; else what the work rejects with.
 */
export async function repeatable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (classify(cause) !== "unknown-outcome") throw cause;
    throw new QueueError("timeout", "the server did not answer in time", { cause });
  }
}
