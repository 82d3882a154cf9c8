/**
 * Looks for what makes events get lost, and removes queues that were a try, through a driver that can.
 *
 * @module
 */
import { type BackendContext, call } from "../context.ts";
import { DEFAULT_GROUP } from "../defaults.ts";
import type { GroupOptions, LeasingBackend } from "../protocol.ts";
import { checkKey } from "../util/validate.ts";

/** Returns the methods that the driver offers. */
export function diagnosisOf(context: BackendContext): Pick<LeasingBackend, "diagnose" | "dropQueue"> {
  const { driver } = context;
  const through =
    <T>(ask: (key: string, group: string, signal: AbortSignal) => Promise<T>) =>
    async (key: string, { group = DEFAULT_GROUP, signal }: GroupOptions = {}): Promise<T> => {
      checkKey(key);
      return await call(
        context,
        `Cannot look into "${key}"`,
        (limit) => ask.call(driver, key, group, limit),
        key,
        signal,
      );
    };
  return {
    ...driver.diagnose && { diagnose: through(driver.diagnose) },
    ...driver.dropQueue && { dropQueue: through(driver.dropQueue) },
  };
}
