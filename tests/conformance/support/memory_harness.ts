/**
 * The memory backend as the conformance kit meets it: on a clock that is turned by hand, with every feature but a restart.
 *
 * @module
 */
import type { QueueDriver } from "../../../core/driver.ts";
import { QueueError } from "../../../core/errors.ts";
import { MemoryBroker, MemoryDriver } from "../../../backends/memory/mod.ts";
import { alterDriver } from "../../../testing/faults/alter_driver.ts";
import { driverHarness } from "../../../testing/driver_harness.ts";
import { FakeClock } from "../../../testing/faults/fake_clock.ts";
import type { Harness } from "../../../testing/harness.ts";
import { gated } from "../../doubles/held_requests.ts";

/** The case that a driver is altered for. */
export interface MemoryCase {
  readonly clock: FakeClock;
  readonly broker: MemoryBroker;
  /** As the case set it. */
  readonly maxLength: number | undefined;
  /** Counts one command. */
  spend(): void;
  /** Resolves when a request that is sent now reaches the broker. */
  wire(): Promise<void>;
}

/** A text that the driver declares as secret, as one with a password would. */
export const SECRET = "correct-horse-battery-staple";

/** Makes a harness of the memory driver, or of the driver that `alter` makes of it. */
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
      const holds = new Map<QueueDriver, () => () => void>();
      return {
        clock,
        holdRequests: (driver) => holds.get(driver)!(),
        secrets: [SECRET],
        inject: (key, body) => broker.inject(key, body),
        injectBytes: (key, body) => broker.inject(key, body),
        cost: () => cost,
        unreachable: ({ maxLength }) => {
          const memory: QueueDriver = new MemoryDriver({ broker, clock, maxLength });
          const refuse = (signal: AbortSignal) =>
            new Promise<never>((_, reject) => {
              const error = new QueueError("connection", "connect ECONNREFUSED: connection refused");
              signal.addEventListener("abort", () => reject(error), { once: true });
            });
          const refusing = alterDriver(memory, {
            inProcess: false,
            connect: (_key, signal) => refuse(signal),
            depth: (_key, _group, signal) => refuse(signal),
            ping: refuse,
          });
          return alter(refusing, { clock, broker, maxLength, spend, wire: () => Promise.resolve() });
        },
        driver: ({ maxLength }) => {
          // What `alter` makes of the driver is on the near side of the gate, as a driver is of the network.
          const { driver: memory, hold, pass } = gated(new MemoryDriver({ broker, clock, maxLength }));
          const counting = alterDriver(memory, {
            secrets: [SECRET],
            settle: (...args) => (spend(), memory.settle!(...args)),
            send: (...args) => (spend(), memory.send(...args)),
            // A wait that brings nothing is a timer of this process, no command: it is not counted.
            receive: async (...args) => {
              const deliveries = await memory.receive!(...args);
              if (deliveries.length > 0) spend();
              return deliveries;
            },
          });
          const driver = alter(counting, { clock, broker, maxLength, spend, wire: pass });
          holds.set(driver, hold);
          return driver;
        },
      };
    },
  });
}
