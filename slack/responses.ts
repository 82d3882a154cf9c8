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
export interface WebhookResponse {
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
 * The status of each outcome, what is said, and its headers.
 *
 * `x-slack-no-retry` is on those alone that would come out the same for the same bytes. A 401 or a 404 is not among
 * them: where it is Slack that asks, a secret or a path is set wrongly, and once that is put right Slack's next try
 * brings the event.
 */
const RESPONSES: Readonly<
  Record<SlackOutcome, readonly [status: number, body?: string, headers?: Readonly<Record<string, string>>]>
> = {
  accepted: [200],
  duplicate: [200],
  challenged: [200],
  rateLimited: [200],
  unauthorized: [401, "the request is not signed by Slack"],
  malformed: [400, "the body is not an event of Slack's Events API", NO_RETRY],
  unsupported: [415, "events alone are taken here; interactivity and slash commands need a URL of their own", NO_RETRY],
  tooLarge: [413, "the body is over 1 MiB", NO_RETRY],
  notAllowed: [405, "the method is not allowed"],
  notFound: [404, "nothing is here"],
  unconfirmed: [503, "the queue has not confirmed the event: send it again"],
  healthy: [200],
  unhealthy: [503],
};

/** Every outcome. */
export const OUTCOMES = Object.keys(RESPONSES) as readonly SlackOutcome[];

/** The answer of an outcome; `more` are headers of this one. */
export function createResponse(outcome: SlackOutcome, more?: Readonly<Record<string, string>>): WebhookResponse {
  const [status, body = null, headers] = RESPONSES[outcome];
  return { outcome, status, body, headers: { ...headers, ...more } };
}

/** An answer that says `value` as JSON. */
export function jsonResponse(outcome: SlackOutcome, value: Readonly<Record<string, unknown>>): WebhookResponse {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return { ...createResponse(outcome, headers), body: JSON.stringify(value) };
}
