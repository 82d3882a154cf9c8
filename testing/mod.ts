/**
 * The conformance kit: one suite that proves the delivery contract, for every backend, ours and yours.
 *
 * `testBackend({ test, harness })` registers well over a hundred named cases with whatever runner you have: each with a
 * fresh broker, each for one of the fourteen rules, none of them sleeping where it can wait. It asks for a *harness*, which opens
 * brokers; a *broker* connects backends and may have *powers* beyond that. What a case needs and the harness lacks is reported
 * as not proven, by name, and never as passed.
 *
 * ## From a driver
 *
 * {@link driverHarness} makes the harness of a driver, with most powers: it wraps each driver so that its consumers can be
 * killed, its connections cut, its replies delayed or lost. Give it what only the broker can do: `inject` a foreign
 * entry, `restartBroker`, tell its `cost`.
 *
 * ## From a backend
 *
 * A backend without a driver, or a whole one as its users get it, gives {@link Harness} and {@link Broker} by hand:
 *
 * ```ts
 * import { MemoryBackend, MemoryBroker } from "@slack-mcp/queue/memory"; // in their place: yours
 * import { type Harness, runConformance } from "@slack-mcp/queue/testing";
 *
 * const harness: Harness = {
 *   name: "memory",
 *   leaseMs: 500, // a lease that the cases let run out: there is no clock to turn
 *   open: () => {
 *     const broker = new MemoryBroker(); // or a namespace of its own on a server, which `key` puts before each name
 *     return {
 *       connect: (options) => new MemoryBackend({ broker, ...options }), // one process, as it were
 *       inject: (key, body) => broker.inject(key, body), // a power; and so on: kill, restartBroker, …
 *       close: () => undefined, // remove all that is left
 *     };
 *   },
 * };
 * const report = await runConformance({ harness, only: ["01-arrives", "06-malformed"] });
 * if (report.counts.passed !== 2) throw new Error("the backend does not conform");
 * ```
 *
 * A plain {@link QueueBackend}, without leases, runs the cases that publish, consume and close ask for. Where the
 * platform pushes, the power `push` brings a consumer to it.
 *
 * ## Time
 *
 * A broker that takes a clock gets a {@link FakeClock}: the cases then take no time. A real broker has none; the cases
 * use leases of `leaseMs` and wait for what must come. No case asserts that something is quick, only that nothing is early.
 *
 * ## Capabilities
 *
 * A declared capability that fails is a failure. What is not declared is tried too, where that is possible: the report tells what
 * works though undeclared. `onReport` gets it as data.
 *
 * ## Faults
 *
 * {@link faultyDriver} and {@link FakeClock} are for your own tests as well: retries, timeouts and lost replies, without waiting.
 *
 * @example
 * ```ts
 * import { MemoryBroker, MemoryDriver } from "@slack-mcp/queue/memory";
 * import { driverHarness, FakeClock, testBackend } from "@slack-mcp/queue/testing";
 *
 * const collected: string[] = []; // in place of node:test's, Deno's, Bun's or Vitest's `test`
 * await testBackend({
 *   test: (name) => collected.push(name),
 *   harness: driverHarness({
 *     name: "memory",
 *     open: () => {
 *       const clock = new FakeClock();
 *       const broker = new MemoryBroker({ clock });
 *       return { clock, driver: ({ maxLength }) => new MemoryDriver({ broker, clock, maxLength }) };
 *     },
 *   }),
 * });
 * if (collected.length < 100) throw new Error("cases are missing");
 * ```
 *
 * @module
 */
export { alterDriver, type DriverMembers } from "./faults/alter_driver.ts";
export { type CapabilityName, capabilityNames, declares } from "./capability.ts";
export type { CaseContext, CaseDraft, ConformanceCase, HarnessFeatureName } from "./case.ts";
export { conformanceCases } from "./cases/mod.ts";
export { ConformanceError } from "./check.ts";
export { type DriverBroker, driverHarness, type DriverHarnessOptions } from "./driver_harness.ts";
export { FakeClock } from "./faults/fake_clock.ts";
export type { DriverOperation } from "./faults/fault_state.ts";
export { type FaultOptions, type FaultyDriver, faultyDriver, InjectedFault } from "./faults/faulty_driver.ts";
export type { Broker, ConnectOptions, Harness, HarnessFeatures } from "./harness.ts";
export {
  type ConformanceOptions,
  runConformance,
  testBackend,
  type TestBackendOptions,
  type TestFunction,
} from "./kit.ts";
export { freshSeed, type SeededRandom, seededRandom } from "./random.ts";
export { Reader, type ReaderClock } from "./reader.ts";
export type { CapabilityStatus, CaseResult, CaseStatus, ConformanceReport } from "./report.ts";
