/**
 * What the streams engine needs of a connection: to run a script, and to wait until something may be new.
 *
 * @module
 */
import type { ErrorCode } from "../../core/errors.ts";
import type { GroupKeys } from "./keys.ts";
import type { Script } from "./script.ts";

/** What is known of a queue where a wait begins. */
export interface WaitState {
  /** The queue that is waited for. */
  readonly keys: GroupKeys;
  /** What {@link StreamsTransport.version} answered before the queue was found empty. */
  readonly version: unknown;
  /** The last entry of the stream when it was found empty. */
  readonly streamId: string;
  /** The last entry of the wake stream at that time. */
  readonly wakeId: string;
}

/** A way to a server. It names errors and never retries. */
export interface StreamsTransport {
  /** See `QueueDriver.connect`. */
  connect?(signal: AbortSignal): Promise<void> | undefined;
  /** Texts that must never be seen. */
  readonly secrets: readonly string[];
  /**
   * Runs a script in one round trip. Rejects where it is certain, or possible, that it did not run: see `classify`. What has
   * not left when the signal aborts must not leave; an answer that is on its way is waited for, within the transport's bounds.
   */
  run(script: Script, keys: readonly string[], args: readonly string[], signal: AbortSignal): Promise<unknown>;
  /** Called before a queue is looked at, so that nothing that comes between the look and the wait is missed. */
  version?(keys: GroupKeys): unknown;
  /** Resolves when something may be new, when `ms` milliseconds have passed, or when the signal aborts; may resolve early. */
  wait(news: WaitState, ms: number, signal: AbortSignal): Promise<void>;
  /** Resolves where the server answers. */
  ping(signal: AbortSignal): Promise<void>;
  /** Closes what it opened, and only that. */
  close(): Promise<void>;
  /** Names an error that it threw. */
  classify(error: unknown): ErrorCode;
  /** Milliseconds that the server asked to wait. */
  retryAfterMs?(error: unknown): number | undefined;
}

/** Codes of an error that the server answered, by its first word. */
const REPLIES: Readonly<Record<string, ErrorCode>> = {
  NOAUTH: "unauthorized",
  WRONGPASS: "unauthorized",
  NOPERM: "unauthorized",
  OOM: "queue-full",
  LOADING: "unavailable",
  BUSY: "unavailable",
  TRYAGAIN: "unavailable",
  CLUSTERDOWN: "unavailable",
  MASTERDOWN: "unavailable",
  NOREPLICAS: "unavailable",
  MISCONF: "unavailable",
  UNBLOCKED: "unavailable",
  READONLY: "invalid",
  WRONGTYPE: "invalid",
  CROSSSLOT: "invalid",
  NOSCRIPT: "internal",
};

/** Names an error that the server answered, by its text. */
export function classifyReply(message: string): ErrorCode {
  // An error within a script may come with a prefix and with where it happened.
  const word = /\b([A-Z]{3,})\b/.exec(message.replace(/^(ERR )?(Error running script[^:]*: )?(@?\S*:\d+: )*-?/, ""))
    ?.[1];
  const code = word === undefined ? undefined : REPLIES[word];
  if (code !== undefined) return code;
  if (/invalid password|without any password|AUTH|can't (run|access)/i.test(message)) return "unauthorized";
  if (/max number of clients|max requests|rate limit|too many/i.test(message)) return "rate-limited";
  if (/maxmemory|max.*(database|data) size/i.test(message)) return "queue-full";
  if (/max request size|too large|exceeds/i.test(message)) return "too-large";
  return "invalid";
}
