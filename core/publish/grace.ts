/**
 * The time that a driver has to name its own reason after an abort.
 *
 * @module
 */
import { ABORT_GRACE_MS } from "../defaults.ts";
import { type Clock, systemClock } from "../util/clock.ts";

/**
 * Calls back when a driver has had time to reject with its own reason after an abort: after {@link ABORT_GRACE_MS} of real
 * time, or of the injected clock where that runs ahead.
 *
 * @returns A function that cancels the call.
 */
export function afterGrace(clock: Clock, callback: () => void): () => void {
  const clocks = clock === systemClock ? [systemClock] : [systemClock, clock];
  const timers = clocks.map((clock) => {
    const timer = clock.setTimeout(() => {
      end();
      callback();
    }, ABORT_GRACE_MS);
    return () => clock.clearTimeout(timer);
  });
  const end = () => timers.forEach((clear) => clear());
  return end;
}
