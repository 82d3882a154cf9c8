/**
 * The webhook: takes Slack's requests, verifies them and hands events to a queue.
 *
 * @module
 */
import { abortable, withDeadline } from "../core/util/async.ts";
import { monotonic, systemClock } from "../core/util/clock.ts";
import { QueueError } from "../core/errors.ts";
import { callSafely } from "../core/util/user_callback.ts";
import type { JsonObject } from "../core/protocol.ts";
import { discard, readBody } from "./body.ts";
import { DEFAULT_EVENTS_KEY } from "./config.ts";
import { slackEventId } from "./event_id.ts";
import { firstText, objectOf } from "./fields.ts";
import { codeOf, createHealthCheck, type SlackHealth } from "./health.ts";
import { MAX_BODY_BYTES, REASON_MS } from "./limits.ts";
import { pathOf } from "./path.ts";
import { keepsOrder, orderingKeyOf } from "./ordering.ts";
import { isRefusedForGood } from "./refusal.ts";
import { checkReceiverOptions, type SlackReceiverOptions, type SlackRequestReport } from "./receiver_options.ts";
import { createResponse, jsonResponse, OUTCOMES, type SlackOutcome, type WebhookResponse } from "./responses.ts";
import { checkSignatureHeaders, createSignatureVerifier } from "./signature.ts";

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
  const [path, healthPath] = checkReceiverOptions(options);
  const {
    backend,
    key = DEFAULT_EVENTS_KEY,
    timeoutMs = 2_500,
    clock = systemClock,
    onRefused,
    observer,
    ordering = keepsOrder(backend) ? "thread" : "none",
  } = options;
  const verify = createSignatureVerifier(options.signingSecret);
  const health = createHealthCheck(backend, clock, timeoutMs);
  const counts = Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as Record<SlackOutcome, number>;

  const late = () => new QueueError("timeout", `Cannot answer Slack: it took longer than ${timeoutMs} ms`);

  /** Answers one request. `signal` aborts when the time is up. */
  async function handle(request: Request, signal: AbortSignal): Promise<Response> {
    const startedAt = monotonic(clock);
    const { method, headers } = request;
    /** The report, as far as it is known. */
    const report: { -readonly [Name in keyof SlackRequestReport]?: SlackRequestReport[Name] } = {};
    /** The step under way: it names the outcome when the time is up or something throws. */
    let waitingFor: "body" | "queue" | "health" | undefined;
    /** Aborts when nobody waits for the queue any more. */
    const publishing = new AbortController();

    async function respond(): Promise<WebhookResponse | SlackOutcome> {
      const asked = pathOf(request);
      if (asked && asked === healthPath) {
        if (method !== "GET" && method !== "HEAD") return createResponse("notAllowed", { allow: "GET, HEAD" });
        waitingFor = "health";
        return healthResponse(await health.check(signal));
      }
      if (asked !== path) return "notFound";
      if (method !== "POST") return createResponse("notAllowed", { allow: "POST" });
      // The header can refuse a body; what it promises is never believed.
      if (Number(headers.get("content-length")) > MAX_BODY_BYTES) {
        discard(request.body);
        return "tooLarge";
      }
      const signature = {
        timestamp: headers.get("x-slack-request-timestamp"),
        signature: headers.get("x-slack-signature"),
        now: clock.now(),
      };
      // Before the body is read: a stranger's body costs nothing unless its headers look like Slack's.
      report.problem = checkSignatureHeaders(signature);
      if (report.problem) {
        discard(request.body);
        return "unauthorized";
      }
      waitingFor = "body";
      const body = await readBody(request, MAX_BODY_BYTES, signal);
      if (!body) return "tooLarge";
      if (!await verify({ ...signature, body })) {
        report.problem = "forged";
        return "unauthorized";
      }

      // From here on the sender is Slack.
      if (/form-urlencoded/i.test(headers.get("content-type") ?? "")) return "unsupported";
      const envelope = parse(body);
      const { type, team_id, api_app_id, challenge } = envelope;
      report.teamId = firstText(team_id);
      report.appId = firstText(api_app_id);
      if (type === "event_callback") return await publish(envelope);
      if (type === "url_verification" && typeof challenge === "string") {
        return jsonResponse("challenged", { challenge });
      }
      return type === "app_rate_limited" ? "rateLimited" : "malformed";
    }

    async function publish(envelope: JsonObject): Promise<WebhookResponse | SlackOutcome> {
      const { type } = objectOf(envelope.event);
      const id = slackEventId(envelope);
      if (!id || typeof type !== "string") return "malformed";
      report.eventId = firstText(envelope.event_id);
      report.eventType = type;
      const publishedAt = monotonic(clock);
      const leftMs = timeoutMs - (publishedAt - startedAt);
      // The time may be up although the timer has not fired yet: reading took all of it, and the queue is not asked.
      if (leftMs <= 0) {
        report.error = late();
        return "slowBody";
      }
      waitingFor = "queue";
      try {
        const conversation = orderingKeyOf(envelope, ordering, (error) => report.error = error);
        const { outcome } = await backend.publish(key, envelope, {
          id,
          timeoutMs: leftMs,
          signal: publishing.signal,
          ...conversation && { orderingKey: conversation },
        });
        health.published(monotonic(clock) - publishedAt);
        return outcome === "duplicate" ? outcome : "accepted";
      } catch (error) {
        if (!isRefusedForGood(error, envelope)) throw error;
        waitingFor = undefined;
        report.error = error;
        if (!onRefused) return "refused";
        await onRefused({ key, id, payload: envelope, error });
        return "setAside";
      }
    }

    function healthResponse({ error, ...known }: SlackHealth): WebhookResponse {
      if (known.ok) return jsonResponse("healthy", known);
      report.error = error;
      return jsonResponse("unhealthy", { ...known, error: codeOf(error) });
    }

    const given = await abortable(respond(), signal, (over) => {
      // At once for anything but the queue: a body is cancelled in the next turn, and its response must be out before.
      if (waitingFor !== "queue") over();
      const timer = systemClock.setTimeout(over, REASON_MS);
      return () => systemClock.clearTimeout(timer);
    }).catch((error: unknown): WebhookResponse | SlackOutcome => {
      publishing.abort(error);
      report.error = error;
      if (waitingFor === "body") return signal.aborted ? "slowBody" : "brokenBody";
      if (waitingFor === "health") return healthResponse({ ok: false, checked: true, error });
      if (waitingFor === "queue") health.failed(error);
      return "unconfirmed";
    });
    const response = typeof given === "string" ? createResponse(given) : given;
    const { outcome, status } = response;
    counts[outcome]++;
    callSafely(observer, {
      ...report,
      outcome,
      status,
      durationMs: monotonic(clock) - startedAt,
      retryNum: headers.get("x-slack-retry-num") ?? undefined,
      retryReason: headers.get("x-slack-retry-reason") ?? undefined,
    });
    return new Response(response.body, response);
  }

  return {
    fetch: (request) => withDeadline(clock, timeoutMs, late, undefined, ({ signal }) => handle(request, signal)),
    get stats() {
      return { ...counts };
    },
  };
}

/** Returns the object that a body spells, an empty one when it is not UTF-8, not JSON or no object. */
function parse(body: Uint8Array): JsonObject {
  try {
    return objectOf(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)));
  } catch {
    return {}; // like any object without a known type, it is answered as malformed
  }
}
