/**
 * The options of the webhook and what it reports.
 *
 * @module
 */
import { checkOptions, checkValue, func, number, object, text, type Validators } from "../core/util/validate.ts";
import type { Clock } from "../core/util/clock.ts";
import { ConfigError } from "../core/errors.ts";
import type { JsonObject, QueueBackend } from "../core/protocol.ts";
import { isText } from "./fields.ts";
import { keepsOrder, ORDERINGS, type SlackOrdering } from "./ordering.ts";
import { SLACK_WAITS_MS } from "./limits.ts";
import { normalizePath } from "./path.ts";
import type { SlackOutcome } from "./responses.ts";
import { secretProblems, type SlackSignatureProblem } from "./signature.ts";

/** The default of `path`. */
const DEFAULT_PATH = "/slack/events";
/** The default of `healthPath`. */
const DEFAULT_HEALTH_PATH = "/health";

/** Options of {@link createSlackReceiver}. */
export interface SlackReceiverOptions {
  /** The queue that events go to. The receiver never closes it. */
  readonly backend: QueueBackend;
  /** The app's Signing Secret, or several during a rotation. */
  readonly signingSecret: string | readonly string[];
  /**
   * The key that events are published under.
   *
   * @default {"slack_events"}
   */
  readonly key?: string | undefined;
  /**
   * The path that Slack posts to: a path alone, without origin and query.
   *
   * @default {"/slack/events"}
   */
  readonly path?: string | undefined;
  /**
   * The path of the health check; `null` for none.
   *
   * @default {"/health"}
   */
  readonly healthPath?: string | null | undefined;
  /**
   * The events that are handled one at a time, by any consumer: those of a thread, those of a channel, or none; or a
   * function that returns the ordering key of an envelope. Where the function throws, or returns what is no ordering key,
   * the event is ordered by its thread, and the report has the error.
   *
   * @default {"thread"} where the backend keeps ordering keys, else `"none"`
   */
  readonly ordering?: SlackOrdering | undefined;
  /**
   * Milliseconds for a request as a whole: reading the body, verifying, publishing. After that the response is 503. At
   * most 3,000, which is how long Slack waits.
   *
   * @default {2500}
   */
  readonly timeoutMs?: number | undefined;
  /**
   * The source of time.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock | undefined;
  /**
   * Takes an event that the queue will refuse however often it is sent, such as one over the backend's
   * `maxPayloadBytes`. When it resolves, Slack is answered 200; when it throws or rejects, 503, and Slack sends the event
   * again. Without it Slack is answered 422 with `x-slack-no-retry`, and the event is only in the report, by its ids.
   */
  readonly onRefused?: ((event: RefusedSlackEvent) => Promise<void> | void) | undefined;
  /**
   * Called for each request when its outcome is decided. Whatever it throws, or rejects with, is ignored: it must not
   * change what Slack is answered.
   */
  readonly observer?: ((request: SlackRequestReport) => void) | undefined;
}

/** An event that the queue can never take. */
export interface RefusedSlackEvent {
  /** The key that it would have been published under. */
  readonly key: string;
  /** The id that it would have been published under: see `slackEventId`. */
  readonly id: string;
  /** The envelope as Slack sent it. */
  readonly payload: JsonObject;
  /** The backend's error. */
  readonly error: unknown;
}

/** The report on one request whose outcome is decided. Holds ids and reasons, never a payload or a secret. */
export interface SlackRequestReport {
  /** The outcome. */
  readonly outcome: SlackOutcome;
  /** The status of the response. */
  readonly status: number;
  /** Milliseconds that the request took. */
  readonly durationMs: number;
  /** The event's `event_id`, once the request is verified. */
  readonly eventId?: string | undefined;
  /** The inner event's `type`, once the request is verified. */
  readonly eventType?: string | undefined;
  /** The workspace, once the request is verified. */
  readonly teamId?: string | undefined;
  /** The app, once the request is verified. */
  readonly appId?: string | undefined;
  /** The number of this retry as Slack counts them, absent for the first delivery. */
  readonly retryNum?: string | undefined;
  /** Why Slack sends the event again, such as `"http_timeout"`. */
  readonly retryReason?: string | undefined;
  /** Why the signature was refused. */
  readonly problem?: SlackSignatureProblem | undefined;
  /** Why the queue did not confirm, refused, or is not healthy, or why the body could not be read. */
  readonly error?: unknown;
}

const CHECKS: Validators<SlackReceiverOptions> = {
  backend: object,
  signingSecret: () => undefined, // checked below, together with the paths
  key: text,
  path: text,
  healthPath: (value) => value === null ? undefined : text(value),
  ordering: (value) =>
    ORDERINGS.includes(value as typeof ORDERINGS[number])
      ? undefined
      : func(value) && ['"thread", "channel", "none" or a function', typeof value === "string"],
  timeoutMs: number(
    `from 1 to ${SLACK_WAITS_MS}: Slack waits no longer`,
    (ms) => ms >= 1 && ms <= SLACK_WAITS_MS,
  ),
  clock: object,
  onRefused: func,
  observer: func,
};

/**
 * Checks the options.
 *
 * @returns The normalized paths of the webhook and of the health check, which may have none.
 * @throws {TypeError | RangeError} An option of another type, or out of range.
 * @throws {ConfigError} A secret, a path or an ordering that can never work: all of them at once.
 */
export function checkReceiverOptions(options: SlackReceiverOptions): readonly (string | undefined)[] {
  checkOptions("receiver options", options, CHECKS);
  const { backend, signingSecret, path = DEFAULT_PATH, healthPath = DEFAULT_HEALTH_PATH, ordering = "none" } = options;
  checkValue("backend", backend, object);
  const problems = [
    ...secretProblems(signingSecret),
    pathProblem("path", path),
    pathProblem("healthPath", healthPath),
    path === healthPath && "healthPath must be another path than path",
    ordering !== "none" && !keepsOrder(backend) &&
    'ordering must be "none" on a backend without ordering keys; createConsumer has orderBy',
  ].filter(isText);
  if (problems.length > 0) throw new ConfigError(problems);
  return [path, healthPath].map(normalizePath);
}

function pathProblem(name: string, path: string | null): string | false {
  return path !== null && !/^\/[^?#\s]*$/.test(path) &&
    `${name} must be a path such as "/slack/events", without a query and white space`;
}
