/**
 * Slack's events about neither messages nor channels nor the app, one by one, with the fields that Slack documents:
 * https://docs.slack.dev/reference/events. The rules of `message_types.ts` apply.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";
import type { SlackEventOf, SlackFileFields, SlackItem, SlackUntimedEventOf, SlackUser } from "./message_types.ts";

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
/** The common fields of events about Do Not Disturb. */
export type SlackDndFields = { readonly user: string; readonly dnd_status: JsonObject };

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
