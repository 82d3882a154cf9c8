/**
 * The hook for metrics and logs: one object of optional callbacks.
 *
 * @module
 */
import type { QueueError } from "./errors.ts";
import { callSafely } from "./util/user_callback.ts";

/** An event of one message. It never holds the payload. */
export interface QueueMessageEvent {
  /** The backend's name. */
  readonly backend: string;
  /** The key. */
  readonly key: string;
  /** The message's id. */
  readonly id: string;
  /** The group, where the message was delivered to one. */
  readonly group?: string | undefined;
  /** The broker's count of deliveries, where the message was delivered. */
  readonly attempts?: number | undefined;
  /** Milliseconds: until the confirmation for `published`, since the delivery for the events that follow it. */
  readonly durationMs?: number | undefined;
  /** Milliseconds that it waited behind others of its ordering key; for `delivered`, where it waited behind any. */
  readonly blockedMs?: number | undefined;
  /** The reason, where it was retried or given up. */
  readonly reason?: unknown;
}

/** A failure that is tried again, or was given up. */
export interface FailureEvent {
  /** The backend's name. */
  readonly backend: string;
  /** The key. */
  readonly key: string;
  /** The operation that failed. */
  readonly operation: "publish" | "receive" | "settle" | "extend";
  /** How often in a row it has failed. */
  readonly failures: number;
  /** The error, with secrets removed. */
  readonly error: QueueError;
}

/** The broker is lost. */
export interface DisconnectedEvent {
  /** The backend's name. */
  readonly backend: string;
  /** The error of the call that found it lost, with secrets removed. */
  readonly error: QueueError;
}

/** The broker is back. */
export interface ConnectedEvent {
  /** The backend's name. */
  readonly backend: string;
  /** Milliseconds since the broker was found lost. */
  readonly downMs: number;
  /** The number of calls that failed meanwhile. */
  readonly failures: number;
}

/**
 * Callbacks for metrics. They are called synchronously; what they throw is ignored, since a metric must not
 * change what is delivered.
 *
 * A backend reports everything that passes through it; a consumer reports what its handlers did. Give an observer to
 * one of the two: with both, each message is counted twice.
 */
export interface QueueObserver {
  /** The broker confirmed a message. */
  published?(event: QueueMessageEvent): void;
  /** A message was handed to a handler or a loop. */
  delivered?(event: QueueMessageEvent): void;
  /** The broker confirmed an acknowledgement. */
  acked?(event: QueueMessageEvent): void;
  /** A message went back to the queue. */
  retried?(event: QueueMessageEvent): void;
  /** A message went to the dead letters. */
  deadLettered?(event: QueueMessageEvent): void;
  /** A message is no payload, and is on its way to the dead letters: `deadLettered` follows when they have it. */
  unreadable?(event: QueueMessageEvent): void;
  /** A lease ended before the message was settled: another consumer will get it. */
  leaseLost?(event: QueueMessageEvent): void;
  /** An operation failed and is tried again, or was given up. */
  failed?(event: FailureEvent): void;
  /** The broker cannot be reached: once, at the first call that fails for that reason. A backend reports it. */
  disconnected?(event: DisconnectedEvent): void;
  /** The broker can be reached again: once after each `disconnected`. A backend reports it. */
  connected?(event: ConnectedEvent): void;
}

/** Calls one method of an observer. What it throws or rejects with is ignored. */
export function notify<Name extends keyof QueueObserver>(
  observer: QueueObserver | undefined,
  name: Name,
  event: Parameters<NonNullable<QueueObserver[Name]>>[0],
): void {
  callSafely(() => (observer?.[name] as ((event: unknown) => unknown) | undefined)?.call(observer, event));
}
