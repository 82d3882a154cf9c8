/**
 * Slack's events about the app itself, its threads with people and its workflows, one by one, with the fields that Slack
 * documents: https://docs.slack.dev/reference/events. The rules of `message_types.ts` apply.
 *
 * @module
 */
import type { JsonObject } from "../core/protocol.ts";
import type { SlackBotProfile, SlackEventOf, SlackParts, SlackUntimedEventOf, SlackUser } from "./message_types.ts";

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
