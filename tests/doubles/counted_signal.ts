/**
 * A signal that counts its listeners.
 *
 * @module
 */

/** A controller with its signal, and the number of listeners. */
export interface CountedSignal {
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  /** Returns the number of listeners that were added and not removed; one that listens once is gone after its call. */
  listeners(): number;
}

/** Creates a controller whose signal counts its listeners. */
export function countedSignal(): CountedSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const there = new Map<unknown, boolean>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    there.set(args[1], typeof args[2] === "object" && args[2].once === true);
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    there.delete(args[1]);
    removeEventListener.apply(signal, args);
  };
  // One that listens once is gone after it was called.
  addEventListener.call(signal, "abort", () => {
    for (const [listener, once] of there) if (once) there.delete(listener);
  });
  return { controller, signal, listeners: () => there.size };
}
