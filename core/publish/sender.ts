/**
 * How a backend hands messages to its driver.
 *
 * @module
 */
import type { DriverMessage } from "../driver.ts";
import type { QueueError } from "../errors.ts";
import type { PublishReceipt } from "../protocol.ts";

/** Deadline and signal of one call. */
export interface SendOptions {
  /** Milliseconds. Default: the backend's. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Sends the messages of one backend. */
export interface MessageSender {
  /** Resolves when the broker has confirmed every message. */
  add(key: string, messages: readonly DriverMessage[], options: SendOptions): Promise<PublishReceipt[]>;
  /** Resolves when there is nothing left to send. */
  idle(): Promise<void>;
  /** Gives up all that is not confirmed; resolves when each caller has its result. */
  abandon(reason: QueueError): Promise<void>;
}
