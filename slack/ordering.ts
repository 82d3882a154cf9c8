/**
 * The conversation that an event belongs to, as an ordering key.
 *
 * @module
 */
import { isPlainObject } from "../core/util/json.ts";
import type { JsonObject, LeasingBackend, QueueBackend } from "../core/protocol.ts";
import { settled } from "../core/util/user_callback.ts";
import { checkValue, orderingKey } from "../core/util/validate.ts";
import { firstText, isText, objectOf } from "./fields.ts";

/**
 * The events that are handled one at a time: those of a thread, those of a channel, or none. A function returns the
 * ordering key of an envelope, or `undefined` for none.
 */
export type SlackOrdering = "thread" | "channel" | "none" | ((envelope: JsonObject) => string | undefined);

/** The values of `SLACK_ORDERING`. */
export const ORDERINGS = ["thread", "channel", "none"] as const;

/**
 * Returns the ordering key of an event: its workspace and channel, and the thread unless that is a direct conversation.
 *
 * - An edit, a deletion, a reaction and a pin belong to the thread of the message they are about. Slack does not say in
 *   which thread a message stands that somebody reacted to: a reaction to a reply belongs to that reply.
 * - An event with a channel and without a message, such as `member_joined_channel`, belongs to the channel.
 * - An event without a channel has no ordering key.
 *
 * @param envelope The payload that Slack posted, or a bare inner event.
 * @param ordering `"thread"` or `"channel"`.
 * @returns The key, such as `"T061EG9R6:C0LAN2Q65:1515449522.000016"`.
 *
 * @example
 * ```ts
 * import { slackOrderingKey } from "@slack-mcp/queue/slack";
 *
 * const event = { type: "message", channel: "C1", ts: "2.0", thread_ts: "1.0" };
 * const key = slackOrderingKey({ type: "event_callback", team_id: "T1", event }, "thread");
 * if (key !== "T1:C1:1.0") throw new Error("not as promised");
 * ```
 */
export function slackOrderingKey(envelope: JsonObject, ordering: "thread" | "channel"): string | undefined {
  const event = isPlainObject(envelope.event) ? envelope.event as JsonObject : envelope;
  const item = objectOf(event.item);
  const assistant = objectOf(event.assistant_thread);
  const channel = firstText(
    event.channel,
    objectOf(event.channel).id,
    event.channel_id,
    item.channel,
    assistant.channel_id,
  );
  if (!channel) return undefined;
  const parts = [firstText(envelope.team_id, event.team), channel];
  const direct = event.channel_type === "im" || channel.startsWith("D");
  if (ordering === "thread" && !direct) {
    // The message that the event is about comes before the event itself: an edit has a `ts` of its own.
    const about = [event.message, event.previous_message, item.message, item, assistant, event];
    const threads = about.map(objectOf).flatMap(({ thread_ts, ts }) => [thread_ts, ts]);
    parts.push(firstText(...threads, event.message_ts, event.deleted_ts));
  }
  return parts.filter(isText).join(":");
}

/** Whether a backend keeps ordering keys. */
export function keepsOrder(backend: QueueBackend): boolean {
  return (backend as Partial<LeasingBackend>).capabilities?.orderingKeys === true;
}

/**
 * Returns the ordering key of an envelope, as the option says. Where a function fails, the thread decides.
 *
 * @param onFailure Called with the function's error.
 */
export function orderingKeyOf(
  envelope: JsonObject,
  ordering: SlackOrdering,
  onFailure: (error: unknown) => void,
): string | undefined {
  if (ordering === "none") return undefined;
  if (typeof ordering !== "function") return slackOrderingKey(envelope, ordering);
  try {
    const key = settled(ordering(envelope));
    if (key !== undefined) checkValue("ordering", key, orderingKey);
    return key;
  } catch (error) {
    onFailure(error);
    return slackOrderingKey(envelope, "thread");
  }
}
