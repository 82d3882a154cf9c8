/**
 * The options, and the environment variables that they are read from.
 *
 * @module
 */
import type { Env } from "@slack-mcp/queue";
import { type BackendOptions, EnvReader, readQueueFields } from "@slack-mcp/queue/driver";
import type { Platform } from "./platform.ts";

/** Options of the backend: its own, and those of the portable layer. */
export interface MyQueueOptions extends BackendOptions {
  /** Where the broker is, without user and password. */
  readonly url?: string | undefined;
  /** The broker's user. */
  readonly username?: string | undefined;
  /** The broker's password. No error shows it. */
  readonly password?: string | undefined;
  /** Whether to encrypt the connection. */
  readonly ssl?: boolean | undefined;
  /** A client to use in place of the process's own: for tests. */
  readonly client?: Platform | undefined;
}

/** Variables of `@slack-mcp/queue` that this backend has no use for, each with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  MY_QUEUE_MESSAGE_TTL: "messages have no time to live",
  MY_QUEUE_MAX_LENGTH: "the platform bounds its queues itself",
  MY_QUEUE_DURABLE: "messages live in the memory of this process",
};

/**
 * Reads the options.
 *
 * @throws {ConfigError} Every variable that is wrong or does not apply, in one error.
 */
export function readOptions(env: Env): MyQueueOptions {
  const reader = new EnvReader(env);
  const fields = readQueueFields(reader, "MY_QUEUE", ["memory:"]); // your broker's schemes
  for (const [name, reason] of Object.entries(REFUSED)) {
    if (reader.raw(name) !== undefined) reader.problem(`${name} does not apply: ${reason}`);
  }
  reader.check();
  const { url, username, password, ssl, timeoutMs, maxRetries, retryDelayMs } = fields;
  return { url, username, password, ssl, timeoutMs, maxRetries, retryDelayMs };
}

/** The options that are this backend's own. */
const OWN: ReadonlySet<string> = new Set(["url", "username", "password", "ssl", "client"]);

/** Leaves the portable layer's options. */
export function portableOptions(options: MyQueueOptions): BackendOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !OWN.has(name)));
}
