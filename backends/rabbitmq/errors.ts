/**
 * Names for the errors of an AMQP client and of the broker behind it.
 *
 * @module
 */
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import { messageOf } from "../../core/util/redact.ts";

/** The broker's reply codes. */
const REPLY_CODES: Readonly<Record<number, ErrorCode>> = {
  311: "too-large",
  320: "connection", // the operator closed the connection
  402: "not-found", // no such virtual host
  403: "unauthorized",
  404: "not-found",
  405: "unavailable", // somebody else uses the queue exclusively
  406: "invalid",
  501: "connection",
  502: "connection",
  503: "invalid",
  504: "connection",
  505: "connection",
  506: "unavailable",
  530: "unauthorized",
  540: "unsupported",
  541: "unavailable",
};

/** The texts in which the broker and the client say what has no code, or a code for too much. The first that fits counts. */
const TEXTS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/larger than configured max size/i, "too-large"],
  [/vhost .* not found|vhost .* is down/i, "not-found"],
  [/access to vhost .* refused|ACCESS[_-]REFUSED|NOT[_-]ALLOWED/i, "unauthorized"],
  [/socket closed|unexpected close|connection clos|channel (closed|closing|ended)|heartbeat timeout/i, "connection"],
  [/connect ETIMEDOUT|handshake|protocol version|other side closed/i, "connection"],
  [/certificate|TLS|SSL|self[- ]signed/i, "connection"],
];

/** The names of system errors: a network that does not lead there. */
const NETWORK = /^(E[A-Z_]+|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/;

/** Returns the message of an error, with those of the errors that it collects. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error);
  if (message !== "" || !(error instanceof AggregateError)) return message;
  return error.errors.map(messageOf).join("; ");
}

/** Names an error of the client. */
export function classifyError(error: unknown): ErrorCode {
  if (error instanceof QueueError) return error.code;
  const text = reasonOf(error);
  const named = TEXTS.find(([pattern]) => pattern.test(text))?.[1];
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  if (typeof code === "number") {
    return named === "too-large" || named === "not-found" ? named : REPLY_CODES[code] ?? "internal";
  }
  if (named) return named;
  if (typeof code === "string" && NETWORK.test(code) || name === "IllegalOperationError") return "connection";
  return /\bE(CONN|TIMEDOUT|PIPE|HOST|NET|NOTFOUND|AI_)[A-Z]*\b|connection refused/i.test(text)
    ? "connection"
    : "internal";
}

/** Makes one of our errors of a client's, with its code. */
export function toQueueError(error: unknown, what?: string): QueueError {
  if (error instanceof QueueError) return error;
  const reason = reasonOf(error);
  return new QueueError(classifyError(error), what ? `${what}: ${reason}` : reason, { cause: error });
}

/** The largest message that the broker takes, in bytes, where it closed a channel because of a larger one. */
export function sizeLimitOf(error: unknown): number | undefined {
  const found = /larger than configured max size (\d+)/i.exec(reasonOf(error))?.[1];
  return found === undefined ? undefined : Number(found);
}
