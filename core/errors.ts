/**
 * The errors: one closed union of codes, a few classes to catch by.
 *
 * @module
 */

import type { PublishReceipt } from "./protocol.ts";

/** What went wrong, for programs. */
export type ErrorCode =
  /** The broker cannot be reached, or the connection broke before the bytes left. */
  | "connection"
  /** No answer in time, and nothing was sent. */
  | "timeout"
  /** The request left and no answer came: it may or may not have happened. */
  | "unknown-outcome"
  /** The broker is loading, overloaded, failing over, or a replica that takes no writes. */
  | "unavailable"
  /** The broker asks for fewer requests. */
  | "rate-limited"
  /** `maxLength` is reached, or the broker is out of memory. */
  | "queue-full"
  /** The broker does not take the credentials, or they do not allow this. */
  | "unauthorized"
  /** The queue, or what it needs, does not exist. */
  | "not-found"
  /** The broker refuses the request as wrong: a key of another type, an option that it does not know. */
  | "invalid"
  /** The message is over a limit of the broker. */
  | "too-large"
  /** A message that cannot be read. */
  | "malformed"
  /** The backend does not offer this; `capabilities` says so. */
  | "unsupported"
  /** The backend is closed. */
  | "closed"
  /** The configuration is wrong. */
  | "config"
  /** A handler said that trying again is of no use. */
  | "permanent"
  /** None of the above. */
  | "internal";

const TRANSIENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "connection",
  "timeout",
  "unavailable",
  "rate-limited",
]);

/** Whether trying the same again may succeed, by the code alone. */
export function isTransient(code: ErrorCode): boolean {
  return TRANSIENT.has(code);
}

/** What an error is about. */
export interface QueueErrorOptions {
  /** The backend's name. */
  readonly backend?: string | undefined;
  /** The key. */
  readonly key?: string | undefined;
  /** The message's id, where one message is meant. */
  readonly id?: string | undefined;
  /** The error beneath, with secrets taken out. */
  readonly cause?: unknown;
  /** Default: by the code. */
  readonly retryable?: boolean | undefined;
  /** Milliseconds that the broker asked to wait before the next try, where it did. */
  readonly retryAfterMs?: number | undefined;
}

/** The base of all errors of this module. */
export class QueueError extends Error {
  /** The name of the class. */
  override readonly name: string = "QueueError";
  // Fields that a constructor sets are only declared: each would cost a Worker's bundle a second mention.
  /** What went wrong, for programs. */
  declare readonly code: ErrorCode;
  /** The backend's name, where known. */
  declare readonly backend: string | undefined;
  /** The key, where one is meant. */
  declare readonly key: string | undefined;
  /**
   * The message's id, where one message is meant. After `"unknown-outcome"`, publishing again with it is safe where
   * `capabilities.dedup` is true, for as long as the backend remembers the id; docs/errors.md says which and how long.
   */
  declare readonly id: string | undefined;
  /** Whether the same call may succeed later. */
  declare readonly retryable: boolean;
  /** Milliseconds that the broker asked to wait before the next try, where it did; `retry()` heeds it. */
  declare readonly retryAfterMs: number | undefined;

  /** An error with its code, what happened, and what it is about. */
  constructor(code: ErrorCode, message: string, options: QueueErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.backend = options.backend;
    this.key = options.key;
    this.id = options.id;
    this.retryable = options.retryable ?? isTransient(code);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** What a {@link PublishError} is about. */
export interface PublishErrorOptions extends QueueErrorOptions {
  /** Of a batch that was confirmed in part: what became of each message, in their order. */
  readonly outcomes?: readonly (PublishReceipt | PublishError)[] | undefined;
}

/** A publish that was not confirmed. */
export class PublishError extends QueueError {
  /** The name of the class. */
  override readonly name = "PublishError";
  /** Of a batch that was confirmed in part: what became of each message, in their order. */
  declare readonly outcomes: readonly (PublishReceipt | PublishError)[] | undefined;

  /** An error of one message, or of a batch. */
  constructor(code: ErrorCode, message: string, options: PublishErrorOptions = {}) {
    super(code, message, options);
    this.outcomes = options.outcomes;
  }
}

/** A receive, a settlement or a look into the queue that failed. */
export class ConsumeError extends QueueError {
  /** The name of the class. */
  override readonly name = "ConsumeError";
}

/** The broker cannot be reached. */
export class ConnectionError extends QueueError {
  /** The name of the class. */
  override readonly name = "ConnectionError";

  /** A `"connection"` error. */
  constructor(message: string, options: QueueErrorOptions = {}) {
    super("connection", message, options);
  }
}

/** The configuration is wrong; the message names every problem. */
export class ConfigError extends QueueError {
  /** The name of the class. */
  override readonly name = "ConfigError";
  /** One sentence per problem: the variable, what was found, what is allowed. */
  declare readonly problems: readonly string[];

  /** A `"config"` error of one problem or several. */
  constructor(problems: string | readonly string[], options: QueueErrorOptions = {}) {
    const list = typeof problems === "string" ? [problems] : problems;
    super("config", list.length === 1 ? list[0]! : `${list.length} problems:\n  ${list.join("\n  ")}`, options);
    this.problems = list;
  }
}

/** Thrown by a handler: do not try again, to the dead letters at once. */
export class PermanentError extends QueueError {
  /** The name of the class. */
  override readonly name = "PermanentError";

  /** A `"permanent"` error. */
  constructor(message: string, options: QueueErrorOptions = {}) {
    super("permanent", message, options);
  }
}
