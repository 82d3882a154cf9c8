/**
 * The webhook: takes Slack's requests, verifies them and hands events to a queue.
 *
 * @module
 */
import { abortable, withDeadline } from "../core/util/async.ts";
import { monotonic, systemClock } from "../core/util/clock.ts";
import { QueueError } from "../core/errors.ts";
import { isPlainObject } from "../core/util/json.ts";
import { callSafely } from "../core/util/user_callback.ts";
import type { JsonObject } from "../core/protocol.ts";
import { declaresMoreThan, discard, readBody, TOO_LARGE } from "./body.ts";
import { slackEventId } from "./event_id.ts";
import { codeOf, HealthCheck } from "./health.ts";
import { pathOf } from "./path.ts";
import { isRefusedForGood } from "./refusal.ts";
import { resolveOptions, type SlackReceiverOptions, type SlackRequestReport } from "./receiver_options.ts";
import { createResponse, jsonResponse, OUTCOMES, type SlackOutcome, type WebhookResponse } from "./responses.ts";
import { checkSignatureHeaders, SignatureVerifier } from "./signature.ts";

/** The largest body in bytes that is read. Slack's events are far below. */
const MAX_BODY_BYTES = 1024 * 1024;

/** The number of requests of each outcome since the receiver was made. */
export type SlackReceiverStats = Readonly<Record<SlackOutcome, number>>;

/** A webhook for Slack's Events API. */
export interface SlackReceiver {
  /** Resolves with the response to a request; never rejects. Needs no `this`. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** The counters at this moment. */
  readonly stats: SlackReceiverStats;
}

/**
 * Real milliseconds that a publish still has when the time is up: its own deadline is the same, and its reason, such as a
 * refused connection, is the one to report.
 */
const REASON_MS = 100;

/** One request on its way to a response. */
interface RequestContext {
  readonly request: Request;
  readonly path: string | undefined;
  /** By the monotonic clock. */
  readonly startedAt: number;
  /** Aborts when the time is up. */
  readonly signal: AbortSignal;
  /** Aborts when nobody waits for the queue any more: {@link REASON_MS} later. */
  readonly queueSignal: AbortSignal;
  /** What is being waited for: it names the outcome when the time is up or something throws. */
  waitingFor: "body" | "queue" | "onRefused" | "health" | undefined;
  /** What is known so far; the report is made of it. */
  readonly report: { -readonly [Name in keyof SlackRequestReport]?: SlackRequestReport[Name] };
}

/**
 * Creates the webhook: a `fetch` handler for `Deno.serve`, `Bun.serve` and Workers.
 *
 * `POST /slack/events` is answered 200 only after the queue has confirmed the event, and 503 in every other case that may
 * pass, within `timeoutMs`, so that Slack sends it again. The event's id ({@link slackEventId}) makes that safe: a backend
 * that deduplicates publishes it once. An event that the queue can never take goes to `onRefused`. The module's doc has
 * the table of all responses. `GET /health` tells whether the queue can be published to; it asks `backend.health()` at
 * most once in five seconds, and not at all while publishes tell.
 *
 * @param options The backend, the Signing Secret, and what has a default.
 * @returns The webhook.
 * @throws {ConfigError} A Signing Secret or a path that can never work: all problems at once.
 * @throws {TypeError | RangeError} An option of another type, or out of range, such as a `timeoutMs` over 3,000.
 *
 * @example
 * ```ts
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import { createSlackReceiver } from "@slack-mcp/queue/slack";
 *
 * await using backend = new MemoryBackend();
 * const receiver = createSlackReceiver({ backend, signingSecret: "8f742231b10e8888abcd99yyyzzz85a5" });
 *
 * // Deno.serve(receiver.fetch), Bun.serve({ fetch: receiver.fetch }), export default { fetch: receiver.fetch }
 * const answer = await receiver.fetch(new Request("https://bot.example/slack/events", { method: "POST", body: "{}" }));
 * if (answer.status !== 401 || receiver.stats.unauthorized !== 1) throw new Error("nobody signed this");
 * ```
 */
export function createSlackReceiver(options: SlackReceiverOptions): SlackReceiver {
  const settings = resolveOptions(options);
  const { backend, key, path, healthPath, timeoutMs, clock, onRefused, observer } = settings;
  const verifier = new SignatureVerifier(settings.signingSecret);
  const health = new HealthCheck(backend, clock, timeoutMs);
  const counts = Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as Record<SlackOutcome, number>;

  const late = () => new QueueError("timeout", `Cannot answer Slack in time: not done after ${timeoutMs} ms`);

  function record({ outcome, status }: WebhookResponse, context: RequestContext): void {
    const { request: { headers }, startedAt, report } = context;
    counts[outcome]++;
    callSafely(observer, {
      ...report,
      outcome,
      status,
      durationMs: monotonic(clock) - startedAt,
      retryNum: headers.get("x-slack-retry-num") ?? undefined,
      retryReason: headers.get("x-slack-retry-reason") ?? undefined,
    });
  }

  /** Chooses the response when something threw or the time is up. */
  function failed({ waitingFor, report, signal }: RequestContext, error: unknown): WebhookResponse {
    report.error = error;
    if (waitingFor === "body") return createResponse(signal.aborted ? "slowBody" : "brokenBody");
    if (waitingFor === "health") {
      return jsonResponse("unhealthy", { ok: false, checked: true, error: codeOf(error) });
    }
    if (waitingFor === "queue") health.failed(error);
    return createResponse("unconfirmed");
  }

  async function respond(context: RequestContext): Promise<WebhookResponse> {
    const { request, signal, report } = context;
    if (context.path === undefined) return createResponse("notFound");
    if (context.path === healthPath) return await checkHealth(context);
    if (context.path !== path) return createResponse("notFound");
    if (request.method !== "POST") return createResponse("notAllowed", { allow: "POST" });

    if (declaresMoreThan(request, MAX_BODY_BYTES)) {
      discard(request.body);
      return createResponse("tooLarge");
    }
    const signature = {
      timestamp: request.headers.get("x-slack-request-timestamp"),
      signature: request.headers.get("x-slack-signature"),
      now: clock.now(),
    };
    // Before the body is read: a stranger's body costs nothing unless its headers look like Slack's.
    report.problem = checkSignatureHeaders(signature);
    if (report.problem) {
      discard(request.body);
      return createResponse("unauthorized");
    }
    context.waitingFor = "body";
    const body = await readBody(request, MAX_BODY_BYTES, signal);
    if (body === TOO_LARGE) return createResponse("tooLarge");
    report.problem = await verifier.check({ ...signature, body });
    if (report.problem) return createResponse("unauthorized");

    // From here on the sender is Slack.
    if (request.headers.get("content-type")?.toLowerCase().startsWith("application/x-www-form-urlencoded")) {
      return createResponse("unsupported");
    }
    const envelope = parse(body);
    report.teamId = textOf(envelope?.team_id);
    report.appId = textOf(envelope?.api_app_id);
    switch (envelope?.type) {
      case "event_callback":
        return await publish(envelope, context);
      case "url_verification":
        return challenge(envelope);
      case "app_rate_limited":
        return createResponse("rateLimited");
      default:
        return createResponse("malformed");
    }
  }

  async function publish(envelope: JsonObject, context: RequestContext): Promise<WebhookResponse> {
    const { startedAt, queueSignal, report } = context;
    const { event } = envelope;
    const id = slackEventId(envelope);
    if (id === undefined || !isPlainObject(event) || typeof event.type !== "string") {
      return createResponse("malformed");
    }
    report.eventId = textOf(envelope.event_id);
    report.eventType = event.type;
    const publishedAt = monotonic(clock);
    const leftMs = timeoutMs - (publishedAt - startedAt);
    // The time may be up although the timer has not fired yet: reading took all of it, and the queue is not asked.
    if (leftMs <= 0) {
      report.error = late();
      return createResponse("slowBody");
    }
    context.waitingFor = "queue";
    try {
      const { outcome } = await backend.publish(key, envelope, { id, timeoutMs: leftMs, signal: queueSignal });
      health.published(monotonic(clock) - publishedAt);
      return createResponse(outcome === "duplicate" ? "duplicate" : "accepted");
    } catch (error) {
      if (!isRefusedForGood(error, envelope)) throw error;
      report.error = error;
      if (!onRefused) return createResponse("refused");
      context.waitingFor = "onRefused";
      await onRefused({ key, id, payload: envelope, error });
      return createResponse("setAside");
    }
  }

  async function checkHealth(context: RequestContext): Promise<WebhookResponse> {
    const { request: { method }, signal, report } = context;
    if (method !== "GET" && method !== "HEAD") return createResponse("notAllowed", { allow: "GET, HEAD" });
    context.waitingFor = "health";
    const { ok, checked, latencyMs, error } = await health.check(signal);
    if (ok) return jsonResponse("healthy", { ok, checked, latencyMs });
    report.error = error;
    return jsonResponse("unhealthy", { ok, checked, latencyMs, error: codeOf(error) });
  }

  return {
    async fetch(request) {
      const startedAt = monotonic(clock);
      return await withDeadline(clock, timeoutMs, late, undefined, async ({ signal }) => {
        const publishing = new AbortController();
        const context: RequestContext = {
          request,
          path: pathOf(request),
          startedAt,
          signal,
          queueSignal: publishing.signal,
          waitingFor: undefined,
          report: {},
        };
        const grace = (over: () => void) => {
          const timer = systemClock.setTimeout(over, context.waitingFor === "queue" ? REASON_MS : 0);
          return () => systemClock.clearTimeout(timer);
        };
        const response = await abortable(respond(context), signal, grace).catch((error) => {
          publishing.abort(error);
          return failed(context, error);
        });
        record(response, context);
        return new Response(response.body, response);
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
