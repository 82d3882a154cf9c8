/**
 * Reads the Slack side's variables.
 *
 * @module
 */
import { EnvReader } from "../core/config/env_reader.ts";
import { ORDERINGS } from "./ordering.ts";
import { secretProblem, SIGNING_SECRET_PLACE } from "./signature.ts";

/** The default key of Slack's events, the same as the Python server's. */
export const DEFAULT_EVENTS_KEY = "slack_events";

const SECRET = "SLACK_SIGNING_SECRET";

/** The Slack side's settings. */
export interface SlackConfig {
  /** The Signing Secrets: one, or several during a rotation. Not enumerable, so that a printed config does not show them. */
  readonly signingSecret: readonly string[];
  /** The key that events are published under and consumed from. */
  readonly key: string;
  /** The events that are handled one at a time; `undefined` where `SLACK_ORDERING` is not set. */
  readonly ordering: "thread" | "channel" | "none" | undefined;
}

/**
 * Reads `SLACK_SIGNING_SECRET`, `SLACK_EVENTS_TOPIC` and `SLACK_ORDERING` (`thread`, `channel` or `none`).
 *
 * During a rotation `SLACK_SIGNING_SECRET` holds both secrets, separated by a comma; white space around them is ignored.
 * `SLACK_EVENTS_TOPIC` is the key, by default `slack_events`.
 *
 * @param env Variables, or a Worker's bindings: any object.
 * @returns The secrets, the key and the ordering.
 * @throws {ConfigError} Names every problem: a secret that is missing (with the place where Slack shows it), quoted, holds
 * white space, or is a token; a variable whose name is nearly one of these.
 *
 * @example
 * ```ts
 * import { readSlackConfig } from "@slack-mcp/queue/slack";
 *
 * const config = readSlackConfig({
 *   SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5,e6b19c573432dcc6b075501d51b51bb8",
 * });
 * if (config.signingSecret.length !== 2 || config.key !== "slack_events") throw new Error("not as promised");
 * ```
 */
export function readSlackConfig(env: object): SlackConfig {
  const reader = new EnvReader(env);
  const given = reader.required(SECRET, SIGNING_SECRET_PLACE);
  const secrets = given.split(",").map((secret) => secret.trim()).filter(Boolean);
  if (given !== "" && secrets.length === 0) reader.problem(`${SECRET} is blank: ${SIGNING_SECRET_PLACE}`);
  for (const secret of secrets) {
    // An operator's secret is Slack's, which has no white space anywhere.
    const problem = secretProblem(SECRET, /\s/.test(secret) ? `${secret} ` : secret);
    if (problem) reader.problem(problem);
  }
  const key = reader.string("SLACK_EVENTS_TOPIC")?.trim() || DEFAULT_EVENTS_KEY;
  const ordering = reader.oneOf("SLACK_ORDERING", ORDERINGS);
  reader.check();
  return Object.defineProperty({ key, ordering }, "signingSecret", { value: Object.freeze(secrets) }) as SlackConfig;
}
