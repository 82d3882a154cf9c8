/**
 * The options, and the environment variables that they are read from.
 *
 * @module
 */
import type { Env } from "@slack-mcp/queue";
import { type BackendOptions, EnvReader, readQueueFields } from "@slack-mcp/queue/driver";

/** Options of the backend: its own, and those of the portable layer. */
export interface NatsOptions extends BackendOptions {
  /**
   * Where the server is, without user and password.
   *
   * @default "nats://127.0.0.1:4222"
   */
  readonly url?: string | undefined;
  /** The user. */
  readonly username?: string | undefined;
  /** The password. No error shows it. */
  readonly password?: string | undefined;
  /**
   * Whether to encrypt the connection.
   *
   * @default true for a `tls://` URL, false otherwise
   */
  readonly ssl?: boolean | undefined;
  /**
   * Whether new streams are kept in files; else in the memory of the server.
   *
   * @default true
   */
  readonly durable?: boolean | undefined;
  /** The most messages of a key that are not settled. Set on streams that this backend creates. */
  readonly maxLength?: number | undefined;
  /**
   * Milliseconds after which the server, a second later, delivers a message again that nobody has settled or renewed. A
   * lease that is longer is kept by the driver; one that is shorter ends after this time.
   *
   * @default 30_000
   */
  readonly ackWaitMs?: number | undefined;
}

/** The options that are this backend's own. */
const OWN: ReadonlySet<string> = new Set(["url", "username", "password", "ssl", "durable", "maxLength", "ackWaitMs"]);

/** Leaves the portable layer's options. */
export function portableOptions(options: NatsOptions): BackendOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !OWN.has(name)));
}

/**
 * Reads the options.
 *
 * @throws {ConfigError} Every variable that is wrong or does not apply, in one error.
 */
export function readOptions(env: Env): NatsOptions {
  const reader = new EnvReader(env);
  const { messageTtlMs: _refused, password, ...fields } = readQueueFields(reader, "NATS", ["nats:", "tls:"]);
  if (reader.raw("NATS_MESSAGE_TTL") !== undefined) {
    reader.problem("NATS_MESSAGE_TTL does not apply: messages live until they are settled");
  }
  const ackWaitMs = reader.seconds("NATS_ACK_WAIT", { min: 1 });
  reader.check();
  return { ...fields, password, ackWaitMs };
}
