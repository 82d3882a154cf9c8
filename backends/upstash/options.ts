/**
 * The options of the Upstash backend, read from code and from the environment.
 *
 * @module
 */
import { func, text, type Validator, type Validators } from "../../core/util/validate.ts";
import { EnvReader, readQueueFields } from "../../core/config/env_reader.ts";
import { BACKEND_CHECKS, type BackendOptions } from "../../core/backend_options.ts";
import { STREAMS_CHECKS, type StreamsOptions } from "../streams/options.ts";
import type { UpstashClient } from "./client.ts";

/** Options of `UpstashBackend`. */
export interface UpstashOptions extends BackendOptions, StreamsOptions {
  /** The database's REST URL, `https://….upstash.io`. Needed unless there is a `client`. */
  readonly url?: string | undefined;
  /** The database's REST token. Needed unless there is a `client`. */
  readonly token?: string | undefined;
  /**
   * A client of `@upstash/redis` to send commands with. The caller owns it. With URL and token beside it a consumer is woken by a
   * subscription; without them it polls.
   */
  readonly client?: UpstashClient | undefined;
  /** Default: the platform's `fetch`. */
  readonly fetch?: typeof fetch | undefined;
}

const client: Validator = (value) =>
  func((value as Partial<UpstashClient> | null)?.eval) && ["a client of @upstash/redis"];

/** The checks of {@link UpstashOptions}. */
export const UPSTASH_CHECKS: Validators<UpstashOptions> = {
  ...BACKEND_CHECKS,
  ...STREAMS_CHECKS,
  url: text,
  token: text,
  client,
  fetch: func,
};

/** The schemes of a REST URL. */
export const SCHEMES: readonly string[] = ["https:", "http:"];

/** Notes a URL with credentials: `fetch` refuses it, and shows it. */
export function checkUrl(reader: EnvReader, name: string, url: URL | undefined): void {
  if (!url?.username && !url?.password) return;
  reader.problem(`${name} must have no user and password, found one: the token is given by itself`);
}

/**
 * Reads `UPSTASH_…`.
 *
 * @throws {ConfigError} Whatever is missing or wrong, all of it at once, never with a secret.
 */
export function optionsFromEnv(env: object): UpstashOptions {
  const reader = new EnvReader(env);
  const where = "it is on the database's page in the Upstash console, under REST API";
  reader.required("UPSTASH_REDIS_REST_URL", where);
  const url = reader.url("UPSTASH_REDIS_REST_URL", SCHEMES);
  checkUrl(reader, "UPSTASH_REDIS_REST_URL", url);
  const token = reader.required("UPSTASH_REDIS_REST_TOKEN", where);
  const { timeoutMs, maxRetries, retryDelayMs, messageTtlMs, maxLength } = readQueueFields(reader, "UPSTASH");
  const overflow = reader.oneOf("UPSTASH_OVERFLOW", ["reject", "drop-oldest"]);
  const dedupWindowMs = reader.seconds("UPSTASH_DEDUP_WINDOW", { min: 1 });
  const keepSettled = reader.integer("UPSTASH_KEEP_SETTLED", { min: 0 });
  const healthKey = reader.string("SLACK_EVENTS_TOPIC");
  reader.check("upstash");
  return {
    url: url?.href,
    token: token.trim(),
    timeoutMs,
    maxRetries,
    retryDelayMs,
    messageTtlMs,
    maxLength,
    overflow,
    dedupWindowMs,
    keepSettled,
    healthKey,
  };
}
