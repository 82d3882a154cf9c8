/**
 * The webhook's limits. The module imports nothing: only then does a bundler put the numbers where they are used.
 *
 * @module
 */

/** The seconds that a timestamp may be away from now, in either direction: Slack's own five minutes. */
export const MAX_SKEW_SECONDS = 300;

/** The largest body in bytes that is read: 1 MiB. Slack's events are far below. */
export const MAX_BODY_BYTES = 1_048_576;

/** Milliseconds after which Slack gives up a request. */
export const SLACK_WAITS_MS = 3_000;

/**
 * Real milliseconds that a publish still has when the time is up: its own deadline is the same, and its reason, such as a
 * refused connection, is the one to report.
 */
export const REASON_MS = 100;

/** Milliseconds for which the backend's answer, or a confirmed publish, stands for its health. */
export const KEPT_MS = 5_000;

/**
 * Milliseconds for which a failed publish stands for the backend's health, unless one succeeds in between. A load
 * balancer that stops sending events must see the backend recover, so the failure is forgotten in the end.
 */
export const FAILURE_KEPT_MS = 30_000;
