/**
 * Slack's events one by one, with the fields that Slack documents: https://docs.slack.dev/reference/events. Slack adds
 * fields at any time; those that are not named here arrive as well.
 *
 * A member is required only when Slack always sends it. A publisher other than Slack may write `null` for a field that
 * Slack would leave out.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";

/** The contents of a message or a file in Slack's own terms: blocks, attachments, files, profiles. */
export type SlackParts = readonly JsonObject[];
/** An event of one type. */
export type SlackEventOf<Type extends string, Fields> = Fields & { readonly type: Type; readonly event_ts: string };
/** An event of one type that Slack may send without `event_ts`. */
export type SlackUntimedEventOf<Type extends string, Fields> = Fields & {
  readonly type: Type;
  readonly event_ts?: string;
};
/** A message of one subtype. */
export type SlackMessageOf<Subtype extends string, Fields> = SlackMessageFields & Fields & {
  readonly subtype: Subtype;
};
/** The message, file or comment that an event is about. */
export type SlackItem = {
  readonly type: string;
  readonly channel?: string;
  readonly ts?: string;
  readonly file?: string;
  readonly file_comment?: string;
};
/** A channel, as events about it show it. */
export type SlackChannel = { readonly id: string; readonly name: string; readonly created: number };
/** A person, as events about them show them. */
export type SlackUser = {
  readonly id: string;
  readonly team_id?: string;
  readonly name?: string;
  readonly profile?: JsonObject;
};
/** The bot that wrote a message. */
export type SlackBotProfile = {
  readonly id: string;
  readonly app_id: string;
  readonly name?: string;
  readonly team_id?: string;
};
/** The common fields of events about a file. */
export type SlackFileFields = { readonly file_id: string; readonly file: { readonly id: string } };

/** The fields of every message. */
export type SlackMessageFields = {
  readonly type: "message";
  readonly subtype?: string;
  readonly channel: string;
  readonly channel_type?: "channel" | "group" | "im" | "mpim" | "app_home";
  readonly user?: string;
  readonly text?: string;
  readonly ts: string;
  readonly thread_ts?: string;
  readonly parent_user_id?: string;
  readonly event_ts: string;
  readonly team?: string;
  readonly bot_id?: string;
  readonly bot_profile?: SlackBotProfile;
  readonly app_id?: string;
  readonly client_msg_id?: string;
  readonly hidden?: boolean;
  readonly blocks?: SlackParts;
  readonly attachments?: SlackParts;
  readonly files?: SlackParts;
  readonly edited?: { readonly user: string; readonly ts: string };
};

/** A message was posted, or something happened to one: see `subtype`. */
export type SlackMessageEvent = SlackMessageFields;
/** A message of an app that acts as a bot. */
export type BotMessageEvent = SlackMessageOf<"bot_message", { readonly bot_id: string; readonly username?: string }>;
/** A `/me` message. */
export type MeMessageEvent = SlackMessageOf<"me_message", { readonly user: string }>;
/** A message was edited, or its preview came. */
export type MessageChangedEvent = SlackMessageOf<"message_changed", {
  readonly hidden: true;
  readonly message: JsonObject;
  readonly previous_message?: JsonObject;
}>;
/** A message was deleted. */
export type MessageDeletedEvent = SlackMessageOf<"message_deleted", {
  readonly hidden: true;
  readonly deleted_ts: string;
  readonly previous_message?: JsonObject;
}>;
/** A reply was also sent to the channel. */
export type ThreadBroadcastEvent = SlackMessageOf<"thread_broadcast", { readonly root?: JsonObject }>;
/** A message with files was posted. */
export type FileShareEvent = SlackMessageOf<"file_share", { readonly user: string; readonly upload?: boolean }>;
/** A person joined a public channel. */
export type ChannelJoinEvent = SlackMessageOf<"channel_join", { readonly user: string; readonly inviter?: string }>;
/** A person left a public channel. */
export type ChannelLeaveEvent = SlackMessageOf<"channel_leave", { readonly user: string }>;
/** A public channel has a new topic. */
export type ChannelTopicEvent = SlackMessageOf<"channel_topic", { readonly user: string; readonly topic: string }>;
/** A public channel has a new purpose. */
export type ChannelPurposeEvent = SlackMessageOf<
  "channel_purpose",
  { readonly user: string; readonly purpose: string }
>;
/** A public channel has a new name. */
export type ChannelNameEvent = SlackMessageOf<"channel_name", { readonly old_name: string; readonly name: string }>;
/** A public channel was archived. */
export type ChannelArchiveMessageEvent = SlackMessageOf<"channel_archive", { readonly user: string }>;
/** A public channel was taken out of the archive. */
export type ChannelUnarchiveMessageEvent = SlackMessageOf<"channel_unarchive", { readonly user: string }>;
/** The posting permissions of a channel changed. */
export type ChannelPostingPermissionsEvent = SlackMessageOf<"channel_posting_permissions", { readonly user: string }>;
/** A message cannot be shown because its encryption key was withdrawn. */
export type EkmAccessDeniedEvent = SlackMessageOf<"ekm_access_denied", { readonly user: string }>;
