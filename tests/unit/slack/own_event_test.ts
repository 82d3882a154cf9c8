import assert from "node:assert/strict";
import { test } from "node:test";
import type { Delivery, JsonObject } from "../../../core/protocol.ts";
import { envelopeOf } from "../../../cli/samples.ts";
import { type SlackEvent, SlackEventRouter, type SlackEventRouterOptions } from "../../../slack/mod.ts";

/** The app and its bot, as the samples' envelope names them. */
const APP = "A0FFV41KK";
const BOT_USER = "U0LAN0Z89";
const HUMAN = "U061F7AUR";

/** Whether a router's handlers get a payload. */
async function isHandled(payload: JsonObject, options?: SlackEventRouterOptions): Promise<boolean> {
  let handled = false;
  const router = new SlackEventRouter(options).on("*", () => void (handled = true));
  await router.handle({ payload, id: "Ev1", key: "slack_events" } as unknown as Delivery);
  return handled;
}

const inEnvelope = (event: SlackEvent): JsonObject => envelopeOf(event, "Ev1");
const message = (fields: JsonObject): SlackEvent => ({
  type: "message",
  channel: "C1",
  text: "hello",
  ts: "1.1",
  ...fields,
});

const OWN: readonly (readonly [string, SlackEvent])[] = [
  ["a message of the app's bot user", message({ user: BOT_USER, bot_id: "B1" })],
  ["a message of the app by app_id", message({ subtype: "bot_message", bot_id: "B1", app_id: APP })],
  [
    "a message of the app by bot_profile",
    message({ user: "U9", bot_id: "B1", bot_profile: { id: "B1", app_id: APP } }),
  ],
  ["an edit of the app's message", message({ subtype: "message_changed", message: { user: BOT_USER, text: "x" } })],
  [
    "an edit of the app's message by app_id",
    message({ subtype: "message_changed", message: { bot_id: "B1", app_id: APP }, previous_message: { app_id: APP } }),
  ],
  ["the deletion of the app's message", message({ subtype: "message_deleted", previous_message: { user: BOT_USER } })],
  ["a mention by the app", { type: "app_mention", text: `<@${BOT_USER}>`, bot_profile: { app_id: APP } }],
  ["a reaction of the app", { type: "reaction_added", user: BOT_USER, reaction: "eyes" }],
  ["a file of the app", { type: "file_shared", user_id: BOT_USER, file_id: "F1" }],
  ["metadata of the app", { type: "message_metadata_posted", app_id: APP, user_id: "U9" }],
];

for (const [what, event] of OWN) {
  test(`SlackEventRouter leaves out ${what}`, async () => {
    assert.equal(await isHandled(inEnvelope(event)), false);
    assert.equal(await isHandled(inEnvelope(event), { own: true }), true);
    assert.equal(await isHandled(inEnvelope(event), { own: false }), false);
  });
}

const OTHERS: readonly (readonly [string, SlackEvent])[] = [
  ["a person's message", message({ user: HUMAN })],
  ["a message of another bot", message({ subtype: "bot_message", bot_id: "B2", app_id: "A2" })],
  ["a message of a bot without an app", message({ subtype: "bot_message", bot_id: "B2", username: "github" })],
  ["a message of another bot's user", message({ user: "U2", bot_id: "B2", bot_profile: { id: "B2", app_id: "A2" } })],
  [
    "a person's edit",
    message({ subtype: "message_changed", message: { user: HUMAN }, previous_message: { user: HUMAN } }),
  ],
  ["a person's mention of the app", { type: "app_mention", user: HUMAN, text: `<@${BOT_USER}>` }],
  ["a person's reaction to the app's message", { type: "reaction_added", user: HUMAN, item_user: BOT_USER }],
  [
    "a person's reply in the app's thread",
    message({ user: HUMAN, parent_user_id: BOT_USER, root: { user: BOT_USER } }),
  ],
  ["that the bot joined a channel", { type: "member_joined_channel", user: BOT_USER, channel: "C1" }],
  ["that the bot left a channel", { type: "member_left_channel", user: BOT_USER, channel: "C1" }],
  ["that the app was deleted", { type: "app_deleted", app_id: APP }],
  ["that the bot's profile changed", { type: "user_change", user: { id: BOT_USER } }],
];

for (const [what, event] of OTHERS) {
  test(`SlackEventRouter brings ${what}`, async () => {
    assert.equal(await isHandled(inEnvelope(event)), true);
  });
}

test("SlackEventRouter delivers a person's message of an app installed for them", async () => {
  const authorizations = [{ enterprise_id: null, team_id: "T1", user_id: HUMAN, is_bot: false }];
  assert.equal(await isHandled({ ...inEnvelope(message({ user: HUMAN })), authorizations }), true);
});

test("SlackEventRouter knows the app by self when the payload is a bare event", async () => {
  const self = { appId: "A7", botId: "B7", userId: "U7" };
  const own: JsonObject[] = [{ app_id: "A7" }, { bot_id: "B7" }, { user: "U7" }];
  for (const fields of own) {
    assert.equal(await isHandled(message(fields), { self }), false);
    assert.equal(await isHandled(message(fields)), true, "without self nothing tells whose it is");
    assert.equal(await isHandled(message(fields), { self, own: true }), true);
  }
  assert.equal(await isHandled(message({ app_id: "A8", bot_id: "B8", user: "U8" }), { self }), true);
});

test("SlackEventRouter refuses options of another type", () => {
  const wrong: unknown[] = [{ own: "yes" }, { self: 7 }, { self: { botId: "" } }, { self: { bot: "B1" } }, {
    skip: true,
  }];
  for (const options of wrong) {
    assert.throws(() => new SlackEventRouter(options as SlackEventRouterOptions), TypeError, JSON.stringify(options));
  }
});
