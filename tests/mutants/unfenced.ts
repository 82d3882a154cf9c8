/**
 * Backends without fencing whose drivers ask their own clock before they settle: only a request that leaves in time and
 * arrives late tells them from fenced ones.
 *
 * @module
 */
import type { MemoryBroker } from "../../backends/memory/mod.ts";
import type { QueueDriver, Settlement } from "../../core/driver.ts";
import type { MemoryCase } from "../conformance/support/memory_harness.ts";
import { type Broken, brokenDriver, receiving } from "./mutant.ts";

/** The lease that the broker knows of each message, over all drivers: such a broker settles messages, not leases. */
const current = new WeakMap<MemoryBroker, Map<string, unknown>>();

type Late = Settlement["kind"] | "extend";

const LATE: Readonly<Record<Late, string>> = {
  ack: "an ack",
  retry: "a retry",
  dead: "a dead letter",
  extend: "a renewal",
  release: "a release",
};

/** Returns a driver that refuses late requests by its own clock, and whose broker takes the rest by message, not by lease. */
function ownClock(driver: Required<QueueDriver>, late: Late, { broker, clock, wire }: MemoryCase) {
  const leases = current.get(broker) ?? new Map<string, unknown>();
  current.set(broker, leases);
  const own = new Map<unknown, { readonly id: string; until: number }>();
  const inTime = (lease: unknown) => (own.get(lease)?.until ?? Infinity) > clock.now();
  /** The lease as the broker finds it when the request arrives. */
  const atArrival = (lease: unknown) => leases.get(own.get(lease)?.id ?? "") ?? lease;
  const members: Partial<QueueDriver> = {
    receive: receiving(driver, {
      get: (raws, key, { group, leaseMs }) => {
        for (const { id: message, lease } of raws) {
          const id = JSON.stringify([key, group, message]);
          leases.set(id, lease);
          own.set(lease, { id, until: clock.now() + leaseMs });
        }
        return raws;
      },
    }),
    async settle(key, group, settlements, signal) {
      const sent = settlements.filter(({ lease }) => inTime(lease));
      await wire();
      const arrived = sent.map((one) => one.kind === late ? { ...one, lease: atArrival(one.lease) } : one);
      const answers = await driver.settle(key, group, arrived, signal);
      return settlements.map((one) => sent.includes(one) && answers[sent.indexOf(one)]!);
    },
    async extend(key, group, asked, leaseMs, signal) {
      const sent = asked.filter(inTime);
      for (const lease of sent) own.get(lease)!.until = clock.now() + leaseMs;
      await wire();
      const answers = await driver.extend(key, group, late === "extend" ? sent.map(atArrival) : sent, leaseMs, signal);
      return asked.map((lease) => sent.includes(lease) && answers[sent.indexOf(lease)]!);
    },
  };
  return members;
}

const unfenced = (late: Late, caughtBy: string): Broken =>
  brokenDriver(
    `takes ${LATE[late]} that arrives late, though its driver asks its own clock before`,
    caughtBy,
    (driver, about) => ownClock(driver, late, about),
  );

/** Unfenced for one kind of request each. */
export const brokenFencing: readonly Broken[] = [
  unfenced("ack", "03-arrives-late-ack"),
  unfenced("retry", "03-arrives-late-retry"),
  unfenced("dead", "03-arrives-late-dead-letter"),
  unfenced("extend", "03-arrives-late-extend"),
  unfenced("release", "03-arrives-late-release"),
];
