/**
 * Backends that are wrong about leases, attempts and time.
 *
 * @module
 */
import type { MemoryBroker } from "../../backends/memory/mod.ts";
import type { Broker } from "../../testing/harness.ts";
import { memoryHarness } from "../conformance/support/memory_harness.ts";
import { type Broken, brokenBackend, brokenDriver, receiving, settling } from "./mutant.ts";

/** Who holds a message now, over all drivers of a broker: what a backend that knows messages, not leases, keeps. */
const holders = new WeakMap<MemoryBroker, Map<string, unknown>>();

function holdersOf(broker: MemoryBroker): Map<string, unknown> {
  const known = holders.get(broker) ?? new Map<string, unknown>();
  holders.set(broker, known);
  return known;
}

/** A backend whose clock has nothing but a time of day. */
function lengthsByTimeOfDay(): Broken {
  const wrong = "measures leases by a clock that can be set";
  const whole = memoryHarness(wrong);
  const open = async (): Promise<Broker> => {
    const broker = await whole.open();
    const connect: Broker["connect"] = ({ clock, ...options } = {}) =>
      broker.connect({
        ...options,
        ...clock && {
          clock: {
            now: () => clock.now(),
            setTimeout: (callback, ms) => clock.setTimeout(callback, ms),
            clearTimeout: (timer) => clock.clearTimeout(timer),
          },
        },
      });
    return { ...broker, connect };
  };
  return { wrong, caughtBy: "03-clock-set", harness: { ...whole, open } };
}

/** Wrong in leases, counts and delays. */
export const brokenLeases: readonly Broken[] = [
  brokenDriver("lets leases end after half their time", "02-killed", (driver) => ({
    receive: receiving(driver, { ask: (options) => ({ ...options, leaseMs: options.leaseMs / 2 }) }),
  })),
  brokenDriver("says that it has renewed a lease and does not", "03-renewed", (driver) => ({
    extend: (_key, _group, leases) => Promise.resolve(leases.map(() => true)),
    receive: (...args) => driver.receive(...args),
  })),
  lengthsByTimeOfDay(),
  brokenDriver("lets a late ack settle somebody else's delivery", "03-late-ack", (driver, { broker }) => {
    const held = holdersOf(broker);
    const messages = new Map<unknown, string>();
    return {
      receive: receiving(driver, {
        get: (raws) => {
          for (const { id, lease } of raws) {
            held.set(id, lease);
            messages.set(lease, id);
          }
          return raws;
        },
      }),
      settle: settling(driver, (one) => ({ ...one, lease: held.get(messages.get(one.lease) ?? "") ?? one.lease })),
    };
  }),
  brokenDriver("refuses a late ack and answers that it was taken", "03-late-ack", (driver) => ({
    settle: (...args) => driver.settle(...args).then((answers) => answers.map(() => true)),
  })),
  brokenBackend("never aborts the signal of a delivery whose lease is lost", "03-lost", (backend) => ({
    async *receive(key, options) {
      for await (const delivery of backend.receive(key, options)) {
        yield {
          id: delivery.id,
          key,
          payload: delivery.payload,
          orderingKey: delivery.orderingKey,
          attempts: delivery.attempts,
          headers: delivery.headers,
          publishedAt: delivery.publishedAt,
          signal: new AbortController().signal,
          ack: () => delivery.ack(),
          retry: (again) => delivery.retry(again),
          deadLetter: (reason) => delivery.deadLetter(reason),
          extend: (leaseMs) => delivery.extend(leaseMs),
        };
      }
    },
  })),
  brokenDriver("counts attempts in the process, not in the broker", "04-kills", (driver) => {
    const seen = new Map<string, number>();
    return {
      receive: receiving(driver, {
        get: (raws) =>
          raws.map((raw) => {
            seen.set(raw.id, (seen.get(raw.id) ?? 0) + 1);
            return { ...raw, attempts: seen.get(raw.id)! };
          }),
      }),
    };
  }),
  brokenDriver("counts from zero", "04-first", (driver) => ({
    receive: receiving(driver, { get: (raws) => raws.map((raw) => ({ ...raw, attempts: raw.attempts - 1 })) }),
  })),
  brokenDriver("counts a release as an attempt", "09-break", (driver) => ({
    settle: settling(
      driver,
      (one) => one.kind === "release" ? { ...one, kind: "retry", delayMs: 0, cause: undefined } : one,
    ),
  })),
  brokenDriver("delivers delayed messages a little early", "05-publish", (driver, { clock }) => ({
    // Whole seconds, rounded to the nearest where they have to be rounded up.
    send: (key, messages, signal) =>
      driver.send(
        key,
        messages.map((one) =>
          new Proxy(one, {
            get: (target, name) =>
              name === "delayMs" && target.delayMs > 0
                ? Math.floor((clock.now() + target.delayMs - 1) / 1_000) * 1_000 - clock.now()
                : Reflect.get(target, name, target),
          })
        ),
        signal,
      ),
  })),
  brokenDriver("cuts the delay of a retry to the length of a lease", "05-retry-long", (driver) => ({
    settle: settling(driver, (one) => one.kind === "retry" ? { ...one, delayMs: Math.min(one.delayMs, 30_000) } : one),
  })),
  brokenDriver("ignores the delay of a retry", "05-retry", (driver) => ({
    settle: settling(driver, (one) => one.kind === "retry" ? { ...one, delayMs: 0 } : one),
  })),
  brokenDriver("ignores the delay of every retry but the first", "05-backoff", (driver) => {
    let retries = 0;
    return {
      settle: settling(driver, (one) => one.kind === "retry" && ++retries > 1 ? { ...one, delayMs: 0 } : one),
    };
  }),
  brokenDriver("lets a delayed message hold up those behind it", "05-holds-nothing-up", (driver, { clock }) => ({
    receive: async (key, options) => {
      for (;;) {
        const { delayed } = await driver.depth(key, options.group, options.signal);
        if (delayed === 0) return await driver.receive(key, options);
        await new Promise<void>((resolve) => clock.setTimeout(resolve, 1_000));
        if (options.signal.aborted) return [];
      }
    },
  })),
];
