/**
 * The protocol of looking into a queue: depth, dead letters, inspection, health and findings.
 *
 * @module
 */
import type { JsonObject } from "./util/json.ts";
import type { FailureCause } from "./incoming.ts";

/** The number of messages of a key in each state, for one group. */
export interface QueueDepth {
  /** Messages that a consumer would get now. */
  readonly ready: number;
  /** Messages that are leased and not settled. */
  readonly inFlight: number;
  /** Messages whose delay, of a publish or a retry, is not over. */
  readonly delayed: number;
  /** Messages that wait behind another one of their ordering key; 0 where `capabilities.orderingKeys` is false. */
  readonly blocked: number;
  /** Dead letters. */
  readonly dead: number;
}

/** A message that was given up, as it was published, with the cause. */
export interface DeadLetter {
  /** The id to name it by in `replay` and `purge`. */
  readonly id: string;
  /** The id of the message that died. */
  readonly messageId: string;
  /** The key it was published under. */
  readonly key: string;
  /** The group that gave it up. */
  readonly group: string;
  /** The payload; `undefined` where the message could not be read: see `body`. */
  readonly payload: JsonObject | undefined;
  /** The body as the broker has it: text, or base64 of bytes that are no UTF-8. */
  readonly body: string;
  /** `"base64"` where `body` is base64; absent where it is text. Replay puts the same bytes back. */
  readonly bodyEncoding?: "base64" | undefined;
  /** Text that travelled with the payload. */
  readonly headers: Readonly<Record<string, string>>;
  /** How often it was delivered. */
  readonly attempts: number;
  /** Why it died. */
  readonly cause: FailureCause;
  /** When it was published, where that is known. */
  readonly publishedAt: Date | undefined;
  /** When it died, where that is known. */
  readonly diedAt: Date | undefined;
}

/** A message that waits or is in flight, as a look into the queue finds it. */
export interface PeekedMessage {
  /** The message's id, as its delivery has it. */
  readonly id: string;
  /**
   * `"ready"`: a consumer would get it now. `"inFlight"`: it is leased. `"delayed"`: the delay of its publish or retry is
   * not over. `"blocked"`: it waits behind another one of its ordering key.
   */
  readonly state: "ready" | "inFlight" | "delayed" | "blocked";
  /** How often it was delivered to the group. */
  readonly attempts: number;
  /** The ordering key that it was published with, if any. */
  readonly orderingKey?: string | undefined;
  /** Text that travels with the payload. */
  readonly headers: Readonly<Record<string, string>>;
  /** When it was published, where that is known. */
  readonly publishedAt?: Date | undefined;
  /** The payload; `undefined` where the message cannot be read: see `body`. */
  readonly payload?: JsonObject | undefined;
  /** The body as the broker has it: text, or base64 of bytes that are no UTF-8. */
  readonly body: string;
  /** `"base64"` where `body` is base64; absent where it is text. */
  readonly bodyEncoding?: "base64" | undefined;
}

/** Options of a look into one group of a key. */
export interface InspectOptions {
  /**
   * The group.
   *
   * @default "slack-mcp"
   */
  readonly group?: string | undefined;
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Inspection.peek}. */
export interface PeekOptions extends InspectOptions {
  /**
   * The most messages.
   *
   * @default 10
   */
  readonly limit?: number | undefined;
}

/**
 * Looks into queues without taking part: nothing is leased, no attempt is counted, no group is created. A broker that
 * cannot tell one of these rejects it with a QueueError `"unsupported"`.
 */
export interface Inspection {
  /** Names the keys of the broker, in any order. */
  keys(options?: Pick<InspectOptions, "signal">): AsyncIterableIterator<string>;
  /** Names the groups of a key. */
  groups(key: string, options?: Pick<InspectOptions, "signal">): Promise<readonly string[]>;
  /**
   * Tells when the oldest message was published that a group has not settled.
   *
   * @returns `undefined` where there is none, or its time is not known.
   */
  oldest(key: string, options?: InspectOptions): Promise<Date | undefined>;
  /** Reads the oldest messages that a group has not settled, in their order. */
  peek(key: string, options?: PeekOptions): Promise<readonly PeekedMessage[]>;
}

/** Selects dead letters. */
export interface DeadLetterQuery {
  /**
   * The group that gave the messages up.
   *
   * @default "slack-mcp"
   */
  readonly group?: string | undefined;
  /**
   * Their ids.
   *
   * @default all of them
   */
  readonly ids?: readonly string[] | undefined;
  /**
   * The most letters.
   *
   * @default no limit
   */
  readonly limit?: number | undefined;
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined;
}

/** The dead letters of a backend. */
export interface DeadLetters {
  /** Lists dead letters, the oldest first. Reading one does not remove it. */
  list(key: string, query?: DeadLetterQuery): AsyncIterableIterator<DeadLetter>;
  /**
   * Puts dead letters back into the queue of the group that gave them up, whole, with their attempts at zero.
   *
   * @returns How many.
   */
  replay(key: string, query?: DeadLetterQuery): Promise<number>;
  /**
   * Removes dead letters for good.
   *
   * @returns How many.
   */
  purge(key: string, query?: DeadLetterQuery): Promise<number>;
}

/** Something about a broker, or about how it is used, that makes events get lost or late later on. */
export interface Finding {
  /** `"error"`: events cannot flow, or will be lost. `"warning"`: they may be late, doubled or lost. */
  readonly severity: "error" | "warning";
  /** The variable or the server's setting to change, such as `"REDIS_URL"` or `"maxmemory-policy"`. */
  readonly setting: string;
  /** The problem, as one sentence with the value that was found. It holds no secret and no payload. */
  readonly problem: string;
  /** The repair, as one sentence. */
  readonly repair: string;
}

/** Options of a look at one group of a key. */
export interface GroupOptions {
  /**
   * The group.
   *
   * @default "slack-mcp"
   */
  readonly group?: string | undefined;
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Tells whether the broker can be used now. */
export interface Health {
  /**
   * True where the broker replied and, as far as the backend can try, would accept a publish; also where it could not be
   * asked: see `asked`.
   */
  readonly ok: boolean;
  /**
   * False where the driver has no `ping`: nothing was asked of the broker, and `ok` says only that the backend is open.
   *
   * @default true
   */
  readonly asked?: boolean | undefined;
  /** Milliseconds until the reply. */
  readonly latencyMs: number;
  /** The reason, where `ok` is false. It holds no secret. */
  readonly error?: Error | undefined;
  /** One sentence for each setting that works but is not safe, such as a server that evicts keys. */
  readonly warnings?: readonly string[] | undefined;
}
