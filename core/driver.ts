/**
 * The driver contract: see {@link QueueDriver}.
 *
 * @module
 */
import type { Capabilities, DeadLetter, FailureCause, JsonObject, QueueDepth } from "./protocol.ts";
import type { ErrorCode } from "./errors.ts";

/** One validated message on its way out. */
export interface DriverMessage {
  /** Always set: the publisher's id, or a new one. The driver must deduplicate by it where `capabilities.dedup` is true. */
  readonly id: string;
  /**
   * True where the publisher chose the id: it must be remembered for the driver's documented window. A made id is a UUID,
   * the same for all messages of one backend object, a dash, and a count in base 36. It is used again when the same batch
   * is sent again, moments later, because its reply was lost: the first made id among a batch's messages names that batch.
   * It comes back as a chosen id where a publisher repeats a message whose outcome an error left unknown.
   */
  readonly explicitId: boolean;
  /** The payload as JSON text; may be empty for a driver that is `structured`. */
  readonly body: string;
  /** The payload: a validated copy. Must not be changed. */
  readonly payload: JsonObject;
  /** Undefined where there is none. A driver without `capabilities.orderingKeys` is never given one. */
  readonly orderingKey: string | undefined;
  /** Milliseconds, whole or not, 0 where there is no delay. Never to be shortened. */
  readonly delayMs: number;
  /** Milliseconds, or undefined: lives until it is settled. */
  readonly ttlMs: number | undefined;
  /** Undefined where there are none. */
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/**
 * What became of one message of a send. An `error` says that this message, certainly, is not in the queue. `id` is the
 * broker's own, where that is what consumers will see in place of an id that was made.
 */
export type SendResult =
  | { readonly outcome: "added" | "duplicate"; readonly id?: string }
  | { readonly error: unknown };

/** What is asked for. */
export interface DriverReceiveOptions {
  /** The group. The driver creates it when it is new, at the oldest message still kept. */
  readonly group: string;
  /** No more than so many deliveries. */
  readonly max: number;
  /** Milliseconds of lease. */
  readonly leaseMs: number;
  /** Milliseconds to wait for the first message; 0: answer at once. The driver must return early when something comes, and may return early with nothing. */
  readonly waitMs: number;
  /** The driver must stop waiting when it aborts, and must not lease anything afterwards. */
  readonly signal: AbortSignal;
}

/** One leased message as it came from the broker. */
export interface RawDelivery {
  /** The message's id. */
  readonly id: string;
  /** What `settle` and `extend` need to find this lease, and no other, again. Opaque to the portable layer. */
  readonly lease: unknown;
  /**
   * The body as text, to be parsed by the portable layer; or, of a structured driver, a payload that nobody else
   * holds; or `undefined` for an entry that is not a message, which then goes to the dead letters.
   */
  readonly body: string | JsonObject | undefined;
  /** The broker's count, 1 at the first delivery. */
  readonly attempts: number;
  /** The ordering key that the message was sent with; undefined where there was none. */
  readonly orderingKey?: string | undefined;
  /** Milliseconds that it waited behind others of its ordering key, at its first delivery; undefined: behind none. */
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
    /** Done. */
    | { readonly kind: "ack" }
    /** Again, after `delayMs`, the attempt counted. */
    | { readonly kind: "retry"; readonly delayMs: number; readonly cause: FailureCause | undefined }
    /** Again, at once, the attempt not counted. */
    | { readonly kind: "release" }
    /** To the dead letters, whole. */
    | { readonly kind: "dead"; readonly cause: FailureCause }
  );

/**
 * The result of one settlement. `true`: it was done. `false`: the lease was no longer this consumer's, and nothing was
 * done. An `error`: the broker refused this one, and nothing was done.
 */
export type SettleResult = boolean | { readonly error: unknown };

/** Which dead letters a driver is asked for. */
export interface DriverDeadLetterQuery {
  /** The group that gave them up. */
  readonly group: string;
  /** These alone; undefined: all. */
  readonly ids: readonly string[] | undefined;
  /** The most dead letters of this call; `Infinity`: no limit. Over several pages the portable layer counts. */
  readonly limit: number;
}

/** Dead letters, as a driver gives them. `payload` may be left undefined: the portable layer parses `body`. */
export interface DriverDeadLetters {
  /** One page, the oldest first; `cursor` is undefined for the first page, and in the answer of the last. */
  list(
    key: string,
    query: DriverDeadLetterQuery,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly letters: readonly DeadLetter[]; readonly cursor: string | undefined }>;
  /** Puts them back for the group that gave them up. Undefined where the broker cannot. */
  replay?(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number>;
  /** Removes them. */
  purge(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number>;
}

/** The counts of a driver. `blocked` may be left out where `capabilities.orderingKeys` is false. */
export type DriverDepth = Omit<QueueDepth, "blocked"> & Partial<Pick<QueueDepth, "blocked">>;

/**
 * The contract of a driver: what the author of a backend writes. `createBackend(driver)` makes a full
 * {@link LeasingBackend} of it, with batching, retries, prefetch, renewal of leases, parsing, errors and redaction.
 *
 * A driver moves bytes and names errors. It must not retry by itself, must not parse payloads and must not hold messages
 * back. A member that is absent, or a capability that is false, says that the broker cannot do it: no method may lie.
 *
 * `close()` comes last: before it, the signals of waiting `receive` calls abort, handlers finish or reach their deadline,
 * and the last settlements and releases are sent.
 */
export interface QueueDriver {
  /** The backend's name, such as `"redis"`. */
  readonly name: string;
  /** What it can do. The conformance kit holds the driver to it. */
  readonly capabilities: Capabilities;
  /** The most messages of one `send`. Default: 1,000. */
  readonly maxBatchMessages?: number | undefined;
  /** The most bytes in one `send`: of bodies, and of headers and chosen ids as JSON. Default: no limit. */
  readonly maxBatchBytes?: number | undefined;
  /** The most settlements of one `settle`, and leases of one `extend`. Default: 1,000. */
  readonly maxSettleBatch?: number | undefined;
  /** The longest `waitMs` of one `receive`. Default: 30,000. */
  readonly maxWaitMs?: number | undefined;
  /** The longest delay in milliseconds. A longer one is a `RangeError` before anything is sent. Default: no limit. */
  readonly maxDelayMs?: number | undefined;
  /** True where the driver keeps payloads as values and never needs `body`. Default: false. */
  readonly structured?: boolean | undefined;
  /** True where every call but a waiting `receive` is answered without leaving the process: it needs no time limit. Default: false. */
  readonly inProcess?: boolean | undefined;
  /**
   * True where each publish must send for itself: in a Worker, a request that waits for what another one does is
   * cancelled. Default: false, publishes that are in the air together travel as one.
   */
  readonly unbatched?: boolean | undefined;
  /** Texts that must never be seen: the portable layer takes them out of every error. */
  readonly secrets?: readonly string[] | undefined;

  /**
   * Waits until a batch of a key could leave at once. Called before each `send` of a driver that has it. While it waits, nothing
   * has left: a publish that runs out of time here is certainly not in the queue, whatever else travels with it.
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
   * Settles in one round trip, each settlement for itself: one that the broker refuses must not fail the others.
   *
   * `capabilities.fencing` says that the broker decides whether a lease is lost, when the settlement arrives. A driver
   * that compares the lease with its own clock should do so all the same, but that is not fencing: a settlement that
   * leaves in time may arrive late.
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
  /**
   * Rejects where the broker does not answer, or would refuse a publish now. Must publish nothing. Where it is absent,
   * `health()` says `asked: false`.
   *
   * @returns For `Health.warnings`: a sentence for each thing that works and is not as safe as it should be.
   */
  ping?(signal: AbortSignal): Promise<readonly string[] | void>;
  /** Closes what the driver opened, and only that. */
  close(): Promise<void>;
  /** Names an error that the driver threw. Must not throw. */
  classify(error: unknown): ErrorCode;
  /** Milliseconds that the broker asked to wait before the next try, where it did (Retry-After). */
  retryAfterMs?(error: unknown): number | undefined;
}
