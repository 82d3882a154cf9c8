/**
 * The conformance kit: one suite that proves the delivery contract, for every backend, ours and yours.
 *
 * `testBackend({ test, harness })` registers well over a hundred named cases with any runner. Each case has a fresh
 * broker, proves one of the numbered delivery rules, and waits for events where it can. The kit asks for a *harness*,
 * which opens brokers. A *broker* connects backends and may have *features*, such as killing a consumer. A case whose
 * feature is missing is reported as not proven, by name, and never as passed.
 *
 * ## From a driver
 *
 * {@link driverHarness} makes the harness of a driver. It wraps each driver, so that consumers can be killed, connections
 * cut, calls failed, replies delayed or lost. You add the features of the broker itself: `restartBroker`, `inject` for
 * foreign entries, `cost`, and `holdRequests`, without which fencing is not proven.
 *
 * ## From a backend
 *
 * A backend without a driver, or the class as its users have it, gives {@link Harness} and {@link Broker} by hand:
 *
 * ```ts
 * import { MemoryBackend, MemoryBroker } from "@slack-mcp/queue/memory"; // in place of yours
 * import { type Harness, runConformance } from "@slack-mcp/queue/testing";
 *
 * const harness: Harness = {
 *   name: "memory",
 *   leaseMs: 500, // a lease that the cases let run out, since there is no clock to turn
 *   open: () => {
 *     const broker = new MemoryBroker(); // or a namespace on a server, which `key` puts before each name
 *     return {
 *       connect: (options) => new MemoryBackend({ broker, ...options }), // as another process would
 *       inject: (key, body) => broker.inject(key, body), // a feature; there are kill, restartBroker and more
 *       close: () => undefined, // removes everything
 *     };
 *   },
 * };
 * const report = await runConformance({ harness, only: ["01-arrives", "06-malformed"] });
 * if (report.counts.passed !== 2) throw new Error("the backend does not conform");
 * ```
 *
 * A plain {@link QueueBackend}, without leases, runs the cases about `publish`, `consume` and `close`. Where the platform
 * pushes, the feature `push` connects a consumer to it.
 *
 * ## Time
 *
 * A broker that takes a clock gets a {@link FakeClock}, and the cases take no time. For a real broker the cases use leases
 * of `leaseMs` and really wait. No case asserts that something is quick, only that nothing is early. A case whose step must
 * be done before such a lease ends, and that fails while timers or the broker's answers were late by an eighth of it, is
 * tried again with times four times as long, and once more; a backend that does not keep its leases fails each time.
 *
 * ## Capabilities
 *
 * A declared capability is *proven* when every case about it ran and passed. One failure makes it *failed*; a case that
 * could not run, or that `only` left out, makes it *not proven*. A capability that is not declared is tried too, where
 * possible, and the report says if it works. `onReport` gets the report as data, `print` as text.
 *
 * ## Faults
 *
 * {@link faultyDriver} and {@link FakeClock} serve your own tests as well: retries, timeouts and lost replies, without
 * waiting.
 *
 * @example
 * ```ts
 * import { MemoryBroker, MemoryDriver } from "@slack-mcp/queue/memory";
 * import { driverHarness, FakeClock, testBackend } from "@slack-mcp/queue/testing";
 *
 * const collected: string[] = []; // in place of `Deno.test` or the `test` of Bun, Node or Vitest
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
export { runConformance, testBackend, type TestBackendOptions, type TestFunction } from "./kit.ts";
export { freshSeed, type SeededRandom, seededRandom } from "./random.ts";
export { Reader, type ReaderClock } from "./reader.ts";
export {
  type CapabilityStatus,
  type CaseResult,
  type CaseStatus,
  type ConformanceReport,
  type DeclaredLimits,
  formatReport,
} from "./report.ts";
export type { ConformanceOptions } from "./suite.ts";
