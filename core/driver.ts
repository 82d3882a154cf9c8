/**
 * The driver contract: see {@link QueueDriver}.
 *
 * @module
 */
import type {
  ConnectionListener,
  DriverDeadLetters,
  DriverDepth,
  DriverInspection,
  DriverMessage,
  DriverReceiveOptions,
  RawDelivery,
  SendResult,
  Settlement,
  SettleResult,
} from "./driver_types.ts";
import type { Capabilities, Finding } from "./protocol.ts";
import type { ErrorCode } from "./errors.ts";

export type * from "./driver_types.ts";

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
