/**
 * A message in the log of a key.
 *
 * @module
 */
import type { JsonObject } from "../../core/protocol.ts";

/** The content of a message, kept by its place in the log and by its dead letter. */
export interface Kept {
  readonly id: string;
  readonly orderingKey: string | undefined;
  /** Text or bytes where somebody else put them there. */
  readonly payload: JsonObject | string | Uint8Array | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly publishedAt: number | undefined;
}

/** A message and its place in the log. */
export class Node implements Kept {
  readonly id: string;
  readonly orderingKey: string | undefined;
  readonly payload: Kept["payload"];
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly publishedAt: number | undefined;
  /** Monotonic milliseconds at which it leaves by itself. */
  readonly expiresAt: number | undefined;
  /** Its place in the order; 0 until it becomes visible. */
  seq = 0;
  /** Monotonic milliseconds at which it became visible, where it has an ordering key. */
  visibleAt: number | undefined;
  /** The number of groups that have not settled it. */
  pending = 0;
  /** True once it must not be delivered again: settled by all groups, expired or dropped. */
  removed = false;
  before: Node | undefined;
  next: Node | undefined;

  /** A message that is not in the log yet. */
  constructor(
    { id, orderingKey, payload, headers }: Omit<Kept, "publishedAt">,
    publishedAt?: number,
    expiresAt?: number,
  ) {
    this.id = id;
    this.orderingKey = orderingKey;
    this.payload = payload;
    this.headers = headers;
    this.publishedAt = publishedAt;
    this.expiresAt = expiresAt;
  }
}

/** The number of removed messages that may stand in a heap or a queue before it is cleaned. */
export const STALE = 1_000;
