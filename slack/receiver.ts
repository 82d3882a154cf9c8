/**
 * The webhook: takes Slack's requests, verifies them and hands events to a queue.
 *
 * @module
 */
import { type Clock, systemClock } from "../core/util/clock.ts";
import { checkOptions, checkValue, func, object, text, type Validators } from "../core/util/validate.ts";
import { QueueError } from "../core/errors.ts";
import { isPlainObject } from "../core/util/json.ts";
import { abortable, withDeadline } from "../core/util/async.ts";
import type { Health, JsonObject, QueueBackend } from "../core/protocol.ts";
import { createResponse, jsonResponse, OUTCOMES, type SlackOutcome, type WebhookResponse } from "./responses.ts";
import { readBody, TOO_LARGE } from "./body.ts";
import { DEFAULT_EVENTS_KEY } from "./config.ts";
import { SignatureVerifier, type SlackSignatureProblem } from "./signature.ts";

/** The largest body that is read. Slack's events are far below. */
const MAX_BODY_BYTES = 1024 * 1024;
/** Slack gives up on a request after three seconds. */
const SLACK_WAITS_MS = 3_000;
const DEFAULT_TIMEOUT_MS = 2_500;

const CHECKS: Validators<SlackReceiverOptions> = {
  backend: object,
  signingSecret: () => undefined, // the verifier's matter
  key: text,
  path: text,
  healthPath: text,
  timeoutMs: (value) =>
    typeof value === "number" && value >= 1 && value <= SLACK_WAITS_MS
      ? undefined
      : { allowed: `from 1 to ${SLACK_WAITS_MS}, for Slack waits no longer`, range: typeof value === "number" },
  clock: object,
  observer: func,
};

/** What `createSlackReceiver` needs to know. */
export interface SlackReceiverOptions {
  /** Where events go. The receiver never closes it. */
  readonly backend: QueueBackend;
  /** The app's Signing Secret; several while it is being rotated. */
  readonly signingSecret: string | readonly string[];
  /** The key that events are published under. Default: `"slack_events"`. */
  readonly key?: string | undefined;
  /** The path that Slack posts to. Default: `"/slack/events"`. */
  readonly path?: string | undefined;
  /** The path of the health check. Default: `"/health"`. */
  readonly healthPath?: string | undefined;
  /**
   * Milliseconds for a request as a whole: reading the body, verifying, publishing. When they are over, the answer is 503.
   * Default: 2,500. At most 3,000, after which Slack has gone.
   */
  readonly timeoutMs?: number | undefined;
  /** Tells the time. Default: the platform's own. */
  readonly clock?: Clock | undefined;
  /** Told of each request after its answer is decided. What it throws is ignored: it must not change what Slack hears. */
  readonly observer?: ((request: SlackRequestReport) => void) | undefined;
}

/** What became of one request. Has ids and reasons, never a payload or a secret. */
export interface SlackRequestReport {
  /** What became of it. */
  readonly outcome: SlackOutcome;
  /** The status that was answered. */
  readonly status: number;
  /** Milliseconds that it took. */
  readonly durationMs: number;
  /** The event's `event_id`, once the request is verified. */
  readonly eventId?: string | undefined;
  /** The inner event's `type`, once the request is verified. */
  readonly eventType?: string | undefined;
  /** The workspace, once the request is verified. */
  readonly teamId?: string | undefined;
  /** Which retry of Slack's this is, as Slack counts them: absent for the first delivery. */
  readonly retryNum?: string | undefined;
  /** Why Slack tries again, such as `"http_timeout"`. */
  readonly retryReason?: string | undefined;
  /** Why the signature was refused. */
  readonly problem?: SlackSignatureProblem | undefined;
  /** Why the queue did not confirm, or is not well. */
  readonly error?: unknown;
}

/** How many requests came to which end, since the receiver was made. */
export type SlackReceiverStats = Readonly<Record<SlackOutcome, number>>;

/** A webhook for Slack's Events API. */
export interface SlackReceiver {
  /** Answers one request; never rejects. Needs no `this`, so it can be passed on as it is. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** The counters, as they are now. */
  readonly stats: SlackReceiverStats;
}

/** One request on its way to an answer. */
interface RequestContext {
  readonly request: Request;
  readonly pathname: string;
  readonly startedAt: number;
  /** Aborts when the time is up. */
  readonly signal: AbortSignal;
  /** What is known so far; the report is made of it. */
  readonly report: { -readonly [Name in keyof SlackRequestReport]?: SlackRequestReport[Name] };
}

/**
 * Makes the webhook: a `fetch` handler for `Deno.serve`, `Bun.serve` and Workers.
 *
 * `POST /slack/events` answers 200 only after the queue has confirmed the event, and 503 in every other case within
 * `timeoutMs`, so that Slack sends it again; an event that comes again is known by its `event_id` and, where the backend
 * deduplicates, published once. See the module's doc for every answer. `GET /health` asks `backend.health()`.
 *
 * @throws {ConfigError} where the signing secret is missing or empty.
 * @throws {TypeError | RangeError} An option is not as described, such as a `timeoutMs` over 3,000.
 *
 * @example
 * ```ts
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import { createSlackReceiver } from "@slack-mcp/queue/slack";
 *
 * await using backend = new MemoryBackend();
 * const receiver = createSlackReceiver({ backend, signingSecret: "from Basic Information" });
 *
 * // Deno.serve(receiver.fetch), Bun.serve({ fetch: receiver.fetch }), export default { fetch: receiver.fetch }
 * const answer = await receiver.fetch(new Request("https://bot.example/slack/events", { method: "POST", body: "{}" }));
 * if (answer.status !== 401 || receiver.stats.unauthorized !== 1) throw new Error("nobody signed this");
 * ```
 */
export function createSlackReceiver(options: SlackReceiverOptions): SlackReceiver {
  checkOptions("receiver options", options, CHECKS);
  checkValue("backend", options.backend, object);
  const { signingSecret, key = DEFAULT_EVENTS_KEY, path = "/slack/events", healthPath = "/health" } = options;
  const { timeoutMs = DEFAULT_TIMEOUT_MS, clock = systemClock, observer } = options;
  // A plugin may offer no health.
  const backend: QueueBackend & { health?(options: { readonly signal: AbortSignal }): Promise<Health> } =
    options.backend;
  const verifier = new SignatureVerifier(signingSecret);
  const counts = Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as Record<SlackOutcome, number>;

  const late = () => new QueueError("timeout", `Cannot answer Slack in time: not done after ${timeoutMs} ms`);

  function record(
    { outcome, status }: WebhookResponse,
    { request: { headers }, startedAt, report }: RequestContext,
  ): void {
    counts[outcome]++;
    try {
      observer?.({
        ...report,
        outcome,
        status,
        durationMs: clock.now() - startedAt,
        retryNum: headers.get("x-slack-retry-num") ?? undefined,
        retryReason: headers.get("x-slack-retry-reason") ?? undefined,
      });
    } catch {
      // An observer that fails is no reason to tell Slack that its event was not taken.
    }
  }

  /** What is answered where something threw, or the time is up. */
  function failed({ pathname, report }: RequestContext, error: unknown): WebhookResponse {
    report.error = error;
    if (pathname !== healthPath) return createResponse("unconfirmed");
    return jsonResponse("unhealthy", { ok: false, checked: true, error: errorCode(error) });
  }

  async function respond(turn: RequestContext): Promise<WebhookResponse> {
    const { request, pathname, report } = turn;
    if (pathname === healthPath) return await health(turn);
    if (pathname !== path) return createResponse("notFound");
    if (request.method !== "POST") return createResponse("notAllowed", { allow: "POST" });

    const body = await readBody(request, MAX_BODY_BYTES, turn.signal);
    if (body === TOO_LARGE) return createResponse("tooLarge");
    report.problem = await verifier.check({
      timestamp: request.headers.get("x-slack-request-timestamp"),
      signature: request.headers.get("x-slack-signature"),
      body,
      now: turn.startedAt,
    });
    if (report.problem) return createResponse("unauthorized");

    // From here on the sender is Slack.
    if (request.headers.get("content-type")?.toLowerCase().startsWith("application/x-www-form-urlencoded")) {
      return createResponse("unsupported");
    }
    const envelope = parse(body);
    switch (envelope?.type) {
      case "event_callback":
        return await publish(envelope, turn);
      case "url_verification":
        return challenge(envelope);
      case "app_rate_limited":
        report.teamId = textOf(envelope.team_id);
        return createResponse("rateLimited");
      default:
        return createResponse("malformed");
    }
  }

  async function publish(
    envelope: JsonObject,
    { startedAt, signal, report }: RequestContext,
  ): Promise<WebhookResponse> {
    const { event, event_id: id } = envelope;
    if (typeof id !== "string" || id === "" || !isPlainObject(event) || typeof event.type !== "string") {
      return createResponse("malformed");
    }
    report.eventId = id;
    report.eventType = event.type;
    report.teamId = textOf(envelope.team_id);
    const leftMs = timeoutMs - (clock.now() - startedAt);
    // The time may be up although the timer has not had its turn: then nothing is sent that nobody waits for.
    if (leftMs <= 0) throw late();
    const { outcome } = await backend.publish(key, envelope, { id, timeoutMs: leftMs, signal });
    return createResponse(outcome === "duplicate" ? "duplicate" : "accepted");
  }

  async function health({ request: { method }, signal, report }: RequestContext): Promise<WebhookResponse> {
    if (method !== "GET" && method !== "HEAD") return createResponse("notAllowed", { allow: "GET, HEAD" });
    // Without a health of the backend's, all that is known is that this process answers.
    if (!backend.health) return jsonResponse("healthy", { ok: true, checked: false });
    const { ok, latencyMs, error } = await backend.health({ signal });
    if (ok) return jsonResponse("healthy", { ok, checked: true, latencyMs });
    report.error = error;
    return jsonResponse("unhealthy", { ok, checked: true, latencyMs, error: errorCode(error) });
  }

  return {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const startedAt = clock.now();
      return await withDeadline(clock, timeoutMs, late, undefined, async ({ signal }) => {
        const turn: RequestContext = { request, pathname, startedAt, signal, report: {} };
        const answer = await abortable(respond(turn), signal).catch((error) => failed(turn, error));
        record(answer, turn);
        return new Response(answer.body, answer);
      });
    },
    get stats() {
      return { ...counts };
    },
  };
}

function parse(body: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    return isPlainObject(value) ? value as JsonObject : undefined;
  } catch {
    // Not UTF-8 or not JSON: both are answered as malformed.
    return undefined;
  }
}

function challenge(envelope: JsonObject): WebhookResponse {
  const { challenge } = envelope;
  return typeof challenge === "string" ? jsonResponse("challenged", { challenge }) : createResponse("malformed");
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** A code alone: a message may name hosts, and the health check is read by anybody. */
function errorCode(error: unknown): string {
  return error instanceof QueueError ? error.code : "internal";
}
