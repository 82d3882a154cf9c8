/**
 * The types of the driver contract: what a driver is handed, and what it returns.
 *
 * @module
 */
import type { DeadLetter, FailureCause, JsonObject, PeekedMessage, QueueDepth } from "./protocol.ts";

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
  /**
   * The most unsettled messages of the consumer. A driver to which the broker pushes may keep this number, those that it has
   * handed out included; none waits longer in it than in the queue where the handlers are fast.
   *
   * @default `max`
   */
  readonly prefetch?: number | undefined;
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
  /**
   * The most milliseconds for which the lease may have lasted when `receive` returns: those since it asked the broker, where
   * the answer took its time. Default: 0.
   */
  readonly leasedForMs?: number | undefined;
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

/** Hears of a driver's connection, beside the outcome of its calls. */
export interface ConnectionListener {
  /** The connection is lost. Told again before it is back, it changes nothing. */
  lost(error: unknown): void;
  /** The broker has answered. Where it was not lost, it changes nothing. */
  back(): void;
}

/** The counts of a driver. `blocked` may be left out where `capabilities.orderingKeys` is false. */
export type DriverDepth = Omit<QueueDepth, "blocked"> & Partial<Pick<QueueDepth, "blocked">>;
