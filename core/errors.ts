/**
 * The errors: one closed union of codes, a few classes to catch by.
 *
 * @module
 */

import type { PublishReceipt } from "./protocol.ts";

/** The kind of an error, for programs. */
export type ErrorCode =
  /** The broker cannot be reached, or the connection broke before any byte left. */
  | "connection"
  /** No reply in time, and nothing was sent. */
  | "timeout"
  /** The request left and no reply came: it may or may not have been carried out. */
  | "unknown-outcome"
  /** The broker is loading, overloaded, failing over, or a replica that takes no writes. */
  | "unavailable"
  /** The broker wants fewer requests. */
  | "rate-limited"
  /** `maxLength` is reached, or the broker is out of memory. */
  | "queue-full"
  /** The broker refuses the credentials, or they do not allow this. */
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
  /** A handler said that trying again cannot help. */
  | "permanent"
  /** None of the above. */
  | "internal";

const TRANSIENT: readonly ErrorCode[] = ["connection", "timeout", "unavailable", "rate-limited"];

/**
 * Tells whether trying again may succeed, by the code alone.
 *
 * @param code The code of an error.
 */
export function isTransient(code: ErrorCode): boolean {
  return TRANSIENT.includes(code);
}

/** Details of an error. */
export interface QueueErrorOptions {
  /** The backend's name. */
  readonly backend?: string | undefined;
  /** The key. */
  readonly key?: string | undefined;
  /** The message's id, where the error is about one message. */
  readonly id?: string | undefined;
  /** The error that caused this one, with secrets removed. */
  readonly cause?: unknown;
  /**
   * Whether the same call may succeed later.
   *
   * @default by the code: see `isTransient`
   */
  readonly retryable?: boolean | undefined;
  /** Milliseconds that the broker asked to wait before the next attempt, where it did. */
  readonly retryAfterMs?: number | undefined;
}

/** The base class of all errors of this package. */
export class QueueError extends Error {
  /** The name of the class. */
  override readonly name: string = "QueueError";
  // Fields that a constructor sets are only declared: each would cost a Worker's bundle a second mention.
  /** The kind of an error, for programs. */
  declare readonly code: ErrorCode;
  /** The backend's name, where known. */
  declare readonly backend: string | undefined;
  /** The key, where the error is about one. */
  declare readonly key: string | undefined;
  /**
   * The message's id, where the error is about one message. After `"unknown-outcome"`, publishing again with it is safe where
   * `capabilities.dedup` is true, for as long as the backend remembers the id; docs/errors.md says which and how long.
   */
  declare readonly id: string | undefined;
  /** Whether the same call may succeed later. */
  declare readonly retryable: boolean;
  /** Milliseconds that the broker asked to wait before the next attempt, where it did; `retry()` waits as long. */
  declare readonly retryAfterMs: number | undefined;

  /**
   * Creates an error.
   *
   * @param code The kind of the error.
   * @param message What failed, and why.
   * @param options Details, and the cause.
   */
  constructor(code: ErrorCode, message: string, options: QueueErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.backend = options.backend;
    this.key = options.key;
    this.id = options.id;
    this.retryable = options.retryable ?? TRANSIENT.includes(code);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Details of a {@link PublishError}. */
export interface PublishErrorOptions extends QueueErrorOptions {
  /** The outcome of each message, in order, where a batch was confirmed in part. */
  readonly outcomes?: readonly (PublishReceipt | PublishError)[] | undefined;
}

/** A publish that was not confirmed. */
export class PublishError extends QueueError {
  /** The name of the class. */
  override readonly name = "PublishError";
  /** The outcome of each message, in order, where a batch was confirmed in part. */
  declare readonly outcomes: readonly (PublishReceipt | PublishError)[] | undefined;

  /**
   * Creates an error about one message or a batch.
   *
   * @param code The kind of the error.
   * @param message What failed, and why.
   * @param options Details, the cause, and the outcome of each message.
   */
  constructor(code: ErrorCode, message: string, options: PublishErrorOptions = {}) {
    super(code, message, options);
    this.outcomes = options.outcomes;
  }
}

/** A receive, a settlement or an inspection of the queue that failed. */
export class ConsumeError extends QueueError {
  /** The name of the class. */
  override readonly name = "ConsumeError";
}

/** The broker cannot be reached. */
export class ConnectionError extends QueueError {
  /** The name of the class. */
  override readonly name = "ConnectionError";

  /** Creates an error with code `"connection"`. */
  constructor(message: string, options: QueueErrorOptions = {}) {
    super("connection", message, options);
  }
}

/** A wrong configuration; the message lists every problem. */
export class ConfigError extends QueueError {
  /** The name of the class. */
  override readonly name = "ConfigError";
  /** One sentence per problem: the variable, what was found, what is allowed. */
  declare readonly problems: readonly string[];

  /**
   * Creates an error with code `"config"`.
   *
   * @param problems One sentence per problem.
   * @param options Details, and the cause.
   */
  constructor(problems: string | readonly string[], options: QueueErrorOptions = {}) {
    const list = typeof problems === "string" ? [problems] : problems;
    super("config", list.length === 1 ? list[0]! : `${list.length} problems:\n  ${list.join("\n  ")}`, options);
    this.problems = list;
  }
}

/** Thrown by a handler to move the message to the dead letters at once, without another attempt. */
export class PermanentError extends QueueError {
  /** The name of the class. */
  override readonly name = "PermanentError";

  /** Creates an error with code `"permanent"`. */
  constructor(message: string, options: QueueErrorOptions = {}) {
    super("permanent", message, options);
  }
}
