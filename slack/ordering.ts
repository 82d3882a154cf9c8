/**
 * The conversation that an event belongs to, as an ordering key.
 *
 * @module
 */
import { isPlainObject } from "../core/util/json.ts";
import type { JsonObject, LeasingBackend, QueueBackend } from "../core/protocol.ts";
import { settled } from "../core/util/user_callback.ts";
import { checkValue, orderingKey } from "../core/util/validate.ts";

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
  const event = objectOf(envelope.event) ?? envelope;
  const item = objectOf(event.item);
  const assistant = objectOf(event.assistant_thread);
  const channel = textOf(event.channel) ?? textOf(objectOf(event.channel)?.id) ?? textOf(event.channel_id) ??
    textOf(item?.channel) ?? textOf(assistant?.channel_id);
  if (channel === undefined) return undefined;
  const parts = [textOf(envelope.team_id) ?? textOf(event.team), channel];
  const direct = event.channel_type === "im" || channel.startsWith("D");
  if (ordering === "thread" && !direct) parts.push(threadOf(event, item, assistant));
  return parts.filter((part) => part !== undefined).join(":");
}

function threadOf(event: JsonObject, item?: JsonObject, assistant?: JsonObject): string | undefined {
  // What the event is about comes before the event itself: an edit has a `ts` of its own.
  const about = [event.message, event.previous_message, item?.message, item, assistant, event].map(objectOf);
  for (const one of about) {
    const thread = textOf(one?.thread_ts) ?? textOf(one?.ts);
    if (thread !== undefined) return thread;
  }
  return textOf(event.message_ts) ?? textOf(event.deleted_ts);
}

function objectOf(value: unknown): JsonObject | undefined {
  return isPlainObject(value) ? value as JsonObject : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
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
