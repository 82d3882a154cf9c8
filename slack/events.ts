/**
 * The shapes of what Slack sends, as far as Slack documents them. All are `type` aliases, so each is a `JsonObject`.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";
import type * as events from "./event_types.ts";

/** An event of which no more is known than that it has a type. */
export type SlackEvent = JsonObject & {
  /** Slack's name for it, such as `"app_mention"`. */
  readonly type: string;
};

/** What Slack posts around an event: the payload that the receiver publishes. */
export type SlackEnvelope<Event extends SlackEvent = SlackEvent> = {
  /** Always this. */
  readonly type: "event_callback";
  /** Names the event in the whole world, and is the same for each of Slack's retries. */
  readonly event_id: string;
  /** When it happened, in epoch seconds. */
  readonly event_time: number;
  /** The event. */
  readonly event: Event;
  /** The workspace. */
  readonly team_id: string;
  /** The app. */
  readonly api_app_id: string;
  /** Slack's old way to verify; the signature is what counts. */
  readonly token?: string;
  /** Whose installation of the app sees this event: one of them. */
  readonly authorizations?: readonly SlackAuthorization[];
  /** Names the event to Slack's `apps.event.authorizations.list`. */
  readonly event_context?: string;
  /** Whether the channel is shared with another organisation. */
  readonly is_ext_shared_channel?: boolean;
  /** The workspace of the context, in an organisation. */
  readonly context_team_id?: string | null;
  /** The organisation of the context. */
  readonly context_enterprise_id?: string | null;
  /** The organisation. */
  readonly enterprise_id?: string;
};

/** One installation of the app that may see an event. */
export type SlackAuthorization = {
  /** The organisation, where there is one. */
  readonly enterprise_id: string | null;
  /** The workspace, unless the whole organisation installed the app. */
  readonly team_id: string | null;
  /** Who installed it, or the bot. */
  readonly user_id: string;
  /** Whether it is a bot's. */
  readonly is_bot: boolean;
  /** Whether the whole organisation installed the app. */
  readonly is_enterprise_install?: boolean;
};

/**
 * Names that {@link SlackEventRouter.on} knows, and the event that each brings. Any other name is allowed as well, and
 * brings a {@link SlackEvent}.
 */
export interface SlackEventMap {
  /** Every message, whatever its channel and subtype. */
  readonly message: events.SlackMessageEvent;
  /** A message in a public channel. */
  readonly "message.channels": events.SlackMessageEvent;
  /** A message in a private channel. */
  readonly "message.groups": events.SlackMessageEvent;
  /** A message in a direct conversation. */
  readonly "message.im": events.SlackMessageEvent;
  /** A message in a direct conversation of several. */
  readonly "message.mpim": events.SlackMessageEvent;
  /** A message in the app's home. */
  readonly "message.app_home": events.SlackMessageEvent;
  /** A message of an app that acts as a bot. */
  readonly "message.bot_message": events.BotMessageEvent;
  /** A `/me` message. */
  readonly "message.me_message": events.MeMessageEvent;
  /** A message was edited, or its preview came. */
  readonly "message.message_changed": events.MessageChangedEvent;
  /** A message was deleted. */
  readonly "message.message_deleted": events.MessageDeletedEvent;
  /** A thread got a reply. */
  readonly "message.message_replied": events.MessageRepliedEvent;
  /** A reply was also sent to the channel. */
  readonly "message.thread_broadcast": events.ThreadBroadcastEvent;
  /** Somebody posted files. */
  readonly "message.file_share": events.FileShareEvent;
  /** Somebody joined a public channel. */
  readonly "message.channel_join": events.ChannelJoinEvent;
  /** Somebody left a public channel. */
  readonly "message.channel_leave": events.ChannelLeaveEvent;
  /** A public channel has a new topic. */
  readonly "message.channel_topic": events.ChannelTopicEvent;
  /** A public channel has a new purpose. */
  readonly "message.channel_purpose": events.ChannelPurposeEvent;
  /** A public channel has a new name. */
  readonly "message.channel_name": events.ChannelNameEvent;
  /** Somebody mentioned the app. */
  readonly app_mention: events.AppMentionEvent;
  /** Somebody opened the app's home. */
  readonly app_home_opened: events.AppHomeOpenedEvent;
  /** Somebody opened a thread with the assistant. */
  readonly assistant_thread_started: events.AssistantThreadStartedEvent;
  /** Somebody who talks to the assistant looks at something else now. */
  readonly assistant_thread_context_changed: events.AssistantThreadContextChangedEvent;
  /** A workflow asks for a step of the app. */
  readonly function_executed: events.FunctionExecutedEvent;
  /** Somebody reacted to a message. */
  readonly reaction_added: events.ReactionAddedEvent;
  /** Somebody took a reaction back. */
  readonly reaction_removed: events.ReactionRemovedEvent;
  /** Something was pinned to a channel. */
  readonly pin_added: events.PinAddedEvent;
  /** Something was unpinned. */
  readonly pin_removed: events.PinRemovedEvent;
  /** Somebody joined the workspace. */
  readonly team_join: events.TeamJoinEvent;
  /** Somebody's data changed. */
  readonly user_change: events.UserChangeEvent;
  /** The workspace has a new name. */
  readonly team_rename: events.TeamRenameEvent;
  /** An emoji was added, renamed or removed. */
  readonly emoji_changed: events.EmojiChangedEvent;
  /** A user group was made. */
  readonly subteam_created: events.SubteamCreatedEvent;
  /** A user group's data changed. */
  readonly subteam_updated: events.SubteamUpdatedEvent;
  /** A channel was made. */
  readonly channel_created: events.ChannelCreatedEvent;
  /** A channel has a new name. */
  readonly channel_rename: events.ChannelRenameEvent;
  /** A channel was archived. */
  readonly channel_archive: events.ChannelArchiveEvent;
  /** A channel was taken out of the archive. */
  readonly channel_unarchive: events.ChannelUnarchiveEvent;
  /** A channel was deleted. */
  readonly channel_deleted: events.ChannelDeletedEvent;
  /** Somebody joined a channel. */
  readonly member_joined_channel: events.MemberJoinedChannelEvent;
  /** Somebody left a channel. */
  readonly member_left_channel: events.MemberLeftChannelEvent;
  /** A file was added. */
  readonly file_created: events.FileCreatedEvent;
  /** A file was shared in a channel. */
  readonly file_shared: events.FileSharedEvent;
  /** A file was made public. */
  readonly file_public: events.FilePublicEvent;
  /** A file's data changed. */
  readonly file_change: events.FileChangeEvent;
  /** A file was deleted. */
  readonly file_deleted: events.FileDeletedEvent;
  /** A link of a domain that the app unfurls was posted. */
  readonly link_shared: events.LinkSharedEvent;
  /** The app was removed from a workspace. Slack sends no `event_ts` with it. */
  readonly app_uninstalled: events.AppUninstalledEvent;
  /** Tokens of the app no longer count. Slack sends no `event_ts` with it. */
  readonly tokens_revoked: events.TokensRevokedEvent;
}
