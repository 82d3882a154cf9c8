/**
 * What the Slack side reads from an environment.
 *
 * @module
 */
import { ConfigError } from "../core/errors.ts";
import type { Env } from "../core/protocol.ts";
import { SIGNING_SECRET_PLACE } from "./signature.ts";

/** The key under which Slack's events travel unless another is named: the Python server's own. */
export const DEFAULT_EVENTS_KEY = "slack_events";

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
 * @throws {ConfigError} where there is no secret: it says where Slack shows it.
 *
 * @example
 * ```ts
 * import { readSlackConfig } from "@slack-mcp/queue/slack";
 *
 * const config = readSlackConfig({ SLACK_SIGNING_SECRET: "new-secret,old-secret" });
 * if (config.signingSecret.length !== 2 || config.key !== "slack_events") throw new Error("not as promised");
 * ```
 */
export function readSlackConfig(env: Env): SlackConfig {
  const secrets = (text(env, "SLACK_SIGNING_SECRET") ?? "").split(",").map((one) => one.trim()).filter(Boolean);
  if (secrets.length === 0) throw new ConfigError(`SLACK_SIGNING_SECRET is not set: ${SIGNING_SECRET_PLACE}`);
  const config = { key: text(env, "SLACK_EVENTS_TOPIC") ?? DEFAULT_EVENTS_KEY };
  Object.defineProperty(config, "signingSecret", { value: Object.freeze(secrets), enumerable: false });
  return config as SlackConfig;
}

/** The variable's text; undefined where it is not set or blank. */
function text(env: Env, name: string): string | undefined {
  const value = env[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw new ConfigError(`${name} must be text, and is ${typeof value}`);
  return value.trim() || undefined;
}
