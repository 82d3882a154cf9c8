/**
 * Makes a harness of a driver, with every feature that needs no help from the broker.
 *
 * @module
 */
import { createBackend } from "../core/backend.ts";
import type { QueueDriver } from "../core/driver.ts";
import type { QueueBackend } from "../core/protocol.ts";
import { type FaultyDriver, faultyDriver } from "./faults/faulty_driver.ts";
import type { Broker, ConnectOptions, Harness, HarnessFeatures } from "./harness.ts";

/** A broker as the author of a driver describes it. */
export interface DriverBroker
  extends Pick<HarnessFeatures, "clock" | "restartBroker" | "inject" | "injectBytes" | "cost" | "push"> {
  /** Makes one more driver on this broker, as another process would. It takes its own options, such as `maxLength`. */
  driver(options: ConnectOptions): QueueDriver | Promise<QueueDriver>;
  /**
   * Holds the requests of a driver that `driver()` returned, below it; see {@link HarnessFeatures.holdRequests}. Without
   * it fencing is not proven.
   */
  holdRequests?(driver: QueueDriver): (() => void | Promise<void>) | Promise<() => void | Promise<void>>;
  /** Makes a driver whose broker is not there; see {@link HarnessFeatures.connectUnreachable}. */
  unreachable?(options: ConnectOptions): QueueDriver | Promise<QueueDriver>;
  /** See {@link Broker.key}. */
  key?(name: string): string;
  /** See {@link Broker.secrets}. */
  readonly secrets?: readonly string[] | undefined;
  /** See {@link Broker.leasesEndWithConnection}. */
  readonly leasesEndWithConnection?: boolean | undefined;
  /** See {@link Broker.copiesDelayed}. */
  readonly copiesDelayed?: boolean | undefined;
  /** See {@link Broker.countsUnseen}. */
  readonly countsUnseen?: boolean | undefined;
  /** See {@link Broker.close}. */
  close?(): void | Promise<void>;
}

/** Options of {@link driverHarness}. */
export interface DriverHarnessOptions extends Omit<Harness, "open"> {
  /** See {@link Harness.open}. */
  open(): DriverBroker | Promise<DriverBroker>;
}

/**
 * Makes a harness of a driver: `createBackend` around a {@link faultyDriver} around it. It can kill consumers, cut
 * connections, delay and lose replies, and fail calls. Restarts, held requests, foreign entries, costs and pushes are
 * the broker's part.
 *
 * @param options The harness's name and times, and `open`, which makes drivers on a fresh broker.
 * @returns A harness for {@link testBackend} and {@link runConformance}.
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
  const wrapped = new Map<QueueBackend, QueueDriver>();
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
    leasesEndWithConnection: own.leasesEndWithConnection,
    copiesDelayed: own.copiesDelayed,
    countsUnseen: own.countsUnseen,
    ...own.key && { key: (name) => own.key!(name) },
    ...own.restartBroker && { restartBroker: () => own.restartBroker!() },
    ...own.inject && { inject: (key, body) => own.inject!(key, body) },
    ...own.injectBytes && { injectBytes: (key, body) => own.injectBytes!(key, body) },
    ...own.cost && { cost: () => own.cost!() },
    ...own.push && { push: (key, consumer) => own.push!(key, consumer) },
    ...own.holdRequests && {
      holdRequests: (backend) => {
        faulty(backend);
        return own.holdRequests!(wrapped.get(backend)!);
      },
    },
    ...own.unreachable && {
      connectUnreachable: async (options) => createBackend(await own.unreachable!(options), options),
    },
    async connect({ maxLength, ...options } = {}) {
      const inner = await own.driver({ maxLength, ...options });
      const driver = faultyDriver(inner, { ...clock && { clock } });
      const backend = createBackend(driver, options);
      drivers.set(backend, driver);
      wrapped.set(backend, inner);
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
      // Ends the calls of killed backends with empty results, so that none of them is left waiting.
      for (const backend of killed) faulty(backend).bury();
      const closed = Promise.allSettled(killed.map((backend) => backend.close()));
      await (clock ? clock.until(closed) : closed);
      await own.close?.();
    },
  };
}
