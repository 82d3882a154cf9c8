/**
 * The id that an event is published under.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";
import { isText } from "./fields.ts";

/**
 * Returns the idempotency key of an event: `event_id`, `api_app_id` and `team_id`, joined by colons, such as
 * `"Ev0PV52K25:A0FFV41KK:T061EG9R6"`. A part that the envelope does not have is left out.
 *
 * Slack repeats an event with the same three values, so a retry is recognised. `event_id` alone is not enough: two apps
 * that share a Request URL each get their own delivery of one event, under the same `event_id`.
 *
 * @param envelope The payload that Slack posted.
 * @returns The id, or `undefined` when the envelope has no `event_id`.
 *
 * @example
 * ```ts
 * import { slackEventId } from "@slack-mcp/queue/slack";
 *
 * const id = slackEventId({ type: "event_callback", event_id: "Ev1", api_app_id: "A1", team_id: "T1", event: {} });
 * if (id !== "Ev1:A1:T1") throw new Error("not as promised");
 * ```
 */
export function slackEventId(envelope: JsonObject): string | undefined {
  const { event_id, api_app_id, team_id } = envelope;
  if (!isText(event_id)) return undefined;
  return [event_id, api_app_id, team_id].filter(isText).join(":");
}
