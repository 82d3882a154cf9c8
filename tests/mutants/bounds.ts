/**
 * Backends that are wrong about what counts as waiting, about a full broker, and about settlements that travel together.
 *
 * @module
 */
import type { QueueDriver } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import type { RawDelivery } from "../../core/driver.ts";
import { type Broken, brokenBackend, brokenDriver, receiving, settling } from "./mutant.ts";

const never = new AbortController().signal;

/** Bytes of the answer that a mutant takes for the largest there is. */
const ANSWER = 1_000_000;

/** Brokers with a group that a mutant waits for. */
const withOthers = new WeakSet<object>();

type Count = (lease: unknown, kind: string) => number;

/** Refuses a publish where `settled`, asked for each settlement, leaves too many of all that was sent. */
function counting(driver: Required<QueueDriver>, maxLength: number | undefined, settled: Count): Partial<QueueDriver> {
  let waiting = 0;
  return {
    send: async (key, messages, signal) => {
      if (maxLength !== undefined && waiting >= maxLength) {
        return messages.map(() => ({ error: new QueueError("queue-full", "it counts too many") }));
      }
      const results = await driver.send(key, messages, signal);
      waiting += results.filter((result) => "outcome" in result && result.outcome === "added").length;
      return results;
    },
    settle: async (key, group, settlements, signal) => {
      for (const { lease, kind } of settlements) waiting -= settled(lease, kind);
      return await driver.settle(key, group, settlements, signal);
    },
  };
}

function bytesOf({ body }: RawDelivery): number {
  return (typeof body === "string" ? body : JSON.stringify(body) ?? "").length;
}

/** Wrong in what is bounded, refused or waited out. */
export const brokenBounds: readonly Broken[] = [
  brokenDriver("counts settled messages behind one that waits", "07-full-retried", (driver, { maxLength }) => {
    let stuck = false;
    return counting(driver, maxLength, (_lease, kind) => {
      stuck ||= kind === "retry";
      return kind === "ack" && !stuck ? 1 : 0;
    });
  }),
  brokenDriver(
    "counts expired messages",
    "07-full-expired",
    (driver, { maxLength }) => counting(driver, maxLength, (_lease, kind) => kind === "ack" ? 1 : 0),
  ),
  brokenDriver("keeps expired messages for a group without consumers", "07-full-abandoned", (driver, about) => {
    const others = () => withOthers.has(about.broker);
    const { send, settle } = counting(driver, about.maxLength, (_lease, kind) => kind === "ack" && !others() ? 1 : 0);
    return {
      send,
      settle,
      receive: receiving(driver, {
        ask: (options) => {
          if (options.group === "abandoned") withOthers.add(about.broker);
          return options;
        },
      }),
    };
  }),
  brokenDriver("answers true for a retry after a renewal and does nothing", "03-renewal-unanswered", (driver) => {
    const renewed = new Set<unknown>();
    return {
      extend: (key, group, leases, ...rest) => {
        for (const lease of leases) renewed.add(lease);
        return driver.extend(key, group, leases, ...rest);
      },
      settle: settling(driver, (one) => one.kind === "retry" && renewed.has(one.lease) ? { ...one, delayMs: 0 } : one),
    };
  }),
  brokenBackend("takes a full broker for the end", "12-full", (backend, failures) => ({
    receive: (key, options) => {
      const stop = new AbortController();
      failures.on = ({ error }) => error.code === "queue-full" && stop.abort();
      return backend.receive(key, { ...options, signal: stop.signal });
    },
  })),
  brokenDriver("drops what does not fit into one answer", "10-large-messages", (driver) => ({
    receive: receiving(driver, {
      get: async (raws, key, { group }) => {
        let bytes = 0;
        const kept = raws.filter((raw) => (bytes += bytesOf(raw)) <= ANSWER);
        const lost = raws.filter((raw) => !kept.includes(raw)).map(({ lease }) => ({ kind: "ack", lease }) as const);
        if (lost.length > 0) await driver.settle(key, group, lost, never);
        return kept;
      },
    }),
  })),
  brokenDriver("fails all settlements where one has a long reason", "06-long-reason", (driver) => ({
    settle: (key, group, settlements, signal) => {
      const long = settlements.some((one) => one.kind === "dead" && one.cause.message.length > 1_000);
      if (long) return Promise.reject(new QueueError("too-large", "the command is too large"));
      return driver.settle(key, group, settlements, signal);
    },
  })),
];
