/**
 * Backends that lose, repeat, reorder or change messages.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import type { JsonValue } from "../../core/protocol.ts";
import { alteredMessage, type Broken, brokenBackend, brokenDriver, receiving, settling } from "./mutant.ts";

const never = new AbortController().signal;

/** A value as a client gives it that turns all that looks like a number into one. */
function numbered(value: JsonValue): JsonValue {
  if (typeof value === "string") {
    return value !== "" && String(Number(value)).length >= value.length ? Number(value) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(numbered);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, numbered(inner)]));
}

/** Wrong in what is delivered, when and how often. */
export const brokenDelivery: readonly Broken[] = [
  brokenDriver("says nothing of a refused connection when a deadline passes", "01-unreachable", () => ({
    connect: undefined,
    send: () => new Promise(() => {}),
  })),
  brokenDriver("takes every failed send for one that may have arrived", "01-unreachable", () => ({
    connect: undefined,
    send: () => Promise.reject(new QueueError("unknown-outcome", "connection refused")),
  })),
  brokenDriver("hides why there is no connection", "01-unreachable", () => ({
    connect: (_key, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(new QueueError("connection", "failed")))
      ),
  })),
  brokenDriver("acks before the handler has run", "02-killed", (driver) => ({
    receive: receiving(driver, {
      get: async (raws, key, { group }) => {
        if (raws.length > 0) await driver.settle(key, group, raws.map(({ lease }) => ({ kind: "ack", lease })), never);
        return raws;
      },
    }),
    settle: (_key, _group, settlements) => Promise.resolve(settlements.map(() => true)),
  })),
  brokenDriver("never delivers again after a kill", "02-killed", (driver) => ({
    receive: receiving(driver, { ask: (options) => ({ ...options, leaseMs: 1e12 }) }),
    extend: (key, group, leases, _leaseMs, signal) => driver.extend(key, group, leases, 1e12, signal),
  })),
  brokenDriver("delivers again after an ack", "02-acked", (driver) => ({
    settle: settling(
      driver,
      (one) => one.kind === "ack" ? { ...one, kind: "retry", delayMs: 40_000, cause: undefined } : one,
    ),
  })),
  brokenDriver("takes a release for an ack, and so loses what is held at close", "02-reopened", (driver) => ({
    settle: settling(driver, (one) => one.kind === "release" ? { ...one, kind: "ack" } : one),
  })),
  brokenDriver("takes a retry for an ack", "02-retried", (driver) => ({
    settle: settling(driver, (one) => one.kind === "retry" ? { lease: one.lease, kind: "ack" } : one),
  })),
  brokenDriver("reorders", "02-in-order", (driver) => ({
    receive: receiving(driver, { get: (raws) => raws.toReversed() }),
  })),
  brokenDriver("keeps keys that begin alike in one queue", "02-keys-apart", (driver) => ({
    send: (key, messages, signal) => driver.send(key.split(":")[0]!, messages, signal),
    receive: (key, options) => driver.receive(key.split(":")[0]!, options),
    settle: (key, group, settlements, signal) => driver.settle(key.split(":")[0]!, group, settlements, signal),
  })),
  brokenDriver("ignores a message's time to live", "02-ttl", (driver) => ({
    send: (key, messages, signal) =>
      driver.send(key, messages.map((one) => alteredMessage(one, { ttlMs: undefined })), signal),
  })),
  brokenDriver("drops headers", "02-headers", (driver) => ({
    receive: receiving(driver, { get: (raws) => raws.map(({ headers: _, ...raw }) => raw) }),
  })),
  brokenDriver("turns text that looks like a number into one", "02-payload-numbers", (driver) => ({
    receive: receiving(driver, {
      get: (raws) =>
        raws.map((raw) => typeof raw.body === "object" ? { ...raw, body: numbered(raw.body) as never } : raw),
    }),
  })),
  brokenDriver("adds an id that it has already", "01-duplicate", (driver) => {
    let made = 0;
    return {
      send: (key, messages, signal) =>
        driver.send(
          key,
          messages.map((one) => alteredMessage(one, { id: `${one.id}-${made++}-${driver.name}` })),
          signal,
        ),
    };
  }),
  brokenBackend("swallows the error of a publish", "01-refused", (backend) => ({
    publish: (...args) => backend.publish(...args).catch(() => ({ id: "lost", outcome: "added" as const })),
  })),
  brokenBackend("says that it has published before the broker has answered", "01-waits", (backend) => ({
    publish: (...args) => {
      backend.publish(...args).catch(() => undefined);
      return Promise.resolve({ id: "soon", outcome: "added" });
    },
  })),
  brokenBackend("throws its own error and forgets the one beneath", "01-refused", (backend) => ({
    publish: (...args) =>
      backend.publish(...args).catch((error) => {
        throw Object.defineProperty(error, "cause", { value: undefined });
      }),
  })),
  brokenBackend("stops consuming when its connection breaks", "12-waiting-read", (backend, failures) => ({
    receive: (key, options) => {
      const stop = new AbortController();
      failures.on = ({ operation }) => operation === "receive" && stop.abort();
      return backend.receive(key, { ...options, signal: stop.signal });
    },
  })),
  brokenBackend("acknowledges a payload before it hands it out", "09-asking", (backend) => ({
    async *consume(key, options) {
      for await (const delivery of backend.receive(key, options)) {
        await delivery.ack();
        yield delivery.payload;
      }
    },
  })),
];
