/**
 * Slack's events other than messages, one by one, with the fields that Slack documents:
 * https://docs.slack.dev/reference/events. The rules of `message_types.ts` apply.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";
import type {
  SlackBotProfile,
  SlackChannel,
  SlackEventOf,
  SlackFileFields,
  SlackItem,
  SlackParts,
  SlackUntimedEventOf,
  SlackUser,
} from "./message_types.ts";

/** The common fields of events about an app. */
export type SlackAppFields = {
  readonly app_id: string;
  readonly app_name: string;
  readonly app_owner_id: string;
  readonly team_id: string;
  readonly team_domain: string;
};
/** The common fields of events about a thread with the assistant. */
export type SlackAssistantFields = {
  readonly assistant_thread: {
    readonly user_id: string;
    readonly channel_id: string;
    readonly thread_ts: string;
    readonly context: JsonObject;
  };
};
/** The common fields of events about a legacy workflow. */
export type SlackWorkflowFields = {
  readonly workflow_id: string;
  readonly workflow_draft_configuration?: JsonObject;
  readonly workflow_published_configuration?: JsonObject;
};
/** The common fields of events about a message's metadata. */
export type SlackMetadataFields = {
  readonly app_id: string;
  readonly bot_id?: string;
  readonly user_id: string;
  readonly team_id: string;
  readonly channel_id: string;
  readonly message_ts: string;
};
/** The common fields of events about a reaction. */
export type SlackReactionFields = {
  readonly user: string;
  readonly reaction: string;
  readonly item_user?: string;
  readonly item: SlackItem;
};
/** The common fields of events about a pin. */
export type SlackPinFields = { readonly user: string; readonly channel_id: string; readonly item: JsonObject };
/** The common fields of events about a conversation's history. */
export type SlackHistoryFields = { readonly latest: string; readonly ts: string };
/** The common fields of events about a channel's members. */
export type SlackMemberFields = {
  readonly user: string;
  readonly channel: string;
  readonly channel_type: string;
  readonly team: string;
};
/** The common fields of events about an invitation to a shared channel. */
export type SlackInviteFields = { readonly invite: JsonObject; readonly channel: JsonObject };
/** The common fields of events about Do Not Disturb. */
export type SlackDndFields = { readonly user: string; readonly dnd_status: JsonObject };

/** A message mentions the app. */
export type AppMentionEvent = SlackEventOf<
  "app_mention",
  {
    readonly text: string;
    readonly ts: string;
    readonly channel: string;
    readonly user?: string;
    readonly thread_ts?: string;
    readonly team?: string;
    readonly client_msg_id?: string;
    readonly bot_id?: string;
    readonly bot_profile?: SlackBotProfile;
    readonly app_id?: string;
    readonly blocks?: SlackParts;
    readonly attachments?: SlackParts;
    readonly files?: SlackParts;
    readonly edited?: { readonly user: string; readonly ts: string };
  }
>;
/** A person opened the app's home. */
export type AppHomeOpenedEvent = SlackEventOf<
  "app_home_opened",
  {
    readonly user: string;
    readonly channel: string;
    readonly tab?: "home" | "messages";
    readonly view?: JsonObject;
    readonly context?: JsonObject;
  }
>;
/** A person who talks to the app looks at something else now. */
export type AppContextChangedEvent = SlackEventOf<
  "app_context_changed",
  { readonly user: string; readonly channel: string; readonly context: JsonObject }
>;
/** An app was installed. */
export type AppInstalledEvent = SlackEventOf<"app_installed", SlackAppFields & { readonly user_id: string }>;
/** An app was deleted. */
export type AppDeletedEvent = SlackEventOf<"app_deleted", SlackAppFields>;
/** An app was removed from a workspace of an organisation. */
export type AppUninstalledTeamEvent = SlackEventOf<
  "app_uninstalled_team",
  SlackAppFields & { readonly user_id: string }
>;
/** A person asked for an app to be installed. */
export type AppRequestedEvent = SlackUntimedEventOf<
  "app_requested",
  { readonly app_request: JsonObject; readonly user: SlackUser; readonly team: JsonObject; readonly message?: string }
>;
/** The app was removed from a workspace. */
export type AppUninstalledEvent = SlackUntimedEventOf<"app_uninstalled", unknown>;
/** Slack holds events back. It comes without an envelope, and the webhook of this package answers it itself. */
export type AppRateLimitedEvent = SlackUntimedEventOf<
  "app_rate_limited",
  { readonly team_id: string; readonly api_app_id: string; readonly minute_rate_limited: number }
>;
/** Tokens of the app are no longer valid. */
export type TokensRevokedEvent = SlackUntimedEventOf<
  "tokens_revoked",
  { readonly tokens: { readonly oauth?: readonly string[]; readonly bot?: readonly string[] } }
>;
/** A person stopped an agent that was answering. */
export type AgentSessionStoppedEvent = SlackEventOf<
  "agent_session_stopped",
  {
    readonly channel: string;
    readonly user: string;
    readonly thread_ts: string;
    readonly streaming_message_ts: readonly string[];
  }
>;
/** A session with an agent has a new title. */
export type AgentSessionTitleChangedEvent = SlackEventOf<
  "agent_session_title_changed",
  {
    readonly channel: string;
    readonly user: string;
    readonly team_id: string;
    readonly thread_ts: string;
    readonly title: string;
    readonly previous_title?: string;
  }
>;
/** A person opened a thread with the assistant. */
export type AssistantThreadStartedEvent = SlackEventOf<"assistant_thread_started", SlackAssistantFields>;
/** A person who talks to the assistant looks at something else now. */
export type AssistantThreadContextChangedEvent = SlackEventOf<"assistant_thread_context_changed", SlackAssistantFields>;
/** A workflow asks for a step of the app. */
export type FunctionExecutedEvent = SlackEventOf<
  "function_executed",
  {
    readonly function: JsonObject;
    readonly inputs: JsonObject;
    readonly function_execution_id: string;
    readonly workflow_execution_id: string;
    readonly bot_access_token: string;
  }
>;
/** A workflow with a step of the app was published. */
export type WorkflowPublishedEvent = SlackEventOf<"workflow_published", SlackWorkflowFields>;
/** A workflow with a step of the app was withdrawn. */
export type WorkflowUnpublishedEvent = SlackEventOf<"workflow_unpublished", SlackWorkflowFields>;
/** A workflow with a step of the app was deleted. */
export type WorkflowDeletedEvent = SlackEventOf<"workflow_deleted", SlackWorkflowFields>;
/** A step of the app was taken out of a workflow. */
export type WorkflowStepDeletedEvent = SlackEventOf<"workflow_step_deleted", SlackWorkflowFields>;
/** A legacy workflow asks for a step of the app. */
export type WorkflowStepExecuteEvent = SlackEventOf<
  "workflow_step_execute",
  { readonly callback_id: string; readonly workflow_step: JsonObject }
>;
/** A message with metadata was posted. */
export type MessageMetadataPostedEvent = SlackEventOf<
  "message_metadata_posted",
  SlackMetadataFields & { readonly metadata: JsonObject }
>;
/** The metadata of a message changed. */
export type MessageMetadataUpdatedEvent = SlackEventOf<
  "message_metadata_updated",
  SlackMetadataFields & { readonly metadata: JsonObject; readonly previous_metadata: JsonObject }
>;
/** A message with metadata was deleted. */
export type MessageMetadataDeletedEvent = SlackEventOf<
  "message_metadata_deleted",
  SlackMetadataFields & { readonly previous_metadata: JsonObject; readonly deleted_ts: string }
>;
/** A reaction was added. */
export type ReactionAddedEvent = SlackEventOf<"reaction_added", SlackReactionFields>;
/** A reaction was taken back. */
export type ReactionRemovedEvent = SlackEventOf<"reaction_removed", SlackReactionFields>;
/** An item was pinned to a channel. */
export type PinAddedEvent = SlackEventOf<"pin_added", SlackPinFields>;
/** An item was unpinned. */
export type PinRemovedEvent = SlackEventOf<"pin_removed", SlackPinFields & { readonly has_pins: boolean }>;
/** An item was starred. */
export type StarAddedEvent = SlackEventOf<"star_added", { readonly user: string; readonly item: JsonObject }>;
/** An item is no longer starred. */
export type StarRemovedEvent = SlackEventOf<"star_removed", { readonly user: string; readonly item: JsonObject }>;
/** A call was rejected. */
export type CallRejectedEvent = SlackUntimedEventOf<
  "call_rejected",
  {
    readonly call_id: string;
    readonly user_id: string;
    readonly channel_id: string;
    readonly external_unique_id: string;
  }
>;
/** A person opened the details of a work object. */
export type EntityDetailsRequestedEvent = SlackEventOf<
  "entity_details_requested",
  {
    readonly user: string;
    readonly trigger_id: string;
    readonly link: { readonly url: string; readonly domain: string };
    readonly entity_url: string;
    readonly user_locale: string;
    readonly channel?: string;
    readonly message_ts?: string;
    readonly thread_ts?: string;
    readonly external_ref?: JsonObject;
    readonly app_unfurl_url?: string;
  }
>;
/** A link of a domain that the app unfurls was posted. */
export type LinkSharedEvent = SlackEventOf<
  "link_shared",
  {
    readonly channel: string;
    readonly user: string;
    readonly message_ts: string;
    readonly links: readonly { readonly domain: string; readonly url: string }[];
    readonly is_bot_user_member?: boolean;
    readonly thread_ts?: string;
    readonly unfurl_id?: string;
    readonly source?: string;
  }
>;
/** A file was added. */
export type FileCreatedEvent = SlackEventOf<"file_created", SlackFileFields & { readonly user_id?: string }>;
/** A file was shared in a channel. */
export type FileSharedEvent = SlackEventOf<
  "file_shared",
  SlackFileFields & { readonly user_id: string; readonly channel_id: string }
>;
/** A file is no longer shared in a channel. */
export type FileUnsharedEvent = SlackEventOf<
  "file_unshared",
  SlackFileFields & { readonly user_id: string; readonly channel_id: string }
>;
/** A file was made public. */
export type FilePublicEvent = SlackEventOf<"file_public", SlackFileFields & { readonly user_id?: string }>;
/** A file's data changed. */
export type FileChangeEvent = SlackUntimedEventOf<"file_change", SlackFileFields>;
/** A file was deleted. */
export type FileDeletedEvent = SlackEventOf<
  "file_deleted",
  { readonly file_id: string; readonly channel_ids?: readonly string[] }
>;
/** A comment on a file was deleted. */
export type FileCommentDeletedEvent = SlackUntimedEventOf<
  "file_comment_deleted",
  SlackFileFields & { readonly comment: string }
>;
/** A channel was created. */
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
export type ChannelDeletedEvent = SlackUntimedEventOf<
  "channel_deleted",
  { readonly channel: string; readonly actor_id?: string }
>;
/** Messages of a channel were changed in bulk. */
export type ChannelHistoryChangedEvent = SlackEventOf<"channel_history_changed", SlackHistoryFields>;
/** A channel has a new id. */
export type ChannelIdChangedEvent = SlackEventOf<
  "channel_id_changed",
  { readonly old_channel_id: string; readonly new_channel_id: string }
>;
/** The app's user left a channel. */
export type ChannelLeftEvent = SlackEventOf<"channel_left", { readonly channel: string; readonly actor_id: string }>;
/** A channel is now shared with another workspace. */
export type ChannelSharedEvent = SlackEventOf<
  "channel_shared",
  { readonly channel: string; readonly connected_team_id: string }
>;
/** A channel is no longer shared with another workspace. */
export type ChannelUnsharedEvent = SlackEventOf<
  "channel_unshared",
  { readonly channel: string; readonly previously_connected_team_id: string; readonly is_ext_shared: boolean }
>;
/** A person or a bot joined a channel. */
export type MemberJoinedChannelEvent = SlackEventOf<
  "member_joined_channel",
  SlackMemberFields & { readonly inviter?: string }
>;
/** A person or a bot left a channel. */
export type MemberLeftChannelEvent = SlackEventOf<"member_left_channel", SlackMemberFields>;
/** A private channel was archived. */
export type GroupArchiveEvent = SlackEventOf<"group_archive", { readonly channel: string; readonly user: string }>;
/** A private channel was taken out of the archive. */
export type GroupUnarchiveEvent = SlackEventOf<
  "group_unarchive",
  { readonly channel: string; readonly actor_id: string }
>;
/** A private channel was opened. */
export type GroupOpenEvent = SlackUntimedEventOf<"group_open", { readonly channel: string; readonly user: string }>;
/** A private channel was closed. */
export type GroupCloseEvent = SlackUntimedEventOf<"group_close", { readonly channel: string; readonly user: string }>;
/** A private channel was deleted. */
export type GroupDeletedEvent = SlackEventOf<
  "group_deleted",
  { readonly channel: string; readonly actor_id: string; readonly date_deleted: number }
>;
/** Messages of a private channel were changed in bulk. */
export type GroupHistoryChangedEvent = SlackEventOf<"group_history_changed", SlackHistoryFields>;
/** The app's user left a private channel. */
export type GroupLeftEvent = SlackEventOf<"group_left", { readonly channel: string; readonly actor_id: string }>;
/** A private channel has a new name. */
export type GroupRenameEvent = SlackEventOf<"group_rename", { readonly channel: SlackChannel }>;
/** A direct conversation was created. */
export type ImCreatedEvent = SlackUntimedEventOf<
  "im_created",
  { readonly user: string; readonly channel: { readonly id: string } }
>;
/** A direct conversation was opened. */
export type ImOpenEvent = SlackEventOf<"im_open", { readonly user: string; readonly channel: string }>;
/** A direct conversation was closed. */
export type ImCloseEvent = SlackEventOf<"im_close", { readonly user: string; readonly channel: string }>;
/** Messages of a direct conversation were changed in bulk. */
export type ImHistoryChangedEvent = SlackEventOf<"im_history_changed", SlackHistoryFields>;
/** An invitation to a shared channel came. */
export type SharedChannelInviteReceivedEvent = SlackEventOf<"shared_channel_invite_received", SlackInviteFields>;
/** An invitation to a shared channel was accepted. */
export type SharedChannelInviteAcceptedEvent = SlackEventOf<
  "shared_channel_invite_accepted",
  SlackInviteFields & {
    readonly approval_required: boolean;
    readonly accepting_user: SlackUser;
    readonly teams_in_channel: SlackParts;
  }
>;
/** An invitation to a shared channel was approved. */
export type SharedChannelInviteApprovedEvent = SlackEventOf<
  "shared_channel_invite_approved",
  SlackInviteFields & {
    readonly approving_team_id: string;
    readonly approving_user: SlackUser;
    readonly teams_in_channel: SlackParts;
  }
>;
/** An invitation to a shared channel was declined. */
export type SharedChannelInviteDeclinedEvent = SlackEventOf<
  "shared_channel_invite_declined",
  SlackInviteFields & {
    readonly declining_team_id: string;
    readonly declining_user: SlackUser;
    readonly teams_in_channel: SlackParts;
  }
>;
/** A person asked to share a channel. */
export type SharedChannelInviteRequestedEvent = SlackEventOf<
  "shared_channel_invite_requested",
  {
    readonly actor: SlackUser;
    readonly channel_id: string;
    readonly channel_name: string;
    readonly channel_type: string;
    readonly target_users: SlackParts;
    readonly teams_in_channel: SlackParts;
  }
>;
/** A person joined the workspace. */
export type TeamJoinEvent = SlackEventOf<"team_join", { readonly user: SlackUser }>;
/** The workspace has a new name. */
export type TeamRenameEvent = SlackUntimedEventOf<"team_rename", { readonly name: string; readonly team_id?: string }>;
/** The workspace has a new domain. */
export type TeamDomainChangeEvent = SlackUntimedEventOf<
  "team_domain_change",
  { readonly url: string; readonly domain: string }
>;
/** Workspaces gave the app access. */
export type TeamAccessGrantedEvent = SlackEventOf<"team_access_granted", { readonly team_ids: readonly string[] }>;
/** Workspaces withdrew the app's access. */
export type TeamAccessRevokedEvent = SlackEventOf<"team_access_revoked", { readonly team_ids: readonly string[] }>;
/** The workspace has a new email domain. */
export type EmailDomainChangedEvent = SlackEventOf<"email_domain_changed", { readonly email_domain: string }>;
/** An emoji was added, renamed or removed. */
export type EmojiChangedEvent = SlackEventOf<
  "emoji_changed",
  {
    readonly subtype?: "add" | "remove" | "rename";
    readonly name?: string;
    readonly names?: readonly string[];
    readonly value?: string;
    readonly old_name?: string;
    readonly new_name?: string;
  }
>;
/** The workspace begins to move into an organisation. */
export type GridMigrationStartedEvent = SlackUntimedEventOf<
  "grid_migration_started",
  { readonly enterprise_id: string }
>;
/** The workspace has moved into an organisation. */
export type GridMigrationFinishedEvent = SlackUntimedEventOf<
  "grid_migration_finished",
  { readonly enterprise_id: string }
>;
/** A person asked to invite somebody to the workspace. */
export type InviteRequestedEvent = SlackUntimedEventOf<"invite_requested", { readonly invite_request: JsonObject }>;
/** A person's data changed. */
export type UserChangeEvent = SlackEventOf<"user_change", { readonly user: SlackUser }>;
/** A person joined or left a huddle. */
export type UserHuddleChangedEvent = SlackEventOf<"user_huddle_changed", { readonly user: SlackUser }>;
/** A person's profile changed. */
export type UserProfileChangedEvent = SlackEventOf<"user_profile_changed", { readonly user: SlackUser }>;
/** A person's status changed. */
export type UserStatusChangedEvent = SlackEventOf<"user_status_changed", { readonly user: SlackUser }>;
/** The Do Not Disturb setting of the app's user changed. */
export type DndUpdatedEvent = SlackEventOf<"dnd_updated", SlackDndFields>;
/** A person's Do Not Disturb setting changed. */
export type DndUpdatedUserEvent = SlackEventOf<"dnd_updated_user", SlackDndFields>;
/** A user group was created. */
export type SubteamCreatedEvent = SlackEventOf<"subteam_created", { readonly subteam: JsonObject }>;
/** A user group's data changed. */
export type SubteamUpdatedEvent = SlackEventOf<"subteam_updated", { readonly subteam: JsonObject }>;
/** The members of a user group changed. */
export type SubteamMembersChangedEvent = SlackEventOf<
  "subteam_members_changed",
  {
    readonly subteam_id: string;
    readonly team_id: string;
    readonly date_update: number;
    readonly date_previous_update: number;
    readonly added_users?: readonly string[];
    readonly removed_users?: readonly string[];
  }
>;
/** The app's user was added to a user group. */
export type SubteamSelfAddedEvent = SlackEventOf<"subteam_self_added", { readonly subteam_id: string }>;
/** The app's user was removed from a user group. */
export type SubteamSelfRemovedEvent = SlackEventOf<"subteam_self_removed", { readonly subteam_id: string }>;
