/**
 * Every response of the webhook.
 *
 * @module
 */

/** The outcome of a request. */
export type SlackOutcome =
  /** 200: the queue has confirmed the event. */
  | "accepted"
  /** 200: the queue had this event already. */
  | "duplicate"
  /** 200: the URL verification handshake. */
  | "challenged"
  /** 200: Slack reports that it holds events back (`app_rate_limited`). */
  | "rateLimited"
  /** 200: the queue can never take this event, and `onRefused` has taken it. */
  | "setAside"
  /** 422: the queue can never take this event. Slack is asked not to send it again. */
  | "refused"
  /** 401: the signature or its timestamp is missing or wrong. */
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
  /** 503: the body did not arrive in time. Slack sends the event again. */
  | "slowBody"
  /** 503: the body broke off. Slack sends the event again. */
  | "brokenBody"
  /** 503: the queue did not confirm in time, or refused for now. Slack sends the event again. */
  | "unconfirmed"
  /** 200: the health check. */
  | "healthy"
  /** 503: the health check, where the queue cannot be used. */
  | "unhealthy";

/** One response. */
export interface WebhookResponse {
  /** The outcome, which is counted. */
  readonly outcome: SlackOutcome;
  /** The HTTP status. */
  readonly status: number;
  /** The body. */
  readonly body: string | null;
  /** The headers. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Asks Slack not to send the same bytes again: they would get the same response. */
const NO_RETRY = { "x-slack-no-retry": "1" } as const;

/**
 * The status, body and headers of each outcome.
 *
 * `x-slack-no-retry` is only on those that depend on nothing but the bytes. 401 and 404 are not among them: when the
 * sender is Slack, a secret or a path is configured wrongly, and after the repair Slack's next try brings the event.
 */
const RESPONSES: Readonly<
  Record<SlackOutcome, readonly [status: number, body?: string, headers?: Readonly<Record<string, string>>]>
> = {
  accepted: [200],
  duplicate: [200],
  challenged: [200],
  rateLimited: [200],
  setAside: [200],
  refused: [422, "the queue refuses this event", NO_RETRY],
  unauthorized: [401, "not signed by Slack"],
  malformed: [400, "not an event", NO_RETRY],
  unsupported: [415, "interactivity and slash commands need another URL", NO_RETRY],
  tooLarge: [413, "over 1 MiB", NO_RETRY],
  notAllowed: [405],
  notFound: [404, "nothing is here"],
  slowBody: [503, "the body came too slowly"],
  brokenBody: [503, "the body broke off"],
  unconfirmed: [503, "the queue has not confirmed the event"],
  healthy: [200],
  unhealthy: [503],
};

/** Every outcome. */
export const OUTCOMES = Object.keys(RESPONSES) as readonly SlackOutcome[];

/** Returns the response of an outcome, with further headers. */
export function createResponse(outcome: SlackOutcome, more?: Readonly<Record<string, string>>): WebhookResponse {
  const [status, body = null, headers] = RESPONSES[outcome];
  return { outcome, status, body, headers: { ...headers, ...more } };
}

/** Returns the response of an outcome with a JSON body. */
export function jsonResponse(outcome: SlackOutcome, value: Readonly<Record<string, unknown>>): WebhookResponse {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return { ...createResponse(outcome, headers), body: JSON.stringify(value) };
}
