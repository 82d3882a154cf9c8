/**
 * A harness out of a driver, with all the powers that can be had without the broker's help.
 *
 * @module
 */
import { createBackend } from "../core/backend.ts";
import type { QueueDriver } from "../core/driver.ts";
import type { QueueBackend } from "../core/protocol.ts";
import { type FaultyDriver, faultyDriver } from "./faults/faulty_driver.ts";
import type { Broker, ConnectOptions, Harness, HarnessFeatures } from "./harness.ts";

/** What a driver's author has to say of a broker. */
export interface DriverBroker extends Pick<HarnessFeatures, "clock" | "restartBroker" | "inject" | "cost" | "push"> {
  /** One more driver on this broker. Takes what is its own of the options. */
  driver(options: ConnectOptions): QueueDriver | Promise<QueueDriver>;
  /** See {@link Broker.key}. */
  key?(name: string): string;
  /** See {@link Broker.secrets}. */
  readonly secrets?: readonly string[] | undefined;
  /** See {@link Broker.close}. */
  close?(): void | Promise<void>;
}

/** What a harness is made of. */
export interface DriverHarnessOptions extends Omit<Harness, "open"> {
  /** See {@link Harness.open}. */
  open(): DriverBroker | Promise<DriverBroker>;
}

/**
 * Makes a harness of a driver: `createBackend` around a {@link faultyDriver} around it. Killed consumers, cut
 * connections, late and lost replies and failures come with it; restarts, foreign entries and costs are the broker's.
 *
 * @example
 * ```ts
 * import { MemoryBroker, MemoryDriver } from "@slack-mcp/queue/memory";
 * import { driverHarness, FakeClock, runConformance } from "@slack-mcp/queue/testing";
 *
 * const harness = driverHarness({
 *   name: "memory",
 *   open: () => {
 *     const clock = new FakeClock();
 *     const broker = new MemoryBroker({ clock });
 *     return { clock, driver: () => new MemoryDriver({ broker, clock }) };
 *   },
 * });
 * const report = await runConformance({ harness, only: ["02-killed"] });
 * if (report.counts.passed !== 1) throw new Error("the message of a killed consumer must come again");
 * ```
 */
export function driverHarness({ open, ...rest }: DriverHarnessOptions): Harness {
  return { ...rest, open: async () => brokerOf(await open()) };
}

function brokerOf(own: DriverBroker): Broker {
  const drivers = new Map<QueueBackend, FaultyDriver>();
  const killed: QueueBackend[] = [];
  const { clock } = own;

  function faulty(backend: QueueBackend): FaultyDriver {
    const driver = drivers.get(backend);
    if (!driver) throw new TypeError("This backend was not opened by this harness");
    return driver;
  }

  return {
    clock,
    secrets: own.secrets,
    ...own.key && { key: (name) => own.key!(name) },
    ...own.restartBroker && { restartBroker: () => own.restartBroker!() },
    ...own.inject && { inject: (key, body) => own.inject!(key, body) },
    ...own.cost && { cost: () => own.cost!() },
    ...own.push && { push: (key, consumer) => own.push!(key, consumer) },
    async connect({ maxLength, ...options } = {}) {
      const driver = faultyDriver(await own.driver({ maxLength, ...options }), { ...clock && { clock } });
      const backend = createBackend(driver, options);
      drivers.set(backend, driver);
      return backend;
    },
    kill(backend) {
      killed.push(backend);
      faulty(backend).kill();
    },
    dropConnections: () => drivers.forEach((driver) => driver.dropConnections()),
    delayResponses: (backend, ms) => faulty(backend).delayResponses(ms),
    loseNextReply: (backend, operation) => faulty(backend).loseNextReply(operation),
    failNext: (backend, operation, fault, times) => faulty(backend).failNext(operation, fault, times),
    failSomeOfNext: (backend, places) => faulty(backend).failSomeOfNext(places),
    async close() {
      // The dead get empty answers now, so that nothing of theirs is left waiting.
      for (const backend of killed) faulty(backend).bury();
      const closed = Promise.allSettled(killed.map((backend) => backend.close()));
      await (clock ? clock.until(closed) : closed);
      await own.close?.();
    },
  };
}
