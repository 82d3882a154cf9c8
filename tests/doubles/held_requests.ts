/**
 * The way between a driver and a broker in the same process, where settlements and renewals can be held back.
 *
 * @module
 */
import type { QueueDriver } from "../../core/driver.ts";
import { alterDriver } from "../../testing/faults/alter_driver.ts";

/** A driver behind a gate. */
export interface GatedDriver {
  /** Settles and extends through the gate, and does everything else at once. */
  readonly driver: QueueDriver;
  /** Resolves when the gate is open. */
  pass(): Promise<void>;
  /** Closes the gate. Returns the function that opens it and lets all through that waits. */
  hold(): () => void;
}

/**
 * Puts a gate in front of a driver whose `settle` and `extend` are one atomic step in this process. It stands for the
 * network: a driver that is wrapped around the result has sent its request when the gate holds it.
 */
export function gated(inner: QueueDriver): GatedDriver {
  let open: Promise<void> | undefined;
  const driver = alterDriver(inner, {
    settle: inner.settle && (async (...args) => {
      await open;
      return await inner.settle!(...args);
    }),
    extend: inner.extend && (async (...args) => {
      await open;
      return await inner.extend!(...args);
    }),
  });
  return {
    driver,
    pass: () => open ?? Promise.resolve(),
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      open = promise;
      return () => {
        if (open === promise) open = undefined;
        resolve();
      };
    },
  };
}
