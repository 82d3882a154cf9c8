/**
 * The Slack side: a webhook that hands Slack's events to a queue, and a router for the consumer at the other end.
 *
 * The webhook's responses to `POST /slack/events`:
 *
 * | status | when | outcome | Slack tries again |
 * |---|---|---|---|
 * | 200 | the queue has confirmed the event, or had it already | `accepted`, `duplicate` | no |
 * | 200 | the handshake; `app_rate_limited` | `challenged`, `rateLimited` | no |
 * | 200 | the queue can never take the event, and `onRefused` took it | `setAside` | no |
 * | 400 | signed, but not JSON or not an event | `malformed` | no: `x-slack-no-retry` |
 * | 401 | the signature is missing, wrong, or more than five minutes away | `unauthorized` | yes |
 * | 405 | not a POST; `Allow` names it | `notAllowed` | |
 * | 413 | over 1 MiB, whatever `Content-Length` says | `tooLarge` | no: `x-slack-no-retry` |
 * | 415 | signed, but a form | `unsupported` | no: `x-slack-no-retry` |
 * | 422 | the queue can never take the event, and there is no `onRefused` | `refused` | no: `x-slack-no-retry` |
 * | 503 | the body did not arrive within `timeoutMs`, or broke off | `slowBody`, `brokenBody` | yes |
 * | 503 | the queue did not confirm within `timeoutMs` (2.5 s), or refused for now | `unconfirmed` | yes, and the event's id makes that safe |
 *
 * An event is published under {@link slackEventId}: `event_id`, `api_app_id` and `team_id`, joined by colons. So Slack's
 * retry is recognised, and two apps that share a Request URL both get their own delivery.
 *
 * Missing, ill-formed and stale signature headers are answered before the body is read. A body is held in one buffer that
 * grows with the bytes that arrive. The path is taken from the request itself: the `Host` header cannot choose it.
 *
 * `GET /health` is 200 when events can be published, else 503 with an error code. A confirmed publish counts as health
 * for 5 s and a failed one as its absence for 30 s; otherwise `backend.health()` is asked, by one probe at a time and at
 * most once in 5 s, however many probes come. Where the backend has no health, or its limit of requests leaves no room to
 * ask, the response says `"checked": false`. `healthPath: null` turns it off. Any other path is 404.
 *
 * An event that can never be published (too large for the backend, nested too deep, a number that JSON cannot carry) is
 * not sent again by Slack: pass `onRefused` to store it elsewhere, or watch the `refused` outcome, whose report has the
 * ids to fetch the message by.
 *
 * Interactivity (buttons, modals) and slash commands are not events: Slack posts them as forms and a person waits for the
 * response, so they do not belong in a queue. Give them a request URL of their own; here they get a 415, which Slack shows
 * to the person as a failed command.
 *
 * **Runtimes**: anything with `fetch`'s `Request` and `Response` and WebCrypto: Deno, Bun, Cloudflare Workers, Node.
 *
 * **Configuration**: `SLACK_SIGNING_SECRET` (two, separated by a comma, while it is being rotated) and
 * `SLACK_EVENTS_TOPIC` (default `slack_events`), read by {@link readSlackConfig}.
 *
 * @example A webhook and a consumer in one process
 * ```ts
 * import { createConsumer } from "@slack-mcp/queue";
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import { createSlackReceiver, readSlackConfig, SlackEventRouter } from "@slack-mcp/queue/slack";
 *
 * const { key, signingSecret } = readSlackConfig({ SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5" });
 * await using backend = new MemoryBackend();
 * const receiver = createSlackReceiver({ backend, key, signingSecret }); // Deno.serve(receiver.fetch)
 *
 * const router = new SlackEventRouter().on("app_mention", ({ event }) => void event.text);
 * await createConsumer({ handler: router.handle }).drain(backend, key);
 * if (receiver.stats.accepted !== 0) throw new Error("nothing was sent");
 * ```
 *
 * @module
 */
export { DEFAULT_EVENTS_KEY, readSlackConfig, type SlackConfig } from "./config.ts";
export { slackEventId } from "./event_id.ts";
export { type SlackOrdering, slackOrderingKey } from "./ordering.ts";
export type { SlackOutcome } from "./responses.ts";
export type { RefusedSlackEvent, SlackReceiverOptions, SlackRequestReport } from "./receiver_options.ts";
export { createSlackReceiver, type SlackReceiver, type SlackReceiverStats } from "./receiver.ts";
export {
  type SlackEventContext,
  type SlackEventHandler,
  SlackEventRouter,
  type SlackEventRouterOptions,
  SlackHandlerError,
  type SlackRouteOptions,
} from "./router.ts";
export type { SlackSelf } from "./own_event.ts";
export {
  type SlackSignatureHeaders,
  type SlackSignatureProblem,
  type SlackSignedRequest,
  verifySlackSignature,
  type VerifySlackSignatureOptions,
} from "./signature.ts";
export type * from "./app_event_types.ts";
export type * from "./channel_event_types.ts";
export type * from "./event_map.ts";
export type * from "./events.ts";
export type * from "./event_types.ts";
export type * from "./message_types.ts";
