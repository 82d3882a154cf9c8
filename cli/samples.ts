/**
 * Events in the shapes that Slack documents (https://docs.slack.dev/reference/events), one of each kind, for the demo
 * and the tests.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";
import type { SlackEventMap } from "../slack/event_map.ts";
import type { SlackEnvelope, SlackEvent } from "../slack/events.ts";

/** One sample. */
export interface Sample {
  /** The name that a router's handler for it has. */
  readonly route: keyof SlackEventMap;
  /** The event as Slack documents it. */
  readonly event: SlackEvent;
}

const TS = "1761984000.000100";
const CHANNEL = "C0LAN2Q65";
const USER = "U061F7AUR";
const TEAM = "T061EG9R6";

const message = (channel_type: string, channel: string, more: JsonObject = {}): SlackEvent => ({
  type: "message",
  channel,
  channel_type,
  user: USER,
  text: "Live long and prospect.",
  ts: TS,
  event_ts: TS,
  team: TEAM,
  ...more,
});
const inChannel = (subtype: string, more: JsonObject = {}): SlackEvent =>
  message("channel", CHANNEL, { subtype, ...more });
const item = { type: "message", channel: CHANNEL, ts: "1761983990.000200" };

/** One event of each kind. */
export const SAMPLES: readonly Sample[] = [
  {
    route: "app_mention",
    event: {
      type: "app_mention",
      user: USER,
      text: "<@U0LAN0Z89> is it everything a river should be?",
      ts: TS,
      channel: CHANNEL,
      event_ts: TS,
      client_msg_id: "0d3c2f3e-6f2a-4b8c-9f3f-0a8f4c5d6e7f",
      team: TEAM,
      blocks: [{ type: "rich_text", block_id: "b1", elements: [] }],
    },
  },
  { route: "message.channels", event: message("channel", CHANNEL) },
  { route: "message.groups", event: message("group", "G024BE91L") },
  { route: "message.im", event: message("im", "D024BE91L", { text: "Hello hello can you hear me?" }) },
  {
    route: "message.mpim",
    event: message("mpim", "G07MPIM00", { thread_ts: "1761983000.000300", parent_user_id: "U2" }),
  },
  {
    route: "message.bot_message",
    event: inChannel("bot_message", { bot_id: "BB12033", username: "github", icons: {} }),
  },
  {
    route: "message.message_changed",
    event: inChannel("message_changed", {
      hidden: true,
      message: { type: "message", user: USER, text: "Live long and prosper.", ts: TS, edited: { user: USER, ts: TS } },
      previous_message: { type: "message", user: USER, text: "Live long and prospect.", ts: TS },
    }),
  },
  {
    route: "message.message_deleted",
    event: inChannel("message_deleted", { hidden: true, deleted_ts: "1761983000.000300" }),
  },
  {
    route: "message.thread_broadcast",
    event: inChannel("thread_broadcast", { root: { type: "message", thread_ts: TS } }),
  },
  {
    route: "message.file_share",
    event: inChannel("file_share", {
      upload: true,
      files: [{ id: "F2147483862", name: "cat.png", mimetype: "image/png" }],
    }),
  },
  { route: "message.channel_join", event: inChannel("channel_join", { text: `<@${USER}> has joined the channel` }) },
  {
    route: "reaction_added",
    event: { type: "reaction_added", user: USER, reaction: "thumbsup", item_user: "U0G9QF9C6", item, event_ts: TS },
  },
  {
    route: "reaction_removed",
    event: { type: "reaction_removed", user: USER, reaction: "thumbsup", item_user: "U0G9QF9C6", item, event_ts: TS },
  },
  {
    route: "team_join",
    event: {
      type: "team_join",
      user: { id: "W012A3CDE", team_id: TEAM, name: "spengler", profile: { real_name: "Egon Spengler", email: null } },
      event_ts: TS,
    },
  },
  {
    route: "file_shared",
    event: {
      type: "file_shared",
      channel_id: CHANNEL,
      file_id: "F2147483862",
      user_id: USER,
      file: { id: "F2147483862" },
      event_ts: TS,
    },
  },
  {
    route: "app_home_opened",
    event: {
      type: "app_home_opened",
      user: USER,
      channel: "D0LAN2Q65",
      event_ts: TS,
      tab: "home",
      view: { id: "VPASKP233", team_id: TEAM, type: "home", blocks: [], private_metadata: "", callback_id: "" },
    },
  },
  {
    route: "link_shared",
    event: {
      type: "link_shared",
      channel: CHANNEL,
      is_bot_user_member: true,
      user: USER,
      message_ts: TS,
      unfurl_id: "C123456.123456789.987501.1b90fa1278528ce6e2f6c5c2bfa1abc9a41d57d02b29d173f40399c9ffdecf4b",
      source: "conversations_history",
      links: [{ domain: "example.com", url: "https://example.com/12345" }],
      event_ts: TS,
    },
  },
  {
    route: "channel_created",
    event: {
      type: "channel_created",
      channel: { id: CHANNEL, name: "fun", created: 1_360_782_804, creator: USER },
      event_ts: TS,
    },
  },
  {
    route: "channel_rename",
    event: { type: "channel_rename", channel: { id: CHANNEL, name: "new_name", created: 1_360_782_804 }, event_ts: TS },
  },
  { route: "channel_archive", event: { type: "channel_archive", channel: CHANNEL, user: USER, event_ts: TS } },
  {
    route: "member_joined_channel",
    event: {
      type: "member_joined_channel",
      user: "W06GH7XHN",
      channel: CHANNEL,
      channel_type: "C",
      team: TEAM,
      inviter: USER,
      event_ts: TS,
    },
  },
  {
    route: "pin_added",
    event: {
      type: "pin_added",
      user: USER,
      channel_id: CHANNEL,
      item: { type: "message", message: item },
      event_ts: TS,
    },
  },
  {
    route: "emoji_changed",
    event: {
      type: "emoji_changed",
      subtype: "add",
      name: "picard_facepalm",
      value: "https://my.slack.com/emoji/picard_facepalm/db8e287430eaa459.gif",
      event_ts: TS,
    },
  },
  { route: "tokens_revoked", event: { type: "tokens_revoked", tokens: { oauth: ["OUXXXXXXXX"], bot: ["BXXXXXXXX"] } } },
  { route: "app_uninstalled", event: { type: "app_uninstalled" } },
];

/** Returns the envelope that Slack puts around an event. */
export function envelopeOf(event: SlackEvent, eventId: string): SlackEnvelope {
  return {
    token: "z26uFbvR1xHJEdHE1OQiO6t8",
    team_id: TEAM,
    context_team_id: TEAM,
    context_enterprise_id: null,
    api_app_id: "A0FFV41KK",
    event,
    type: "event_callback",
    event_id: eventId,
    event_time: 1_761_984_000,
    authorizations: [
      { enterprise_id: null, team_id: TEAM, user_id: "U0LAN0Z89", is_bot: true, is_enterprise_install: false },
    ],
    is_ext_shared_channel: false,
    event_context: "4-eyJldCI6Im1lc3NhZ2UifQ",
  };
}
