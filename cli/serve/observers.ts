/**
 * Observers that are put together.
 *
 * @module
 */
import type { QueueObserver } from "../../core/observer.ts";
import { callSafely } from "../../core/util/user_callback.ts";

const NAMES = [
  ...["published", "delivered", "acked", "retried", "deadLettered", "unreadable", "leaseLost", "failed"],
  ...["disconnected", "connected"],
] as readonly (keyof QueueObserver)[];

type Callback = (event: never) => void;

/** Returns an observer that calls each of several. What one throws does not keep the others from being called. */
export function combine(...observers: readonly (QueueObserver | undefined)[]): QueueObserver {
  const entries = NAMES.flatMap((name) => {
    const callbacks = observers.flatMap((observer) =>
      observer?.[name] ? [observer[name].bind(observer) as Callback] : []
    );
    return callbacks.length === 0 ? [] : [[name, (event: never) => {
      for (const callback of callbacks) callSafely(callback, event);
    }]];
  });
  return Object.fromEntries(entries);
}

/**
 * Returns two observers of which one calls `observer`: the first, for the backend, from its first call on; until then
 * the second, for the consumer. Each message is told once, also where a plugin's backend takes no observer.
 */
export function onlyWithout(observer: QueueObserver): readonly [backend: QueueObserver, consumer: QueueObserver] {
  let backendTells = false;
  const entries = Object.entries(observer) as [keyof QueueObserver, Callback][];
  const backend = entries.map(([name, call]) => [name, (event: never) => {
    backendTells = true;
    call(event);
  }]);
  const consumer = entries.map(([name, call]) => [name, (event: never) => {
    if (!backendTells) call(event);
  }]);
  return [Object.fromEntries(backend), Object.fromEntries(consumer)];
}
