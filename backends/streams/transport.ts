/**
 * The connection as the streams engine needs it: it runs scripts, and waits until something may be new.
 *
 * @module
 */
import type { Finding } from "../../core/protocol.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { GroupKeys } from "./keys.ts";
import type { Script } from "./script.ts";

/** The state of a queue at the start of a wait. */
export interface WaitState {
  /** The queue that is waited for. */
  readonly keys: GroupKeys;
  /** The result of {@link StreamsTransport.version} before the queue was found empty. */
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
  /**
   * Runs a script without keys on one of the servers that share the keys, by its place among them. Absent where there is
   * one server.
   *
   * @returns `undefined` where there are fewer.
   */
  runOn?(place: number, script: Script, args: readonly string[], signal: AbortSignal): Promise<unknown>;
  /** Called before a queue is looked at, so that nothing that comes between the look and the wait is missed. */
  version?(keys: GroupKeys): unknown;
  /**
   * Whether it would be known if something had come since that version, and nothing has. Absent where a look costs no more
   * than a wait.
   */
  unchanged?(keys: GroupKeys, version: unknown): boolean;
  /** Resolves when something may be new, when `ms` milliseconds have passed, or when the signal aborts; may resolve early. */
  wait(news: WaitState, ms: number, signal: AbortSignal): Promise<void>;
  /**
   * Rejects where a publish to the key would be refused now. Adds nothing.
   *
   * @returns A sentence for each thing that works and is not as safe as it should be.
   */
  ping(key: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Looks for settings of the server that make events get lost. */
  diagnose?(signal: AbortSignal): Promise<readonly Finding[]>;
  /** Closes what it opened, and only that. */
  close(): Promise<void>;
  /** Names an error that it threw. */
  classify(error: unknown): ErrorCode;
  /** Milliseconds that the server asked to wait. */
  retryAfterMs?(error: unknown): number | undefined;
}

/** Codes of an error that a server answered, by the word that it begins with. */
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
  DENIED: "unauthorized",
  READONLY: "unavailable",
  REDIRECT: "unavailable",
  MOVED: "unavailable",
  ASK: "unavailable",
  WRONGTYPE: "invalid",
  CROSSSLOT: "invalid",
  NOSCRIPT: "internal",
};

/**
 * Codes of an error that has no word of its own, by its text: the first that matches. A limit that is not known passes
 * with time or with a larger plan, so it is never final.
 */
const TEXTS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/no permissions?|ACL failure|can't (run|access)|(invalid|without any) password|auth token|\bauth/i, "unauthorized"],
  [/(request|key|value|field|bulk|command) size|too (big|large)|maximum allowed size/i, "too-large"],
  [
    /capacity|record size|maxmemory|out of memory|(database|data|db|storage|disk|memory) (size|quota|limit)/i,
    "queue-full",
  ],
  [/cancell?ed|try again|temporar/i, "unavailable"],
  [/limit|quota|exceed|too many|max number of|throttl/i, "rate-limited"],
];

/**
 * Names an error that a server answered.
 *
 * @param message The error's text, as it came.
 * @returns Its code: by the word that it begins with, else by what it says, else `"invalid"`.
 */
export function classifyReply(message: string): ErrorCode {
  // An error within a script may come with a prefix and with where it happened.
  const text = message.replace(/^(ERR )?(Error running script[^:]*: )?(@?\S*:\d+: )*-?/, "");
  const word = /\b([A-Z]{3,})\b/.exec(text)?.[1];
  const code = word === undefined ? undefined : REPLIES[word];
  return code ?? TEXTS.find(([pattern]) => pattern.test(text))?.[1] ?? "invalid";
}
