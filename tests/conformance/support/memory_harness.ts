/**
 * The memory backend as the conformance kit meets it: on a clock that stands still, all powers but a restart.
 *
 * @module
 */
import type { QueueDriver } from "../../../core/driver.ts";
import { MemoryBroker, MemoryDriver } from "../../../backends/memory/mod.ts";
import { alterDriver } from "../../../testing/faults/alter_driver.ts";
import { driverHarness } from "../../../testing/driver_harness.ts";
import { FakeClock } from "../../../testing/faults/fake_clock.ts";
import type { Harness } from "../../../testing/harness.ts";

/** What a driver may be altered with. */
export interface MemoryCase {
  readonly clock: FakeClock;
  readonly broker: MemoryBroker;
  /** As the case set it. */
  readonly maxLength: number | undefined;
  /** Counts one command. */
  spend(): void;
}

/** A text that the driver declares as secret, as one with a password would. */
export const SECRET = "correct-horse-battery-staple";

/** A harness of the memory driver, or of what `alter` makes of it. */
export function memoryHarness(
  name = "memory",
  alter: (driver: QueueDriver, about: MemoryCase) => QueueDriver = (driver) => driver,
): Harness {
  return driverHarness({
    name,
    open: () => {
      const clock = new FakeClock();
      const broker = new MemoryBroker({ clock });
      let cost = 0;
      const spend = () => void cost++;
      return {
        clock,
        secrets: [SECRET],
        inject: (key, body) => broker.inject(key, body),
        cost: () => cost,
        driver: ({ maxLength }) => {
          const memory: QueueDriver = new MemoryDriver({ broker, clock, maxLength });
          const counting = alterDriver(memory, {
            secrets: [SECRET],
            settle: (...args) => (spend(), memory.settle!(...args)),
            send: (...args) => (spend(), memory.send(...args)),
            // Nothing goes over a wire, and a wait that brings nothing is one timer of the process: it is not counted.
            receive: async (...args) => {
              const deliveries = await memory.receive!(...args);
              if (deliveries.length > 0) spend();
              return deliveries;
            },
          });
          return alter(counting, { clock, broker, maxLength, spend });
        },
      };
    },
  });
}
