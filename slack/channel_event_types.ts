/**
 * Slack's events about channels, their members and invitations to share them, one by one, with the fields that Slack
 * documents: https://docs.slack.dev/reference/events. The rules of `message_types.ts` apply.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";
import type { SlackChannel, SlackEventOf, SlackParts, SlackUntimedEventOf, SlackUser } from "./message_types.ts";

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
