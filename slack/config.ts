/**
 * What the Slack side reads from an environment.
 *
 * @module
 */
import { EnvReader } from "../core/config/env_reader.ts";
import { SIGNING_SECRET_PLACE } from "./signature.ts";

/** The key under which Slack's events travel unless another is named: the Python server's own. */
export const DEFAULT_EVENTS_KEY = "slack_events";

const SECRET = "SLACK_SIGNING_SECRET";

/** What {@link readSlackConfig} found. */
export interface SlackConfig {
  /** The Signing Secrets, one or, during a rotation, several. Not enumerable, so that a printed config does not show them. */
  readonly signingSecret: readonly string[];
  /** The key that events are published under and consumed from. */
  readonly key: string;
}

/**
 * Reads `SLACK_SIGNING_SECRET` and `SLACK_EVENTS_TOPIC`.
 *
 * During a rotation `SLACK_SIGNING_SECRET` holds both secrets, separated by a comma. `SLACK_EVENTS_TOPIC` is the key,
 * `slack_events` where it is not set.
 *
 * @throws {ConfigError} Names every problem; where there is no secret, also where Slack shows it.
 *
 * @example
 * ```ts
 * import { readSlackConfig } from "@slack-mcp/queue/slack";
 *
 * const config = readSlackConfig({ SLACK_SIGNING_SECRET: "new-secret,old-secret" });
 * if (config.signingSecret.length !== 2 || config.key !== "slack_events") throw new Error("not as promised");
 * ```
 */
export function readSlackConfig(env: object): SlackConfig {
  const reader = new EnvReader(env);
  const given = reader.required(SECRET, SIGNING_SECRET_PLACE);
  const secrets = given.split(",").map((secret) => secret.trim()).filter(Boolean);
  if (given !== "" && secrets.length === 0) reader.problem(`${SECRET} is blank: ${SIGNING_SECRET_PLACE}`);
  const key = reader.string("SLACK_EVENTS_TOPIC")?.trim() || DEFAULT_EVENTS_KEY;
  reader.check();
  return Object.defineProperty({ key }, "signingSecret", { value: Object.freeze(secrets) }) as SlackConfig;
}
