/**
 * Options of the RabbitMQ backend, and how the environment gives them.
 *
 * @module
 */
import {
  boolean,
  func,
  number,
  object,
  oneOf,
  positive,
  text,
  texts,
  type Validator,
  type Validators,
} from "../../core/util/validate.ts";
import { EnvReader, readQueueFields } from "../../core/config/env_reader.ts";
import { ConfigError } from "../../core/errors.ts";
import { BACKEND_CHECKS, type BackendOptions } from "../../core/backend_options.ts";
import { bytesOf } from "../../core/util/json.ts";
import type { AmqpConnection, RabbitMQAddress } from "./client.ts";

/** Options of `RabbitMQBackend`. */
export interface RabbitMQOptions extends BackendOptions {
  /** `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. Default: `hostname` and `port`. */
  readonly url?: string | undefined;
  /** The broker's host, where there is no `url`. Default: `127.0.0.1`. */
  readonly hostname?: string | undefined;
  /** The broker's port, where there is no `url`. Default: 5672, with TLS 5671. */
  readonly port?: number | undefined;
  /** The user, where the URL has none. Default: `guest`. */
  readonly username?: string | undefined;
  /** The password, where the URL has none. Default: `guest`. */
  readonly password?: string | undefined;
  /** The virtual host, where the URL has none. Default: `/`. */
  readonly vhost?: string | undefined;
  /** TLS, with the options of `tls.connect` such as `{ ca }`. Default: by the URL's scheme. */
  readonly tls?: boolean | Readonly<Record<string, unknown>> | undefined;
  /** Opens a connection of amqplib in place of a URL. The backend opens up to three by it, and closes them. */
  readonly connect?: (() => Promise<AmqpConnection>) | undefined;
  /** The topic exchange where publishers and queues meet. Default: `slack_events`. */
  readonly exchange?: string | undefined;
  /**
   * The names of queues, with `{exchange}`, `{key}` and `{group}` in it. Default: `{exchange}_{group}` for the key that is
   * named as the exchange, else `{exchange}_{key}_{group}`.
   */
  readonly queue?: string | undefined;
  /** `"quorum"`: replicated, with a count of deliveries. `"classic"`: neither. Default: `"quorum"`. */
  readonly queueType?: "quorum" | "classic" | undefined;
  /** `"passive"`: nothing is declared, everything must exist. Default: `"active"`. */
  readonly declare?: "active" | "passive" | undefined;
  /**
   * The groups whose queues a publisher declares, so that they miss nothing that was published before their first
   * consumer came. Default: the default group alone.
   */
  readonly groups?: readonly string[] | ((key: string) => readonly string[]) | undefined;
  /** Milliseconds, rounded up to seconds, after which a silent connection is given up, twice that at most. Default: 10,000. */
  readonly heartbeatMs?: number | undefined;
  /** Whether messages are written to disk on classic queues; quorum queues always do. Default: true. */
  readonly durable?: boolean | undefined;
}

/** The default exchange. */
export const DEFAULT_EXCHANGE = "slack_events";

/** Milliseconds after which a silent connection is given up, twice that at most. */
export const DEFAULT_HEARTBEAT_MS = 10_000;

/** Bytes of the longest name of an exchange: the names of those beside it must fit too. */
const MAX_EXCHANGE_BYTES = 100;

const tls: Validator = (value) => typeof value === "boolean" ? undefined : object(value) && ["a boolean or an object"];

const exchange: Validator = (value) =>
  text(value) ??
    (isExchange(value as string)
      ? undefined
      : [`a name of at most ${MAX_EXCHANGE_BYTES} bytes that does not start with "amq."`, true]);

const queue: Validator = (value) =>
  text(value) ??
    (unknownPlaceholder(value as string) === undefined
      ? undefined
      : ["a text with no other placeholders than {exchange}, {key} and {group}", true]);

const groups: Validator = (value) =>
  typeof value === "function" ? undefined : texts(value) && ["an array of non-empty strings, or a function"];

/** The checks of {@link RabbitMQOptions}. */
export const RABBITMQ_CHECKS: Validators<RabbitMQOptions> = {
  ...BACKEND_CHECKS,
  url: text,
  hostname: text,
  port: number("a port from 1 to 65535", (n) => Number.isInteger(n) && n >= 1 && n <= 65_535),
  username: text,
  password: text,
  vhost: text,
  tls,
  connect: func,
  exchange,
  queue,
  queueType: oneOf("quorum", "classic"),
  declare: oneOf("active", "passive"),
  groups,
  heartbeatMs: positive,
  durable: boolean,
};

const SCHEMES = ["amqp:", "amqps:"];

function isExchange(name: string): boolean {
  return bytesOf(name) <= MAX_EXCHANGE_BYTES && !name.startsWith("amq.");
}

function unknownPlaceholder(template: string): string | undefined {
  return template.match(/\{[^}]*\}?/g)?.find((found) => !["{exchange}", "{key}", "{group}"].includes(found));
}

/** The virtual host that a URL's path names; `undefined` where it names none, `false` where it cannot be read. */
function vhostOf({ pathname }: URL): string | undefined | false {
  try {
    return decodeURIComponent(pathname.replace(/^\//, "")) || undefined;
  } catch {
    return false; // a stray %
  }
}

/**
 * Where the options point.
 *
 * @throws {ConfigError} A URL that is not of RabbitMQ. It is not shown: it may hold a password.
 */
export function addressOf(options: RabbitMQOptions): RabbitMQAddress {
  const { url: given, hostname = "127.0.0.1", port, username, password, vhost } = options;
  const url = given === undefined ? undefined : URL.canParse(given) ? new URL(given) : null;
  if (url === null || url && (!SCHEMES.includes(url.protocol) || url.hostname === "")) {
    throw new ConfigError("url must be a URL that starts with amqp:// or amqps://", { backend: "rabbitmq" });
  }
  const named = url && vhostOf(url);
  if (named === false) {
    throw new ConfigError("url must end with a virtual host, percent-encoded", { backend: "rabbitmq" });
  }
  const secure = options.tls ?? url?.protocol === "amqps:";
  return {
    hostname: url ? url.hostname.replace(/^\[|\]$/g, "") : hostname,
    port: url?.port ? Number(url.port) : port ?? (secure === false ? 5_672 : 5_671),
    username: username ?? (url && decodeURIComponent(url.username) || "guest"),
    password: password ?? (url && decodeURIComponent(url.password) || "guest"),
    vhost: named ?? vhost ?? "/",
    tls: secure === false ? undefined : secure === true ? {} : secure,
  };
}

/**
 * Reads `RABBITMQ_…`.
 *
 * @throws {ConfigError} Anything wrong, all of it at once, never with a secret.
 */
export function optionsFromEnv(env: object): RabbitMQOptions {
  const reader = new EnvReader(env);
  const hostname = reader.string("RABBITMQ_HOST");
  if (hostname === undefined) {
    reader.required("RABBITMQ_URL", "set it to amqp://host:port/vhost, or amqps:// for TLS, or set RABBITMQ_HOST");
  }
  const config = readQueueFields(reader, "RABBITMQ", SCHEMES);
  if (config.url !== undefined) {
    const url = new URL(config.url);
    if (vhostOf(url) === false) {
      reader.problem("RABBITMQ_URL must have its virtual host percent-encoded, found a stray % in it");
    }
    if (url.protocol === "amqps:" && config.ssl === false) {
      reader.problem('RABBITMQ_SSL must not be false where RABBITMQ_URL starts with amqps://, found "false"');
    }
  }
  if (config.maxLength !== undefined) {
    reader.problem(
      "RABBITMQ_MAX_LENGTH is not supported: bound the queue by a policy with max-length and overflow reject-publish, " +
        `found "${config.maxLength}"`,
    );
  }
  const named = reader.string("RABBITMQ_EXCHANGE");
  if (named !== undefined && !isExchange(named)) {
    reader.problem(
      `RABBITMQ_EXCHANGE must be a name of at most ${MAX_EXCHANGE_BYTES} bytes that does not start with "amq.", found ` +
        JSON.stringify(named.slice(0, 40)),
    );
  }
  const template = reader.string("RABBITMQ_QUEUE");
  const unknown = template === undefined ? undefined : unknownPlaceholder(template);
  if (unknown !== undefined) {
    reader.problem(
      `RABBITMQ_QUEUE must have no other placeholders than {exchange}, {key} and {group}, found ${unknown}`,
    );
  }
  const port = reader.integer("RABBITMQ_PORT", { min: 1, max: 65_535 });
  const vhost = reader.string("RABBITMQ_VHOST");
  const queueType = reader.oneOf("RABBITMQ_QUEUE_TYPE", ["quorum", "classic"]);
  const declare = reader.oneOf("RABBITMQ_DECLARE", ["active", "passive"]);
  const heartbeatMs = reader.seconds("RABBITMQ_HEARTBEAT", { min: 1, max: 65_535 });
  const groups = reader.string("RABBITMQ_GROUPS")?.split(",").map((group) => group.trim()).filter((group) => group);
  reader.check();
  const { url, username, password, ssl, timeoutMs, maxRetries, retryDelayMs, messageTtlMs, durable } = config;
  return {
    url,
    hostname,
    port,
    username,
    password,
    vhost,
    tls: ssl,
    timeoutMs,
    maxRetries,
    retryDelayMs,
    messageTtlMs,
    durable,
    exchange: named,
    queue: template,
    queueType,
    declare,
    groups,
    heartbeatMs,
  };
}
