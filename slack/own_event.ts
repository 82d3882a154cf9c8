/**
 * Tells what the app itself wrote from what others did.
 *
 * @module
 */
import type { JsonObject, JsonValue } from "../core/protocol.ts";
import type { SlackEvent } from "./events.ts";
import { isText, objectOf } from "./fields.ts";

/** The app, as far as it is known beside what each envelope says. */
export interface SlackSelf {
  /** The app's id, such as `"A0FFV41KK"`. */
  readonly appId?: string | undefined;
  /** The id of the app's bot, such as `"B0FFV41KK"`: `auth.test` returns it as `bot_id`. */
  readonly botId?: string | undefined;
  /** The user id of the app's bot, such as `"U0LAN0Z89"`: `auth.test` returns it as `user_id`. */
  readonly userId?: string | undefined;
}

/** Membership of the app's own bot is news to the app: Bolt keeps these two as well. */
const KEPT = /^member_(joined|left)_channel$/;

/** The events whose `app_id` is their author's. In others, such as `app_deleted`, it is the app that they are about. */
const AUTHORED = /^(message|app_mention)/;

/**
 * Returns whether the app itself caused an event: it is the author of a message, or of the message that was changed or
 * deleted, or its bot user did something else, such as adding a reaction. Handlers that answer such an event answer
 * themselves for ever.
 *
 * @param envelope What Slack posted around the event: `authorizations` names the bot's user, `api_app_id` the app.
 * @param event The event.
 * @param self The app, where the envelope may not tell.
 */
export function isOwnEvent(envelope: JsonObject, event: SlackEvent, self: SlackSelf = {}): boolean {
  const { type } = event;
  if (KEPT.test(type)) return false;
  const bots = [envelope.authorizations].flat().map(objectOf).filter(({ is_bot }) => is_bot === true);
  const users = [self.userId, ...bots.map(({ user_id }) => user_id)];
  const apps = [self.appId, envelope.api_app_id];
  const isOwn = (author: JsonValue | undefined): boolean => {
    const { user, user_id, bot_id, app_id, bot_profile } = objectOf(author);
    return includes(users, user) || includes(users, user_id) ||
      AUTHORED.test(type) && (includes([self.botId], bot_id) || includes(apps, app_id ?? objectOf(bot_profile).app_id));
  };
  // An edit and a deletion name the message's author in the message itself.
  return isOwn(event) || type === "message" && (isOwn(event.message) || isOwn(event.previous_message));
}

function includes(known: readonly (JsonValue | undefined)[], found: JsonValue | undefined): boolean {
  return isText(found) && known.includes(found);
}
