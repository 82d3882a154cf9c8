/**
 * The driver contract: see {@link QueueDriver}.
 *
 * @module
 */
import type {
  Capabilities,
  DeadLetter,
  FailureCause,
  Finding,
  JsonObject,
  PeekedMessage,
  QueueDepth,
} from "./protocol.ts";
import type { ErrorCode } from "./errors.ts";

/** One validated message to send. */
export interface DriverMessage {
  /** Always set: the publisher's id, or a new one. The driver must deduplicate by it where `capabilities.dedup` is true. */
  readonly id: string;
  /**
   * True where the publisher chose the id: the driver must remember it for its documented window. Any other id is a UUID,
   * the same for all messages of one backend object, a dash, and a count in base 36. Such an id is sent a second time when
   * its whole batch is sent again, moments later, because the reply was lost: the first one among a batch's messages
   * identifies the batch. It comes back as a chosen id where a publisher repeats a message whose outcome is unknown.
   */
  readonly explicitId: boolean;
  /** The payload as JSON text; may be empty for a driver that is `structured`. */
  readonly body: string;
  /** The payload: a validated copy. Must not be changed. */
  readonly payload: JsonObject;
  /** The ordering key, if any. A driver without `capabilities.orderingKeys` never gets one. */
  readonly orderingKey: string | undefined;
  /** Milliseconds of delay, whole or not; 0: none. It must not be shortened. */
  readonly delayMs: number;
  /** Milliseconds to live; `undefined`: until it is settled. */
  readonly ttlMs: number | undefined;
  /** The headers, if any. */
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/**
 * The outcome of one message of a send. An `error` means that this message is certainly not in the queue, unless its code
 * is `"unknown-outcome"`. `id` is the broker's own id, where consumers see that in place of an id that the publisher did
 * not choose.
 */
export type SendResult =
  | { readonly outcome: "added" | "duplicate"; readonly id?: string }
  | { readonly error: unknown };

/** Options of one receive. */
export interface DriverReceiveOptions {
  /** The group. The driver creates it when it is new, at the oldest message still kept. */
  readonly group: string;
  /** The most deliveries. */
  readonly max: number;
  /** Milliseconds of lease. */
  readonly leaseMs: number;
  /** Milliseconds to wait for the first message; 0: return at once. The driver must return early when a message comes, and may return early without one. */
  readonly waitMs: number;
  /**
   * The most messages of one ordering key that this call may lease together, in their order, as one turn: while one of
   * them is leased no other call gets any of that key. Default: 1. A driver may always lease fewer.
   */
  readonly maxPerOrderingKey?: number | undefined;
  /** The driver must stop waiting when it aborts, and must not lease anything afterwards. */
  readonly signal: AbortSignal;
  /** The same object in every call of one consumer, which `unsubscribe` is given at its end. Default: `signal`. */
  readonly consumer?: AbortSignal | undefined;
}

/** One leased message as it came from the broker. */
export interface RawDelivery {
  /** The message's id. */
  readonly id: string;
  /** Identifies this lease, and no other, in `settle` and `extend`. Opaque to the portable layer. */
  readonly lease: unknown;
  /**
   * The body as text, which the portable layer parses. A structured driver returns the payload instead: a copy that
   * nothing else refers to. `undefined`: the entry is not a message, and goes to the dead letters.
   */
  readonly body: string | JsonObject | undefined;
  /** The broker's count of deliveries: 1 at the first. */
  readonly attempts: number;
  /** The ordering key that the message was sent with; undefined where there was none. */
  readonly orderingKey?: string | undefined;
  /** Milliseconds that it waited behind others of its ordering key, at its first delivery; `undefined`: behind none. */
  readonly blockedMs?: number | undefined;
  /** Undefined where there are none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Epoch milliseconds, where known. */
  readonly publishedAt?: number | undefined;
}

/** One settlement. */
export type Settlement =
  & { readonly lease: unknown }
  & (
    /** The message is done. */
    | { readonly kind: "ack" }
    /** The message comes again after `delayMs`; the attempt counts. */
    | { readonly kind: "retry"; readonly delayMs: number; readonly cause: FailureCause | undefined }
    /** The message comes again at once; the attempt does not count. */
    | { readonly kind: "release" }
    /** The message moves to the dead letters, whole. */
    | { readonly kind: "dead"; readonly cause: FailureCause }
  );

/**
 * The result of one settlement. `true`: it was done. `false`: this consumer no longer held the lease, and nothing was
 * changed. An `error`: the broker refused this one, and nothing was changed.
 */
export type SettleResult = boolean | { readonly error: unknown };

/** Selects dead letters of a driver. */
export interface DriverDeadLetterQuery {
  /** The group that gave them up. */
  readonly group: string;
  /** Their ids; `undefined`: all of them. */
  readonly ids: readonly string[] | undefined;
  /** The most dead letters of this call; `Infinity`: no limit. Over several pages the portable layer counts. */
  readonly limit: number;
}

/** The dead letters of a driver. It may leave `payload` undefined: the portable layer parses `body`. */
export interface DriverDeadLetters {
  /** Lists one page, the oldest first. `cursor` is `undefined` for the first page, and in the result of the last. */
  list(
    key: string,
    query: DriverDeadLetterQuery,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly letters: readonly DeadLetter[]; readonly cursor: string | undefined }>;
  /** Puts letters back into the queue of the group that gave them up. Absent where the broker cannot. */
  replay?(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number>;
  /** Removes letters. */
  purge(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number>;
}

/**
 * Looks into queues. It must lease nothing and change nothing: no attempt, no order, no lease, no group that was not
 * there. A member that is absent says that the broker cannot tell.
 */
export interface DriverInspection {
  /** Names the keys that have messages, or had: one page in any order. `cursor` is as in {@link DriverDeadLetters.list}. */
  keys?(
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly keys: readonly string[]; readonly cursor: string | undefined }>;
  /** Names the groups of a key. None where the key does not exist. */
  groups?(key: string, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Tells when the oldest message was published that the group has not settled: dead letters are settled, delayed ones
   * are not. A group that does not exist has settled nothing.
   *
   * @returns Epoch milliseconds; `undefined`: there is none, or its time is not known.
   */
  oldest?(key: string, group: string, signal: AbortSignal): Promise<number | undefined>;
  /** Reads the oldest messages that a group has not settled, in their order, at most `limit`. It may leave `payload` out. */
  peek?(
    key: string,
    options: { readonly group: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<readonly PeekedMessage[]>;
}

/** What a driver tells of its connection, beside the outcome of its calls. */
export interface ConnectionListener {
  /** The connection is lost. Told again before it is back, it changes nothing. */
  lost(error: unknown): void;
  /** The broker has answered. Where it was not lost, it changes nothing. */
  back(): void;
}

/** The counts of a driver. `blocked` may be left out where `capabilities.orderingKeys` is false. */
export type DriverDepth = Omit<QueueDepth, "blocked"> & Partial<Pick<QueueDepth, "blocked">>;

/**
 * The contract of a driver: what the author of a backend writes. `createBackend(driver)` makes a full
 * {@link LeasingBackend} of it, with batching, retries, prefetch, renewal of leases, parsing, errors and redaction.
 *
 * A driver moves bytes and classifies errors. It must not retry, must not parse payloads and must not hold messages
 * back. A member that is absent, or a capability that is false, says that the broker cannot do it: no method may lie.
 *
 * `close()` comes last: before it, the signals of waiting `receive` calls abort, handlers finish or reach their deadline,
 * and the last settlements and releases are sent.
 */
export interface QueueDriver {
  /** The backend's name, such as `"redis"`. */
  readonly name: string;
  /** The abilities of the backend. The conformance kit proves each. */
  readonly capabilities: Capabilities;
  /**
   * The most messages of one `send`.
   *
   * @default 1_000
   */
  readonly maxBatchMessages?: number | undefined;
  /**
   * The most bytes of one `send`: bodies, and headers and chosen ids as JSON.
   *
   * @default no limit
   */
  readonly maxBatchBytes?: number | undefined;
  /**
   * The most settlements of one `settle`, and leases of one `extend`.
   *
   * @default 1_000
   */
  readonly maxSettleBatch?: number | undefined;
  /**
   * The longest `waitMs` of one `receive`.
   *
   * @default 30_000
   */
  readonly maxWaitMs?: number | undefined;
  /**
   * The longest delay in milliseconds. A longer one is a `RangeError` before anything is sent.
   *
   * @default no limit
   */
  readonly maxDelayMs?: number | undefined;
  /**
   * True where the driver keeps payloads as values and never needs `body`.
   *
   * @default false
   */
  readonly structured?: boolean | undefined;
  /**
   * True where every call but a waiting `receive` returns without leaving the process, so it needs no time limit.
   *
   * @default false
   */
  readonly inProcess?: boolean | undefined;
  /** Texts that the portable layer removes from every error. */
  readonly secrets?: readonly string[] | undefined;

  /**
   * Waits until a batch of a key could leave at once. Called before each `send`, where the driver has it. While it waits
   * nothing has left, so a publish that runs out of time here is certainly not in the queue, whatever it travels with.
   *
   * When the signal aborts, it must reject at once with the reason why there is no connection, such as
   * `connect ECONNREFUSED 127.0.0.1:6379`. `classify` names it: `"connection"`, `"unauthorized"`.
   *
   * @returns `undefined` where a connection is there.
   */
  connect?(key: string, signal: AbortSignal): Promise<void> | undefined;
  /**
   * Sends a batch in order and must resolve only when the broker has confirmed it.
   *
   * A rejection is about the batch as a whole. Only the driver knows whether bytes left, and its error says so:
   * `classify` names it `"unknown-outcome"` where the batch may have arrived, and anything else where it certainly has
   * not (`"connection"`, `"unauthorized"`, `"timeout"`, …).
   *
   * The signal aborts when no caller waits any more. What has not left by then must not leave. The driver must reject
   * at once: with a reason of its own where nothing left (the code and the message name the cause), with
   * `"unknown-outcome"` or the signal's reason where something may have. A driver that ignores the signal, or whose
   * error is an `AbortError` or has the code `"internal"`, counts as one that may have sent.
   *
   * @returns One result per message.
   */
  send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]>;
  /**
   * Leases up to `max` messages, each once. Absent where the platform only pushes. Where nothing is ready it should wait
   * for `waitMs`: one that resolves with nothing at once is called no more than ten times a second.
   *
   * Where the broker has one lease time for all deliveries and not one for each call, the driver keeps longer leases by
   * renewing them; a shorter one may end late, never early. `attempts` is the broker's count: `capabilities.attempts`
   * says that it counts killed consumers and outlives a crash of the broker.
   */
  receive?(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]>;
  /**
   * Ends what the driver does for a consumer between two calls of `receive`, where the broker pushes. Called once the
   * consumer takes no more; what it has in hand can still be settled. Should not reject.
   */
  unsubscribe?(consumer: AbortSignal): Promise<void>;
  /**
   * Settles in one round trip, each settlement for itself: one that the broker refuses must not fail the others.
   *
   * `capabilities.fencing` says that the broker decides whether a lease is lost, when the settlement arrives. A driver
   * that compares the lease with its own clock should still do so, but that is not fencing: a settlement that leaves in
   * time may arrive late.
   *
   * `release` is sent also where `capabilities.release` is false: the driver gives the message back as soon as it can,
   * and the attempt counts.
   *
   * @returns One result for each settlement; `false` where the lease was no longer this consumer's and nothing was done.
   */
  settle?(key: string, group: string, settlements: readonly Settlement[], signal: AbortSignal): Promise<SettleResult[]>;
  /**
   * Makes each lease end `leaseMs` from now.
   *
   * @returns `false` for each lease that was lost.
   */
  extend?(
    key: string,
    group: string,
    leases: readonly unknown[],
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<boolean[]>;
  /** Counts the messages of a key for one group. Must change nothing. */
  depth?(key: string, group: string, signal: AbortSignal): Promise<DriverDepth>;
  /** The dead letters, where the broker keeps them. */
  readonly deadLetters?: DriverDeadLetters | undefined;
  /** Looks into queues; `capabilities.inspect` says that it is there. */
  readonly inspect?: DriverInspection | undefined;
  /**
   * Tells a listener when the connection is lost and when it is back. Called once, before any other method, where the
   * backend has an observer. For a driver whose client connects again by itself, or whose `receive` waits long: without
   * it the portable layer knows only by calls that fail and calls that return. Such a driver's `receive` may resolve
   * with nothing while there is no connection.
   */
  observeConnection?(listener: ConnectionListener): void;
  /**
   * Rejects where the broker does not reply, or would refuse a publish now. Must publish nothing. Where it is absent,
   * `health()` says `asked: false`.
   *
   * @returns For `Health.warnings`: one sentence for each setting that works but is not safe.
   */
  ping?(signal: AbortSignal): Promise<readonly string[] | void>;
  /**
   * Looks for what makes events get lost or late later on: settings of the broker, queues that nobody reads, a disk that is
   * nearly full. Must change nothing, and should resolve where a part of it may not be asked.
   */
  diagnose?(key: string, group: string, signal: AbortSignal): Promise<readonly Finding[]>;
  /**
   * Removes a queue with all that belongs to it: its messages, those of the group, its dead letters, and what the driver
   * keeps beside them. For keys that exist for a try alone.
   */
  dropQueue?(key: string, group: string, signal: AbortSignal): Promise<void>;
  /** Closes what the driver opened, and only that. */
  close(): Promise<void>;
  /** Returns the code of an error that the driver threw. Must not throw. */
  classify(error: unknown): ErrorCode;
  /** Returns the milliseconds that the broker asked to wait before the next attempt (Retry-After), where it did. */
  retryAfterMs?(error: unknown): number | undefined;
}
