/**
 * The shapes of the payloads that Slack sends, as far as Slack documents them. All are `type` aliases, so each is a `JsonObject`.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";

/** An event of any type. */
export type SlackEvent = JsonObject & {
  /** Slack's name for it, such as `"app_mention"`. */
  readonly type: string;
};

/** The JSON object that Slack posts, with the event inside: the payload that the receiver publishes. */
export type SlackEnvelope<Event extends SlackEvent = SlackEvent> = {
  /** Always `"event_callback"`. */
  readonly type: "event_callback";
  /** The event's id, the same for each of Slack's retries. Apps that share a Request URL get one event under one id. */
  readonly event_id: string;
  /** When the event happened, in epoch seconds. */
  readonly event_time: number;
  /** The event. */
  readonly event: Event;
  /** The workspace. */
  readonly team_id: string;
  /** The app. */
  readonly api_app_id: string;
  /** Slack's old way to verify a request. Superseded by the signature. */
  readonly token?: string;
  /** One of the installations of the app that see this event. */
  readonly authorizations?: readonly SlackAuthorization[];
  /** The argument of `apps.event.authorizations.list`, which lists all installations that see the event. */
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
  /** The user who installed it, or the bot's user. */
  readonly user_id: string;
  /** Whether `user_id` is a bot's. */
  readonly is_bot: boolean;
  /** Whether the whole organisation installed the app. */
  readonly is_enterprise_install?: boolean;
};
