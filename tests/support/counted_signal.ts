/**
 * A signal that knows how many listen to it.
 *
 * @module
 */

/** See the module. */
export interface CountedSignal {
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  /** How many listeners were added and not yet removed, or called once and gone. */
  listeners(): number;
}

/** A controller whose signal counts its listeners. */
export function countedSignal(): CountedSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const there = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    there.add(args[1]);
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    there.delete(args[1]);
    removeEventListener.apply(signal, args);
  };
  return { controller, signal, listeners: () => there.size };
}
