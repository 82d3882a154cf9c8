/**
 * Slack's events one by one, with the fields that Slack documents: https://docs.slack.dev/reference/events. Slack adds
 * fields at any time; what is not named here arrives all the same.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";

/** What a message or a file is about, in Slack's own words: blocks, attachments, files, profiles. */
export type SlackParts = readonly JsonObject[];
/** An event of one type. */
export type SlackEventOf<Type extends string, Fields> = Fields & { readonly type: Type; readonly event_ts: string };
/** A message of one subtype. */
export type SlackMessageOf<Subtype extends string, Fields> = SlackMessageFields & Fields & {
  readonly subtype: Subtype;
};
/** A message, a file or a comment that something was done to. */
export type SlackItem = {
  readonly type: string;
  readonly channel?: string;
  readonly ts?: string;
  readonly file?: string;
  readonly file_comment?: string;
};
/** A channel, as events about it show it. */
export type SlackChannel = { readonly id: string; readonly name: string; readonly created: number };
/** Somebody, as events about them show them. */
export type SlackUser = {
  readonly id: string;
  readonly team_id?: string;
  readonly name?: string;
  readonly profile?: JsonObject;
};
/** What the events about a file have in common. */
export type SlackFileFields = { readonly file_id: string; readonly file: { readonly id: string } };

/** What every message has, or may have. */
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
  readonly app_id?: string;
  readonly client_msg_id?: string;
  readonly hidden?: boolean;
  readonly blocks?: SlackParts;
  readonly attachments?: SlackParts;
  readonly files?: SlackParts;
  readonly edited?: { readonly user: string; readonly ts: string };
};

/** A message was posted, or something was done to one: see `subtype`. */
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
/** A thread got a reply. */
export type MessageRepliedEvent = SlackMessageOf<"message_replied", { readonly message: JsonObject }>;
/** A reply was also sent to the channel. */
export type ThreadBroadcastEvent = SlackMessageOf<"thread_broadcast", { readonly root?: JsonObject }>;
/** Somebody posted files. */
export type FileShareEvent = SlackMessageOf<"file_share", { readonly files: SlackParts; readonly upload?: boolean }>;
/** Somebody joined a public channel. */
export type ChannelJoinEvent = SlackMessageOf<"channel_join", { readonly user: string; readonly inviter?: string }>;
/** Somebody left a public channel. */
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

/** Somebody mentioned the app. */
export type AppMentionEvent = SlackEventOf<"app_mention", {
  readonly user: string;
  readonly text: string;
  readonly ts: string;
  readonly channel: string;
  readonly thread_ts?: string;
  readonly team?: string;
  readonly client_msg_id?: string;
  readonly blocks?: SlackParts;
  readonly files?: SlackParts;
}>;
/** Somebody opened the app's home. */
export type AppHomeOpenedEvent = SlackEventOf<"app_home_opened", {
  readonly user: string;
  readonly channel: string;
  readonly tab: "home" | "messages";
  readonly view?: JsonObject;
}>;
/** The app was removed from a workspace. Slack sends no `event_ts` with it. */
export type AppUninstalledEvent = { readonly type: "app_uninstalled" };
/** Tokens of the app no longer count. Slack sends no `event_ts` with it. */
export type TokensRevokedEvent = {
  readonly type: "tokens_revoked";
  readonly tokens: { readonly oauth?: readonly string[]; readonly bot?: readonly string[] };
};
/** Somebody opened a thread with the assistant. */
export type AssistantThreadStartedEvent = SlackEventOf<
  "assistant_thread_started",
  { readonly assistant_thread: JsonObject }
>;
/** Somebody who talks to the assistant looks at something else now. */
export type AssistantThreadContextChangedEvent = SlackEventOf<
  "assistant_thread_context_changed",
  { readonly assistant_thread: JsonObject }
>;
/** A workflow asks for a step of the app. */
export type FunctionExecutedEvent = SlackEventOf<"function_executed", {
  readonly function: JsonObject;
  readonly inputs: JsonObject;
  readonly function_execution_id: string;
  readonly workflow_execution_id: string;
  readonly bot_access_token: string;
}>;

/** What the events about a reaction have in common. */
export type SlackReactionFields = {
  readonly user: string;
  readonly reaction: string;
  readonly item_user?: string;
  readonly item: SlackItem;
};
/** Somebody reacted to a message. */
export type ReactionAddedEvent = SlackEventOf<"reaction_added", SlackReactionFields>;
/** Somebody took a reaction back. */
export type ReactionRemovedEvent = SlackEventOf<"reaction_removed", SlackReactionFields>;

/** What the events about a pin have in common. */
export type SlackPinFields = { readonly user: string; readonly channel_id: string; readonly item: JsonObject };
/** Something was pinned to a channel. */
export type PinAddedEvent = SlackEventOf<"pin_added", SlackPinFields>;
/** Something was unpinned. */
export type PinRemovedEvent = SlackEventOf<"pin_removed", SlackPinFields & { readonly has_pins: boolean }>;

/** Somebody joined the workspace. */
export type TeamJoinEvent = SlackEventOf<"team_join", { readonly user: SlackUser }>;
/** Somebody's data changed. */
export type UserChangeEvent = SlackEventOf<"user_change", { readonly user: SlackUser }>;
/** The workspace has a new name. */
export type TeamRenameEvent = SlackEventOf<"team_rename", { readonly name: string; readonly team_id?: string }>;
/** An emoji was added, renamed or removed. */
export type EmojiChangedEvent = SlackEventOf<"emoji_changed", {
  readonly subtype?: "add" | "remove" | "rename";
  readonly name?: string;
  readonly names?: readonly string[];
  readonly value?: string;
  readonly old_name?: string;
  readonly new_name?: string;
}>;
/** A user group was made. */
export type SubteamCreatedEvent = SlackEventOf<"subteam_created", { readonly subteam: JsonObject }>;
/** A user group's data changed. */
export type SubteamUpdatedEvent = SlackEventOf<"subteam_updated", { readonly subteam: JsonObject }>;

/** A channel was made. */
export type ChannelCreatedEvent = SlackEventOf<
  "channel_created",
  { readonly channel: SlackChannel & { readonly creator: string } }
>;
/** A channel has a new name. */
export type ChannelRenameEvent = SlackEventOf<"channel_rename", { readonly channel: SlackChannel }>;
/** A channel was archived. */
export type ChannelArchiveEvent = SlackEventOf<"channel_archive", { readonly channel: string; readonly user: string }>;
/** A channel was taken out of the archive. */
export type ChannelUnarchiveEvent = SlackEventOf<
  "channel_unarchive",
  { readonly channel: string; readonly user: string }
>;
/** A channel was deleted. */
export type ChannelDeletedEvent = SlackEventOf<
  "channel_deleted",
  { readonly channel: string; readonly actor_id?: string }
>;
/** What the events about a channel's members have in common. */
export type SlackMemberFields = {
  readonly user: string;
  readonly channel: string;
  readonly channel_type: string;
  readonly team: string;
};
/** Somebody joined a channel. */
export type MemberJoinedChannelEvent = SlackEventOf<
  "member_joined_channel",
  SlackMemberFields & { readonly inviter?: string }
>;
/** Somebody left a channel. */
export type MemberLeftChannelEvent = SlackEventOf<"member_left_channel", SlackMemberFields>;

/** A file was added. */
export type FileCreatedEvent = SlackEventOf<"file_created", SlackFileFields & { readonly user_id?: string }>;
/** A file was shared in a channel. */
export type FileSharedEvent = SlackEventOf<
  "file_shared",
  SlackFileFields & { readonly user_id: string; readonly channel_id: string }
>;
/** A file was made public. */
export type FilePublicEvent = SlackEventOf<"file_public", SlackFileFields & { readonly user_id?: string }>;
/** A file's data changed. */
export type FileChangeEvent = SlackEventOf<"file_change", SlackFileFields>;
/** A file was deleted. */
export type FileDeletedEvent = SlackEventOf<"file_deleted", { readonly file_id: string }>;

/** A link of a domain that the app unfurls was posted. */
export type LinkSharedEvent = SlackEventOf<"link_shared", {
  readonly channel: string;
  readonly user: string;
  readonly message_ts: string;
  readonly thread_ts?: string;
  readonly unfurl_id?: string;
  readonly source?: string;
  readonly links: readonly { readonly domain: string; readonly url: string }[];
}>;
