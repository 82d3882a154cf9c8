/**
 * The Slack side: a webhook that hands Slack's events to a queue, and a router for the consumer at the other end.
 *
 * What the webhook answers, on `POST /slack/events`:
 *
 * | status | when | Slack tries again |
 * |---|---|---|
 * | 200 | the queue has confirmed the event, or has its `event_id` already; the handshake; `app_rate_limited` | no |
 * | 400 | signed, but not JSON or not an event | no: `x-slack-no-retry` |
 * | 401 | the signature is missing, not good, or more than five minutes away | yes |
 * | 405 | not a POST; `Allow` says what is | |
 * | 413 | over 1 MiB, whatever `Content-Length` says | no: `x-slack-no-retry` |
 * | 415 | signed, but a form | no: `x-slack-no-retry` |
 * | 503 | the queue did not confirm within 2.5 s, or refused | yes, and the `event_id` makes that safe |
 *
 * `GET /health` answers 200 or 503 by `backend.health()`. Any other path is 404.
 *
 * Interactivity (buttons, modals) and slash commands are not events: Slack posts them as forms and a person waits for the
 * answer, so they do not belong in a queue. Give them a request URL of their own; here they get a 415, which Slack shows to
 * the person as a failed command.
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
export type { SlackOutcome } from "./responses.ts";
export {
  createSlackReceiver,
  type SlackReceiver,
  type SlackReceiverOptions,
  type SlackReceiverStats,
  type SlackRequestReport,
} from "./receiver.ts";
export { type SlackEventContext, type SlackEventHandler, SlackEventRouter, SlackHandlerError } from "./router.ts";
export {
  type SlackSignatureProblem,
  type SlackSignedRequest,
  verifySlackSignature,
  type VerifySlackSignatureOptions,
} from "./signature.ts";
export type * from "./events.ts";
export type * from "./event_types.ts";
