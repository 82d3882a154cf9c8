/**
 * The platform's errors, by our codes.
 *
 * @module
 */
import type { ErrorCode } from "../../core/errors.ts";

/** The platform's code numbers: https://developers.cloudflare.com/queues/reference/error-codes/ */
const BY_NUMBER: Readonly<Record<number, ErrorCode>> = {
  10104: "not-found",
  10106: "unauthorized",
  10201: "unavailable",
  10204: "too-large",
  10205: "too-large",
  10206: "too-large",
  10250: "rate-limited",
  10251: "queue-full",
  10252: "unavailable",
  10253: "rate-limited",
  15000: "unavailable",
};

/**
 * Our code for an answer of the HTTP API.
 *
 * @param sending Whether it is about a publish: then a gateway that did not hear from the queue leaves its fate open.
 */
export function codeOfAnswer(status: number, number: number | undefined, sending: boolean): ErrorCode {
  const known = BY_NUMBER[number ?? 0];
  if (known) return known;
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 404) return "not-found";
  if (status === 413) return "too-large";
  if (status === 429) return "rate-limited";
  if (status < 500) return "invalid";
  return sending && status !== 500 && status !== 503 ? "unknown-outcome" : "unavailable";
}

/** Whether a refusal of status 429 is about one queue: overloaded, full, disabled, over the free plan. */
export function isOfQueue(number: number | undefined): boolean {
  return number !== undefined && number >= 10250 && number <= 10253;
}

/** Our code for what a binding threw: the platform's number stands at the end of the message. */
export function codeOfBinding(error: unknown): ErrorCode {
  const message = String(error);
  const number = /\b(1\d{4})\b\D*$/.exec(message)?.[1];
  if (number) return BY_NUMBER[+number] ?? "invalid";
  if (/too many requests/i.test(message)) return "rate-limited";
  return /exceeds .*limit/i.test(message) ? "too-large" : "unknown-outcome";
}
