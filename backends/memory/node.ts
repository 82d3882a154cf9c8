/**
 * A message in the log of a key.
 *
 * @module
 */
import type { DeadLetter, JsonObject } from "../../core/protocol.ts";
import { bodyOfBytes } from "../../core/util/bytes.ts";

/**
 * Kept apart from the node so that each message of a long backlog needs less memory: the messages of one millisecond share
 * it, unless one has more than the time of its publish.
 */
export interface Details {
  /** Epoch milliseconds. */
  readonly publishedAt: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Monotonic milliseconds at which it leaves by itself. */
  readonly expiresAt?: number | undefined;
  /** Monotonic milliseconds at which the last message with these details became visible. */
  visibleAt: number;
}

/** {@link Node.pending} of a message that must not be delivered again: settled by all groups, expired or dropped. */
const REMOVED = -1;

/** A message and its place in the log. */
export class Node {
  readonly id: string;
  /** Text or bytes where somebody else put them there. */
  readonly payload: JsonObject | string | Uint8Array | undefined;
  readonly details: Details;
  /** Its place in the order; 0 until it becomes visible. */
  seq = 0;
  /** The number of groups that have not settled it. */
  pending = 0;

  /** A message that is not in the log yet. */
  constructor(id: string, payload: Node["payload"], details: Details) {
    this.id = id;
    this.payload = payload;
    this.details = details;
  }

  get orderingKey(): string | undefined {
    return undefined;
  }

  /** True once it must not be delivered again. */
  get removed(): boolean {
    return this.pending === REMOVED;
  }

  /** Keeps it from being delivered again. */
  remove(): void {
    this.pending = REMOVED;
  }
}

/** Returns the body, headers and time of a message as a dead letter and a look into the queue show them. */
export function contentOf(
  { payload, details: { headers = {}, publishedAt } }: Node,
): Pick<DeadLetter, "body" | "bodyEncoding" | "headers" | "publishedAt"> {
  return {
    ...payload instanceof Uint8Array
      ? bodyOfBytes(payload)
      : { body: typeof payload === "object" ? JSON.stringify(payload) : payload ?? "" },
    headers,
    publishedAt: publishedAt === undefined ? undefined : new Date(publishedAt),
  };
}

/** A message that a group has come to before, and may deliver later. */
export interface Parked {
  readonly node: Node;
  /** The deliveries that counted so far. */
  readonly attempts: number;
}

/** The number of removed messages that may stand in a heap or a queue before it is cleaned. */
export const STALE = 1_000;
