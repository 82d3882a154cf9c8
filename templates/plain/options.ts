/**
 * The options, and the environment variables that they are read from.
 *
 * @module
 */
import type { Env } from "@slack-mcp/queue";
import { EnvReader, readQueueFields } from "@slack-mcp/queue/driver";
import type { Lists } from "./backend.ts";

/** Options of the backend. */
export interface MyQueueOptions {
  /** Where the broker is, without user and password. */
  readonly url?: string | undefined;
  /** The broker's user. */
  readonly username?: string | undefined;
  /** The broker's password. */
  readonly password?: string | undefined;
  /** Whether to encrypt the connection. */
  readonly ssl?: boolean | undefined;
  /** Milliseconds to wait for the broker. */
  readonly timeoutMs?: number | undefined;
  /** Lists to use in place of the process's own: for tests. */
  readonly lists?: Lists | undefined;
}

/** Variables of `@slack-mcp/queue` that this backend has no use for, each with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  MY_QUEUE_MAX_RETRIES: "nothing is tried again",
  MY_QUEUE_RETRY_DELAY: "nothing is tried again",
  MY_QUEUE_MESSAGE_TTL: "messages have no time to live",
  MY_QUEUE_MAX_LENGTH: "the queue has no bound",
  MY_QUEUE_DURABLE: "messages live in the memory of this process",
};

/**
 * Reads the options.
 *
 * @throws {ConfigError} Every variable that is wrong or does not apply, in one error.
 */
export function readOptions(env: Env): MyQueueOptions {
  const reader = new EnvReader(env);
  const { url, username, password, ssl, timeoutMs } = readQueueFields(reader, "MY_QUEUE", ["memory:"]);
  for (const [name, reason] of Object.entries(REFUSED)) {
    if (reader.raw(name) !== undefined) reader.problem(`${name} does not apply: ${reason}`);
  }
  reader.check();
  return { url, username, password, ssl, timeoutMs };
}
