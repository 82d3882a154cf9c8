/**
 * The protocol of publishing: a message on its way out, its options and its receipt.
 *
 * @module
 */
import type { JsonObject } from "./util/json.ts";

/** Options of one publish. */
export interface PublishOptions {
  /**
   * The idempotency key. Where `capabilities.dedup` is true, publishing again with the same id adds nothing while the
   * backend remembers it, and the receipt says `"duplicate"`.
   *
   * @default a new id
   */
  readonly id?: string | undefined;
  /**
   * The conversation that the message belongs to. Messages of one key and ordering key are handled one at a time, in the
   * order in which the broker accepted them, within each group: the next is delivered only when the one before is
   * acknowledged, dead, expired or purged. Non-empty text of at most 1,024 characters. A backend whose
   * `capabilities.orderingKeys` is false rejects it with a QueueError `"unsupported"`.
   *
   * @default none: the message waits for no other
   */
  readonly orderingKey?: string | undefined;
  /**
   * Milliseconds before which no consumer gets the message.
   *
   * @default 0
   */
  readonly delayMs?: number | undefined;
  /**
   * Milliseconds after which an unsettled message leaves the queue by itself.
   *
   * @default the backend's `messageTtlMs`, else never
   */
  readonly ttlMs?: number | undefined;
  /**
   * Text that travels with the payload.
   *
   * @default none
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Aborts the publish. Where nothing has left yet, nothing is sent and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds to wait for the broker's confirmation.
   *
   * @default the backend's `timeoutMs`
   */
  readonly timeoutMs?: number | undefined;
}

/** Options of a batch as a whole. */
export type BatchOptions = Pick<PublishOptions, "signal" | "timeoutMs">;

/** One message of a batch. */
export interface OutgoingMessage extends Pick<PublishOptions, "id" | "orderingKey" | "delayMs" | "ttlMs" | "headers"> {
  /** The payload that the consumer gets. */
  readonly payload: JsonObject;
}

/** The broker's confirmation of one message. */
export interface PublishReceipt {
  /** The message's id: the publisher's, else a new one. */
  readonly id: string;
  /** `"duplicate"`: the queue had a message with this id, and nothing was added. */
  readonly outcome: "added" | "duplicate";
}
