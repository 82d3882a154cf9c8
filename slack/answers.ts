/**
 * Every answer that the webhook gives.
 *
 * @module
 */

/** What becomes of a request. */
export type SlackOutcome =
  /** 200: the queue has confirmed the event. */
  | "accepted"
  /** 200: the queue has this `event_id` already. */
  | "duplicate"
  /** 200: the URL verification handshake. */
  | "challenged"
  /** 200: Slack says that it sent fewer events than there were. */
  | "rateLimited"
  /** 401: the signature or its timestamp is not good. */
  | "unauthorized"
  /** 400: signed, but not an event that can be read. */
  | "malformed"
  /** 415: signed, but a form: interactivity or a slash command. */
  | "unsupported"
  /** 413: over 1 MiB. */
  | "tooLarge"
  /** 405: not a POST. */
  | "notAllowed"
  /** 404: another path. */
  | "notFound"
  /** 503: the queue did not confirm in time, or at all. Slack sends the event again. */
  | "unconfirmed"
  /** 200: the health check. */
  | "healthy"
  /** 503: the health check, where the backend does not answer. */
  | "unhealthy";

/** One answer. */
export interface Answer {
  /** What is counted. */
  readonly outcome: SlackOutcome;
  /** The HTTP status. */
  readonly status: number;
  /** What is said. */
  readonly body: string | null;
  /** The headers. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Tells Slack that sending the same again is of no use: the same bytes would get the same answer. */
const NO_RETRY = { "x-slack-no-retry": "1" } as const;

/**
 * The answer of each outcome.
 *
 * `x-slack-no-retry` is on those alone that would come out the same for the same bytes. A 401 or a 404 is not among
 * them: where it is Slack that asks, a secret or a path is set wrongly, and once that is put right Slack's next try
 * brings the event.
 */
export const ANSWERS: Readonly<Record<SlackOutcome, Answer>> = {
  accepted: answer("accepted", 200, null),
  duplicate: answer("duplicate", 200, null),
  challenged: answer("challenged", 200, null),
  rateLimited: answer("rateLimited", 200, null),
  unauthorized: answer("unauthorized", 401, "the request is not signed by Slack"),
  malformed: answer("malformed", 400, "the body is not an event of Slack's Events API", NO_RETRY),
  unsupported: answer(
    "unsupported",
    415,
    "this URL takes Slack's Events API as JSON; interactivity and slash commands need a URL of their own",
    NO_RETRY,
  ),
  tooLarge: answer("tooLarge", 413, "the body is over 1 MiB", NO_RETRY),
  notAllowed: answer("notAllowed", 405, "Slack's events are posted", { allow: "POST" }),
  notFound: answer("notFound", 404, "nothing is here"),
  unconfirmed: answer("unconfirmed", 503, "the queue has not confirmed the event: send it again"),
  healthy: answer("healthy", 200, null),
  unhealthy: answer("unhealthy", 503, null),
};

/** The health check is only read. Counted like every wrong method. */
export const HEALTH_NOT_ALLOWED: Answer = answer("notAllowed", 405, "the health check is read with GET", {
  allow: "GET, HEAD",
});

/** An answer that says `value` as JSON. */
export function jsonAnswer(base: Answer, value: Readonly<Record<string, unknown>>): Answer {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return { ...base, body: JSON.stringify(value), headers };
}

function answer(
  outcome: SlackOutcome,
  status: number,
  body: string | null,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { outcome, status, body, headers: body === null ? headers : { "content-type": "text/plain", ...headers } };
}
