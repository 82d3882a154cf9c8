/**
 * The protocol of receiving: a delivery, its settlement and the options of a consumer.
 *
 * @module
 */
import type { JsonObject } from "./util/json.ts";

/** Options of `receive`. */
export interface ReceiveOptions {
  /**
   * The consumer group. Each group gets every message; its members share them.
   *
   * @default "slack-mcp"
   */
  readonly group?: string | undefined;
  /**
   * The most unsettled deliveries that this consumer holds at once.
   *
   * @default the backend's `prefetch`, else 100
   */
  readonly prefetch?: number | undefined;
  /**
   * Milliseconds for which a delivery is leased; renewed while it is not settled.
   *
   * @default the backend's `leaseMs`, else 30_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * The most messages of one ordering key that are leased to this consumer together, in their order, as one turn. While
   * one of them is unsettled, no consumer of the group gets more of that key. Has no effect where
   * `capabilities.orderingKeys` is false.
   *
   * @default 1
   */
  readonly maxPerOrderingKey?: number | undefined;
  /** Ends the iteration: prefetched deliveries are released, those in hand can still be settled. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Ends the iteration when the broker has nothing ready, in place of waiting.
   *
   * @default false
   */
  readonly stopWhenEmpty?: boolean | undefined;
}

/** Options of `consume`. */
export type ConsumeOptions = ReceiveOptions;

/** Why a message was retried or given up, as the broker keeps it with the message. */
export interface FailureCause {
  /** The error's name, such as `"TypeError"`. */
  readonly name: string;
  /** The error's message. */
  readonly message: string;
}

/** How a delivery was settled. */
export interface DeliverySettlement {
  /** `"release"`: it was given back without counting the attempt. */
  readonly kind: "ack" | "retry" | "release" | "dead";
  /** The reason of a retry or a dead letter, where there was one. */
  readonly cause?: FailureCause | undefined;
}

/** One message, leased to one consumer. The first settlement counts; later calls return the result of the first. */
export interface Delivery {
  /** The message's id: the publisher's, where the backend carries it, else the broker's. */
  readonly id: string;
  /** The key it was published under. */
  readonly key: string;
  /** The payload that was published. */
  readonly payload: JsonObject;
  /** The ordering key that it was published with, if any. */
  readonly orderingKey: string | undefined;
  /** How often the message was delivered, by the broker's count: 1 at the first delivery. */
  readonly attempts: number;
  /** Text that travelled with the payload. */
  readonly headers: Readonly<Record<string, string>>;
  /** When the broker accepted it, where that is known. */
  readonly publishedAt: Date | undefined;
  /** Aborts when the lease is lost or the backend closes. */
  readonly signal: AbortSignal;
  /** The first settlement that was asked for; `undefined` while there was none. */
  readonly settlement?: DeliverySettlement | undefined;
  /**
   * Acknowledges the message: it is done and leaves the queue.
   *
   * @returns `false` where the lease was lost: the message belongs to another consumer, or soon will.
   * @throws {ConsumeError} The broker refused.
   */
  ack(): Promise<boolean>;
  /**
   * Puts the message back into the queue, to come again after `delayMs` milliseconds, never earlier.
   *
   * @returns `false` where the lease was lost.
   * @throws {QueueError} `"unsupported"`: a delay where `capabilities.delay` is false. Nothing is settled.
   * @throws {RangeError} A delay that is longer than the backend accepts. Nothing is settled.
   * @throws {ConsumeError} The broker refused.
   */
  retry(options?: RetryDeliveryOptions): Promise<boolean>;
  /**
   * Moves the message to the dead letters, whole, with the reason.
   *
   * @returns `false` where the lease was lost.
   * @throws {ConsumeError} The broker refused.
   */
  deadLetter(reason: unknown): Promise<boolean>;
  /**
   * Makes the lease end `leaseMs` milliseconds from now.
   *
   * @returns `false` where it was lost before.
   * @throws {QueueError} `"unsupported"` where `capabilities.extend` is false.
   */
  extend(leaseMs: number): Promise<boolean>;
}

/** Options of {@link Delivery.retry}. */
export interface RetryDeliveryOptions {
  /**
   * Milliseconds before the message may come again.
   *
   * @default 0
   */
  readonly delayMs?: number | undefined;
  /** The reason, kept as the message's last failure where the broker can. */
  readonly reason?: unknown;
}
