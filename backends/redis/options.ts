/**
 * Options of the Redis backend, and how the environment gives them.
 *
 * @module
 */
import {
  boolean,
  count,
  func,
  object,
  text,
  type Validator,
  type Validators,
  wholeNumber,
} from "../../core/util/validate.ts";
import { EnvReader, readQueueFields } from "../../core/config/env_reader.ts";
import { ConfigError } from "../../core/errors.ts";
import { BACKEND_CHECKS, type BackendOptions } from "../../core/context.ts";
import { STREAMS_CHECKS, type StreamsOptions } from "../streams/options.ts";
import type { RedisAddress, RedisClient } from "./client.ts";

/** Options of `RedisBackend`. */
export interface RedisOptions extends BackendOptions, StreamsOptions {
  /** `redis://user:password@host:port/database`, or `rediss://` for TLS. Default: `redis://127.0.0.1:6379/0`. */
  readonly url?: string | undefined;
  /** The user, where the URL has none. Default: the server's default user. */
  readonly username?: string | undefined;
  /** The password, where the URL has none. */
  readonly password?: string | undefined;
  /** TLS, with the options of `tls.connect` such as `{ ca }`. Default: by the URL's scheme. */
  readonly tls?: boolean | Readonly<Record<string, unknown>> | undefined;
  /** A client in place of a URL: Sentinel, Cluster, a proxy. Whoever opens it closes it. */
  readonly client?: RedisClient | undefined;
  /** The most connections: one sends, the others wait. More than two are used on a cluster only. Default: 10. */
  readonly maxConnections?: number | undefined;
  /**
   * Whether a publish is confirmed only when it is out of the server's hands, where the server keeps an append-only file
   * that it syncs once a second: a second round trip there, and none elsewhere. Default: true.
   */
  readonly durable?: boolean | undefined;
  /**
   * How many replicas must have a publish before it is confirmed, so that none of them can take the server's place without
   * it: a second round trip. Where fewer have it in time, the publish rejects with `"unknown-outcome"`. Not on a cluster.
   * Default: 0.
   */
  readonly replicas?: number | undefined;
}

const tls: Validator = (value) =>
  typeof value === "boolean" ? undefined : object(value) && { allowed: "a boolean or an object" };

const client: Validator = (value) =>
  func((value as Partial<RedisClient> | null)?.call) &&
  { allowed: "an ioredis client, such as a Redis or a Cluster" };

const maxConnections: Validator = (value) =>
  count(value) ?? (value as number < 2 ? { allowed: "at least 2: one to send, one to wait", range: true } : undefined);

/** The checks of {@link RedisOptions}. */
export const REDIS_CHECKS: Validators<RedisOptions> = {
  ...BACKEND_CHECKS,
  ...STREAMS_CHECKS,
  url: text,
  username: text,
  password: text,
  tls,
  client,
  maxConnections,
  durable: boolean,
  replicas: wholeNumber,
};

const SCHEMES = ["redis:", "rediss:"];

/** The database in a URL's path; `undefined` where it is none. */
function databaseOf({ pathname }: URL): number | undefined {
  const name = pathname.replace(/^\//, "");
  return /^\d{0,9}$/.test(name) ? Number(name) : undefined;
}

/**
 * Where the options point.
 *
 * @throws {ConfigError} A URL that is not of Redis. It is not shown: it may hold a password.
 */
export function addressOf(options: RedisOptions): RedisAddress {
  const text = options.url ?? "redis://127.0.0.1:6379";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !SCHEMES.includes(url.protocol)) {
    throw new ConfigError("url must be a URL that starts with redis:// or rediss://", { backend: "redis" });
  }
  const db = databaseOf(url);
  if (db === undefined) {
    throw new ConfigError("url must end with the number of a database, such as /0", { backend: "redis" });
  }
  const secure = options.tls ?? url.protocol === "rediss:";
  return {
    host: url.hostname.replace(/^\[|\]$/g, "") || "127.0.0.1",
    port: url.port === "" ? 6379 : Number(url.port),
    db,
    username: options.username ?? (decodeURIComponent(url.username) || undefined),
    password: options.password ?? (decodeURIComponent(url.password) || undefined),
    tls: secure === false ? undefined : secure === true ? {} : secure,
  };
}

/**
 * Reads `REDIS_…`.
 *
 * @throws {ConfigError} Anything wrong, all of it at once, never with a secret.
 */
export function optionsFromEnv(env: object): RedisOptions {
  const reader = new EnvReader(env);
  reader.required("REDIS_URL", "set it to redis://host:port/database, or rediss:// for TLS");
  const config = readQueueFields(reader, "REDIS", SCHEMES);
  if (config.url !== undefined) {
    const url = new URL(config.url);
    if (databaseOf(url) === undefined) {
      reader.problem(`REDIS_URL must end with the number of a database, found ${JSON.stringify(url.pathname)}`);
    }
    if (url.protocol === "rediss:" && config.ssl === false) {
      reader.problem('REDIS_SSL must not be false where REDIS_URL starts with rediss://, found "false"');
    }
  }
  const { username, password, ssl, timeoutMs, maxRetries, retryDelayMs, messageTtlMs, maxLength, durable } = config;
  const pythonLength = reader.integer("REDIS_STREAM_MAXLEN", { min: 1 });
  const overflow = reader.oneOf("REDIS_OVERFLOW", ["reject", "drop-oldest"]);
  const maxConnections = reader.integer("REDIS_MAX_CONNECTIONS", { min: 2 });
  const dedupWindowMs = reader.seconds("REDIS_DEDUP_WINDOW", { min: 1 });
  const replicas = reader.integer("REDIS_REPLICAS", { min: 0 });
  reader.check();
  return {
    url: config.url,
    username,
    password,
    tls: ssl,
    timeoutMs,
    maxRetries,
    retryDelayMs,
    messageTtlMs,
    maxLength: maxLength ?? pythonLength,
    durable,
    replicas,
    overflow,
    maxConnections,
    dedupWindowMs,
  };
}
