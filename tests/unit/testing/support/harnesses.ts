/**
 * Harnesses of the memory backend, and a runner that collects its tests.
 *
 * @module
 */
import { createBackend } from "../../../../core/backend.ts";
import type { Capabilities } from "../../../../core/protocol.ts";
import type { QueueDriver } from "../../../../core/driver.ts";
import { MemoryBroker, MemoryDriver } from "../../../../backends/memory/mod.ts";
import { ran } from "../../../conformance/support/ran.ts";
import {
  alterDriver,
  type CaseResult,
  type ConformanceReport,
  FakeClock,
  type Harness,
} from "../../../../testing/mod.ts";

/** Returns a harness of the memory driver without features, which declares the given capabilities. */
export function bare(capabilities: Partial<Capabilities> = {}): Harness {
  return {
    name: "bare",
    open: () => {
      const clock = new FakeClock();
      const broker = new MemoryBroker({ clock });
      return {
        clock,
        connect: ({ maxLength, ...options } = {}) => {
          const memory = new MemoryDriver({ broker, clock, maxLength });
          return createBackend(
            alterDriver(memory, { capabilities: { ...memory.capabilities, ...capabilities } }),
            options,
          );
        },
      };
    },
  };
}

export const chosen = (report: ConformanceReport | undefined): CaseResult[] => ran(report?.cases ?? []);

export interface Collected {
  readonly run: Map<string, () => Promise<void>>;
  readonly skipped: string[];
}

/** A runner that only remembers. */
export function collector(withSkip: boolean): Collected & { test(name: string, fn: () => Promise<void>): void } {
  const run = new Map<string, () => Promise<void>>();
  const skipped: string[] = [];
  const test = (name: string, fn: () => Promise<void>) => void run.set(name, fn);
  return {
    run,
    skipped,
    test: withSkip ? Object.assign(test, { skip: (name: string) => void skipped.push(name) }) : test,
  };
}

export const ids = ["02-killed", "02-retried", "04-restart"];

/** The bare harness, with some members of its driver altered. */
export function altered(members: Partial<QueueDriver>): Harness {
  return {
    name: "altered",
    open: () => {
      const clock = new FakeClock();
      const memory: QueueDriver = new MemoryDriver({ broker: new MemoryBroker({ clock }), clock });
      return {
        clock,
        connect: ({ maxLength: _, ...options } = {}) => createBackend(alterDriver(memory, members), options),
      };
    },
  };
}
