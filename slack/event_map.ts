/**
 * The names of Slack's events, and the shape of each.
 *
 * @module
 */
import type * as apps from "./app_event_types.ts";
import type * as channels from "./channel_event_types.ts";
import type * as events from "./event_types.ts";
import type * as messages from "./message_types.ts";

/**
 * The names that {@link SlackEventRouter.on} takes, and the event that each brings: Slack's event types, for messages
 * also the kinds of channel and the subtypes.
 *
 * `message.message_replied` is not among them: Slack documents it and never sends it.
 */
export interface SlackEventMap {
  /** Every message, whatever its channel and subtype. */
  readonly message: messages.SlackMessageEvent;
  /** A message in a public channel. */
  readonly "message.channels": messages.SlackMessageEvent;
  /** A message in a private channel. */
  readonly "message.groups": messages.SlackMessageEvent;
  /** A message in a direct conversation. */
  readonly "message.im": messages.SlackMessageEvent;
  /** A message in a direct conversation of several. */
  readonly "message.mpim": messages.SlackMessageEvent;
  /** A message in the app's home. */
  readonly "message.app_home": messages.SlackMessageEvent;
  /** A message of an app that acts as a bot. */
  readonly "message.bot_message": messages.BotMessageEvent;
  /** A `/me` message. */
  readonly "message.me_message": messages.MeMessageEvent;
  /** A message was edited, or its preview came. */
  readonly "message.message_changed": messages.MessageChangedEvent;
  /** A message was deleted. */
  readonly "message.message_deleted": messages.MessageDeletedEvent;
  /** A reply was also sent to the channel. */
  readonly "message.thread_broadcast": messages.ThreadBroadcastEvent;
  /** A message with files was posted. */
  readonly "message.file_share": messages.FileShareEvent;
  /** A person joined a public channel. */
  readonly "message.channel_join": messages.ChannelJoinEvent;
  /** A person left a public channel. */
  readonly "message.channel_leave": messages.ChannelLeaveEvent;
  /** A public channel has a new topic. */
  readonly "message.channel_topic": messages.ChannelTopicEvent;
  /** A public channel has a new purpose. */
  readonly "message.channel_purpose": messages.ChannelPurposeEvent;
  /** A public channel has a new name. */
  readonly "message.channel_name": messages.ChannelNameEvent;
  /** A public channel was archived. */
  readonly "message.channel_archive": messages.ChannelArchiveMessageEvent;
  /** A public channel was taken out of the archive. */
  readonly "message.channel_unarchive": messages.ChannelUnarchiveMessageEvent;
  /** The posting permissions of a channel changed. */
  readonly "message.channel_posting_permissions": messages.ChannelPostingPermissionsEvent;
  /** A message cannot be shown because its encryption key was withdrawn. */
  readonly "message.ekm_access_denied": messages.EkmAccessDeniedEvent;
  /** An integration was added to a channel. */
  readonly "message.bot_add": messages.SlackMessageOf<"bot_add", unknown>;
  /** An integration was removed from a channel. */
  readonly "message.bot_remove": messages.SlackMessageOf<"bot_remove", unknown>;
  /** A thread with an assistant app was started. */
  readonly "message.assistant_app_thread": messages.SlackMessageOf<"assistant_app_thread", unknown>;
  /** A channel was made private. */
  readonly "message.channel_convert_to_private": messages.SlackMessageOf<"channel_convert_to_private", unknown>;
  /** A channel was made public. */
  readonly "message.channel_convert_to_public": messages.SlackMessageOf<"channel_convert_to_public", unknown>;
  /** A canvas mentions a person. */
  readonly "message.document_mention": messages.SlackMessageOf<"document_mention", unknown>;
  /** A comment was added to a file. */
  readonly "message.file_comment": messages.SlackMessageOf<"file_comment", unknown>;
  /** A file was mentioned. */
  readonly "message.file_mention": messages.SlackMessageOf<"file_mention", unknown>;
  /** A private channel was archived. */
  readonly "message.group_archive": messages.SlackMessageOf<"group_archive", unknown>;
  /** A person joined a private channel. */
  readonly "message.group_join": messages.SlackMessageOf<"group_join", unknown>;
  /** A person left a private channel. */
  readonly "message.group_leave": messages.SlackMessageOf<"group_leave", unknown>;
  /** A private channel has a new name. */
  readonly "message.group_name": messages.SlackMessageOf<"group_name", unknown>;
  /** A private channel has a new purpose. */
  readonly "message.group_purpose": messages.SlackMessageOf<"group_purpose", unknown>;
  /** A private channel has a new topic. */
  readonly "message.group_topic": messages.SlackMessageOf<"group_topic", unknown>;
  /** A private channel was taken out of the archive. */
  readonly "message.group_unarchive": messages.SlackMessageOf<"group_unarchive", unknown>;
  /** An item was pinned to a channel. */
  readonly "message.pinned_item": messages.SlackMessageOf<"pinned_item", unknown>;
  /** A reminder was set. */
  readonly "message.reminder_add": messages.SlackMessageOf<"reminder_add", unknown>;
  /** A reply was also sent to the channel, before `thread_broadcast`. */
  readonly "message.reply_broadcast": messages.SlackMessageOf<"reply_broadcast", unknown>;
  /** An item was unpinned. */
  readonly "message.unpinned_item": messages.SlackMessageOf<"unpinned_item", unknown>;
  /** A message mentions the app. */
  readonly app_mention: apps.AppMentionEvent;
  /** A person opened the app's home. */
  readonly app_home_opened: apps.AppHomeOpenedEvent;
  /** A person who talks to the app looks at something else now. */
  readonly app_context_changed: apps.AppContextChangedEvent;
  /** An app was installed. */
  readonly app_installed: apps.AppInstalledEvent;
  /** An app was deleted. */
  readonly app_deleted: apps.AppDeletedEvent;
  /** An app was removed from a workspace of an organisation. */
  readonly app_uninstalled_team: apps.AppUninstalledTeamEvent;
  /** A person asked for an app to be installed. */
  readonly app_requested: apps.AppRequestedEvent;
  /** The app was removed from a workspace. */
  readonly app_uninstalled: apps.AppUninstalledEvent;
  /** Slack holds events back. It comes without an envelope, and the webhook of this package answers it itself. */
  readonly app_rate_limited: apps.AppRateLimitedEvent;
  /** Tokens of the app are no longer valid. */
  readonly tokens_revoked: apps.TokensRevokedEvent;
  /** A person stopped an agent that was answering. */
  readonly agent_session_stopped: apps.AgentSessionStoppedEvent;
  /** A session with an agent has a new title. */
  readonly agent_session_title_changed: apps.AgentSessionTitleChangedEvent;
  /** A person opened a thread with the assistant. */
  readonly assistant_thread_started: apps.AssistantThreadStartedEvent;
  /** A person who talks to the assistant looks at something else now. */
  readonly assistant_thread_context_changed: apps.AssistantThreadContextChangedEvent;
  /** A workflow asks for a step of the app. */
  readonly function_executed: apps.FunctionExecutedEvent;
  /** A workflow with a step of the app was published. */
  readonly workflow_published: apps.WorkflowPublishedEvent;
  /** A workflow with a step of the app was withdrawn. */
  readonly workflow_unpublished: apps.WorkflowUnpublishedEvent;
  /** A workflow with a step of the app was deleted. */
  readonly workflow_deleted: apps.WorkflowDeletedEvent;
  /** A step of the app was taken out of a workflow. */
  readonly workflow_step_deleted: apps.WorkflowStepDeletedEvent;
  /** A legacy workflow asks for a step of the app. */
  readonly workflow_step_execute: apps.WorkflowStepExecuteEvent;
  /** A message with metadata was posted. */
  readonly message_metadata_posted: events.MessageMetadataPostedEvent;
  /** The metadata of a message changed. */
  readonly message_metadata_updated: events.MessageMetadataUpdatedEvent;
  /** A message with metadata was deleted. */
  readonly message_metadata_deleted: events.MessageMetadataDeletedEvent;
  /** A reaction was added. */
  readonly reaction_added: events.ReactionAddedEvent;
  /** A reaction was taken back. */
  readonly reaction_removed: events.ReactionRemovedEvent;
  /** An item was pinned to a channel. */
  readonly pin_added: events.PinAddedEvent;
  /** An item was unpinned. */
  readonly pin_removed: events.PinRemovedEvent;
  /** An item was starred. */
  readonly star_added: events.StarAddedEvent;
  /** An item is no longer starred. */
  readonly star_removed: events.StarRemovedEvent;
  /** A call was rejected. */
  readonly call_rejected: events.CallRejectedEvent;
  /** A person opened the details of a work object. */
  readonly entity_details_requested: events.EntityDetailsRequestedEvent;
  /** A link of a domain that the app unfurls was posted. */
  readonly link_shared: events.LinkSharedEvent;
  /** A file was added. */
  readonly file_created: events.FileCreatedEvent;
  /** A file was shared in a channel. */
  readonly file_shared: events.FileSharedEvent;
  /** A file is no longer shared in a channel. */
  readonly file_unshared: events.FileUnsharedEvent;
  /** A file was made public. */
  readonly file_public: events.FilePublicEvent;
  /** A file's data changed. */
  readonly file_change: events.FileChangeEvent;
  /** A file was deleted. */
  readonly file_deleted: events.FileDeletedEvent;
  /** A comment on a file was deleted. */
  readonly file_comment_deleted: events.FileCommentDeletedEvent;
  /** A channel was created. */
  readonly channel_created: channels.ChannelCreatedEvent;
  /** A channel has a new name. */
  readonly channel_rename: channels.ChannelRenameEvent;
  /** A channel was archived. */
  readonly channel_archive: channels.ChannelArchiveEvent;
  /** A channel was taken out of the archive. */
  readonly channel_unarchive: channels.ChannelUnarchiveEvent;
  /** A channel was deleted. */
  readonly channel_deleted: channels.ChannelDeletedEvent;
  /** Messages of a channel were changed in bulk. */
  readonly channel_history_changed: channels.ChannelHistoryChangedEvent;
  /** A channel has a new id. */
  readonly channel_id_changed: channels.ChannelIdChangedEvent;
  /** The app's user left a channel. */
  readonly channel_left: channels.ChannelLeftEvent;
  /** A channel is now shared with another workspace. */
  readonly channel_shared: channels.ChannelSharedEvent;
  /** A channel is no longer shared with another workspace. */
  readonly channel_unshared: channels.ChannelUnsharedEvent;
  /** A person or a bot joined a channel. */
  readonly member_joined_channel: channels.MemberJoinedChannelEvent;
  /** A person or a bot left a channel. */
  readonly member_left_channel: channels.MemberLeftChannelEvent;
  /** A private channel was archived. */
  readonly group_archive: channels.GroupArchiveEvent;
  /** A private channel was taken out of the archive. */
  readonly group_unarchive: channels.GroupUnarchiveEvent;
  /** A private channel was opened. */
  readonly group_open: channels.GroupOpenEvent;
  /** A private channel was closed. */
  readonly group_close: channels.GroupCloseEvent;
  /** A private channel was deleted. */
  readonly group_deleted: channels.GroupDeletedEvent;
  /** Messages of a private channel were changed in bulk. */
  readonly group_history_changed: channels.GroupHistoryChangedEvent;
  /** The app's user left a private channel. */
  readonly group_left: channels.GroupLeftEvent;
  /** A private channel has a new name. */
  readonly group_rename: channels.GroupRenameEvent;
  /** A direct conversation was created. */
  readonly im_created: channels.ImCreatedEvent;
  /** A direct conversation was opened. */
  readonly im_open: channels.ImOpenEvent;
  /** A direct conversation was closed. */
  readonly im_close: channels.ImCloseEvent;
  /** Messages of a direct conversation were changed in bulk. */
  readonly im_history_changed: channels.ImHistoryChangedEvent;
  /** An invitation to a shared channel came. */
  readonly shared_channel_invite_received: channels.SharedChannelInviteReceivedEvent;
  /** An invitation to a shared channel was accepted. */
  readonly shared_channel_invite_accepted: channels.SharedChannelInviteAcceptedEvent;
  /** An invitation to a shared channel was approved. */
  readonly shared_channel_invite_approved: channels.SharedChannelInviteApprovedEvent;
  /** An invitation to a shared channel was declined. */
  readonly shared_channel_invite_declined: channels.SharedChannelInviteDeclinedEvent;
  /** A person asked to share a channel. */
  readonly shared_channel_invite_requested: channels.SharedChannelInviteRequestedEvent;
  /** A person joined the workspace. */
  readonly team_join: events.TeamJoinEvent;
  /** The workspace has a new name. */
  readonly team_rename: events.TeamRenameEvent;
  /** The workspace has a new domain. */
  readonly team_domain_change: events.TeamDomainChangeEvent;
  /** Workspaces gave the app access. */
  readonly team_access_granted: events.TeamAccessGrantedEvent;
  /** Workspaces withdrew the app's access. */
  readonly team_access_revoked: events.TeamAccessRevokedEvent;
  /** The workspace has a new email domain. */
  readonly email_domain_changed: events.EmailDomainChangedEvent;
  /** An emoji was added, renamed or removed. */
  readonly emoji_changed: events.EmojiChangedEvent;
  /** The workspace begins to move into an organisation. */
  readonly grid_migration_started: events.GridMigrationStartedEvent;
  /** The workspace has moved into an organisation. */
  readonly grid_migration_finished: events.GridMigrationFinishedEvent;
  /** A person asked to invite somebody to the workspace. */
  readonly invite_requested: events.InviteRequestedEvent;
  /** A person's data changed. */
  readonly user_change: events.UserChangeEvent;
  /** A person joined or left a huddle. */
  readonly user_huddle_changed: events.UserHuddleChangedEvent;
  /** A person's profile changed. */
  readonly user_profile_changed: events.UserProfileChangedEvent;
  /** A person's status changed. */
  readonly user_status_changed: events.UserStatusChangedEvent;
  /** The Do Not Disturb setting of the app's user changed. */
  readonly dnd_updated: events.DndUpdatedEvent;
  /** A person's Do Not Disturb setting changed. */
  readonly dnd_updated_user: events.DndUpdatedUserEvent;
  /** A user group was created. */
  readonly subteam_created: events.SubteamCreatedEvent;
  /** A user group's data changed. */
  readonly subteam_updated: events.SubteamUpdatedEvent;
  /** The members of a user group changed. */
  readonly subteam_members_changed: events.SubteamMembersChangedEvent;
  /** The app's user was added to a user group. */
  readonly subteam_self_added: events.SubteamSelfAddedEvent;
  /** The app's user was removed from a user group. */
  readonly subteam_self_removed: events.SubteamSelfRemovedEvent;
}
