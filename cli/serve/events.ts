/**
 * Log lines about the queue and the webhook.
 *
 * @module
 */
import type { Clock } from "../../core/util/clock.ts";
import { QueueError } from "../../core/errors.ts";
import type { QueueMessageEvent, QueueObserver } from "../../core/observer.ts";
import type { SlackOutcome, SlackRequestReport } from "../../slack/mod.ts";
import { ConnectionLog } from "./connection_log.ts";
import type { Incidents } from "./incidents.ts";
import type { Details, Level, Log } from "./log.ts";

/** The most ids of unreadable messages that are remembered until the dead letters have them. */
const MAX_UNREADABLE = 1_000;

/** Codes of failures that say that the queue is lost: a backend tells of that by itself. */
const LOST: ReadonlySet<string> = new Set(["connection", "timeout"]);
/** Codes of failures that a lost queue explains. */
const WHILE_LOST: ReadonlySet<string> = new Set(["unavailable", "unknown-outcome"]);

/** The log message of each failed operation. */
const FAILED: Readonly<Record<string, string>> = {
  publish: "publish failed, tried again",
  receive: "events cannot be taken, tried again",
  settle: "an outcome could not be written to the queue: the event may come again",
  extend: "a lease could not be renewed: the event may come again",
};

/** The lines of requests that brought no event into the queue. All others tell of the status. */
const REQUESTS: { readonly [Outcome in SlackOutcome]?: readonly [Level, string] } = {
  unconfirmed: ["error", "event not confirmed by the queue: Slack was asked to send it again"],
  refused: ["error", "event lost: the queue can never take it, and Slack was asked not to send it again"],
  setAside: ["warn", "event set aside: the queue can never take it"],
  slowBody: ["warn", "slow body: the request did not arrive in time"],
  brokenBody: ["warn", "broken body: the request broke off"],
  rateLimited: ["warn", "Slack sends fewer events than there are: over 30,000 in an hour"],
  unhealthy: ["warn", "health check failed"],
};

/** Turns what happens into lines. */
export class EventLog {
  readonly #incidents: Incidents;
  readonly #unreadable = new Set<string>();
  /** Log lines about the connection. */
  readonly connection: ConnectionLog;

  /** Creates one that writes to `log`, what may come often through `incidents`. */
  constructor(log: Log, incidents: Incidents, clock: Clock) {
    this.#incidents = incidents;
    this.connection = new ConnectionLog(log, incidents, clock);
  }

  /** For the backend, or for the consumer of a backend that tells nothing. */
  readonly observer: QueueObserver = {
    disconnected: (event) => this.connection.disconnected(event),
    connected: (event) => this.connection.connected(event),
    retried: (event) => this.#message("warn", "event failed, to be tried again", event),
    deadLettered: (event) =>
      this.#unreadable.delete(event.id)
        ? this.#message("error", "message that cannot be read moved to the dead letters", event)
        : this.#message("error", "event given up: moved to the dead letters", event),
    unreadable: ({ id }) => {
      if (this.#unreadable.size < MAX_UNREADABLE) this.#unreadable.add(id);
    },
    leaseLost: (event) => this.#message("warn", "lease lost: another consumer has the event", event),
    failed: ({ backend, key, operation, failures, error }) => {
      if (LOST.has(error.code) || this.connection.lost && WHILE_LOST.has(error.code)) return;
      const level = operation === "settle" || operation === "extend" ? "error" : "warn";
      this.#report(level, FAILED[operation] ?? `${operation} failed`, { backend, key, failures, error });
    },
  };

  /** For the webhook. */
  readonly request = (report: SlackRequestReport): void => {
    const { outcome, status, problem, error, eventId: event_id, eventType: type, teamId: team_id } = report;
    const known = REQUESTS[outcome];
    if (known) this.#report(...known, { event_id, type, team_id, error });
    else if (status >= 400) {
      const details = { outcome, status, problem, event_id };
      this.#report("warn", "request refused", details, `${outcome} ${problem ?? ""}`);
    }
  };

  /** A request for the operator's pages had no token, or a wrong one. */
  refused(): void {
    this.#report("warn", "request for metrics refused: the token of METRICS_TOKEN is missing or wrong", {});
  }

  #message(level: Level, message: string, { key, id, group, attempts, reason }: QueueMessageEvent): void {
    this.#report(level, message, { key, id, group, attempts, error: reason });
  }

  #report(level: Level, message: string, details: Details, variant = variantOf(details.error)): boolean {
    return this.#incidents.report({ level, message, details, variant });
  }
}

/** Returns the kind of an error, by which repeated lines are counted: never its text, which may name an id. */
function variantOf(error: unknown): string {
  if (error instanceof QueueError) return error.code;
  const { name } = Object(error) as { readonly name?: unknown }; // an error, or the cause that the broker keeps
  return typeof name === "string" ? name.slice(0, 64) : typeof error;
}
