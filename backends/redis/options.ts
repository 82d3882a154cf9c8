/**
 * The options of the Redis backend, read from code and from the environment.
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
import { BACKEND_CHECKS, type BackendOptions } from "../../core/backend_options.ts";
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
  /** A client in place of a URL: Sentinel, Cluster, a proxy. The caller closes it. */
  readonly client?: RedisClient | undefined;
  /**
   * The connections that are kept: one sends, the others wait. Two are used. On a cluster each key that is waited for has
   * one of its own; beyond this number, those of keys that nobody waits for are closed.
   *
   * @default 10
   */
  readonly maxConnections?: number | undefined;
  /**
   * Whether a publish is confirmed only when it is out of the server's hands, where the server keeps an append-only file
   * that it syncs once a second: a second round trip there, and none elsewhere. Default: true.
   */
  readonly durable?: boolean | undefined;
  /**
   * The number of replicas that must have a publish before it is confirmed, so that none of them can take the server's
   * place without it: a second round trip. Where fewer have it in time, the publish rejects with `"unknown-outcome"`. Not on a cluster.
   * Default: 0.
   */
  readonly replicas?: number | undefined;
}

const tls: Validator = (value) => typeof value === "boolean" ? undefined : object(value) && ["a boolean or an object"];

const client: Validator = (value) =>
  func((value as Partial<RedisClient> | null)?.call) &&
  ["an ioredis client, such as a Redis or a Cluster"];

const maxConnections: Validator = (value) =>
  count(value) ?? (value as number < 2 ? ["at least 2: one to send, one to wait", true] : undefined);

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

/** Returns the database in a URL's path, or `undefined` where the URL names none that could be one. */
function databaseOf({ pathname, searchParams }: URL): number | undefined {
  const name = pathname.replace(/^\//, "");
  return /^\d{0,9}$/.test(name) && !searchParams.has("db") ? Number(name) : undefined;
}

/** Notes a URL whose database cannot be told. The path is not shown: it may be part of a password. */
function checkDatabase(reader: EnvReader, name: string, url: URL): void {
  if (databaseOf(url) !== undefined) return;
  const found = url.searchParams.has("db") ? "a query with db" : "a path that is not a number";
  reader.problem(`${name} must end with the number of a database, such as /0, found ${found}`);
}

/**
 * Reads the address out of the options.
 *
 * @throws {ConfigError} A URL that is not of Redis. It is not shown: it may hold a password.
 */
export function addressOf(options: RedisOptions): RedisAddress {
  const reader = new EnvReader({ url: options.url ?? "redis://127.0.0.1:6379" });
  const url = reader.url("url", SCHEMES);
  const found = url && reader.credentials("url", url);
  if (url) checkDatabase(reader, "url", url);
  reader.check("redis");
  const { hostname, port, protocol } = url!;
  const secure = options.tls ?? protocol === "rediss:";
  return {
    host: hostname.replace(/^\[|\]$/g, "") || "127.0.0.1",
    port: port === "" ? 6379 : Number(port),
    db: databaseOf(url!)!,
    username: options.username ?? found?.username,
    password: options.password ?? found?.password,
    tls: secure === false ? undefined : secure === true ? {} : secure,
  };
}

/**
 * Reads `REDIS_…`.
 *
 * @throws {ConfigError} Whatever is wrong, all of it at once, never with a secret.
 */
export function optionsFromEnv(env: object): RedisOptions {
  const reader = new EnvReader(env);
  reader.required("REDIS_URL", "set it to redis://host:port/database, or rediss:// for TLS");
  const config = readQueueFields(reader, "REDIS", SCHEMES);
  if (config.url !== undefined) {
    const url = new URL(config.url);
    checkDatabase(reader, "REDIS_URL", url);
    if (url.protocol === "rediss:" && config.ssl === false) {
      reader.problem('REDIS_SSL must not be false where REDIS_URL starts with rediss://, found "false"');
    }
  }
  const { username, password, ssl, timeoutMs, maxRetries, retryDelayMs, messageTtlMs, maxLength, durable } = config;
  // The Python plugin's name for how many entries stay in a stream. Unlike there, nothing that waits is dropped for it.
  const pythonLength = reader.integer("REDIS_STREAM_MAXLEN", { min: 1 });
  const keepSettled = reader.integer("REDIS_KEEP_SETTLED", { min: 0 });
  const overflow = reader.oneOf("REDIS_OVERFLOW", ["reject", "drop-oldest"]);
  const maxConnections = reader.integer("REDIS_MAX_CONNECTIONS", { min: 2 });
  const dedupWindowMs = reader.seconds("REDIS_DEDUP_WINDOW", { min: 1 });
  const replicas = reader.integer("REDIS_REPLICAS", { min: 0 });
  const healthKey = reader.string("SLACK_EVENTS_TOPIC");
  reader.check("redis");
  return {
    url: config.url,
    username,
    password,
    tls: ssl,
    timeoutMs,
    maxRetries,
    retryDelayMs,
    messageTtlMs,
    maxLength,
    keepSettled: keepSettled ?? pythonLength,
    durable,
    replicas,
    overflow,
    maxConnections,
    dedupWindowMs,
    healthKey,
  };
}
