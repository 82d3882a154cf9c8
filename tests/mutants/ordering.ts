/**
 * Backends that are wrong about ordering keys.
 *
 * @module
 */
import { MemoryDriver } from "../../backends/memory/mod.ts";
import type { DriverMessage, QueueDriver, RawDelivery } from "../../core/driver.ts";
import type { JsonObject } from "../../core/protocol.ts";
import { type Broken, brokenDriver, receiving, settling } from "./mutant.ts";

const never = new AbortController().signal;

/** A send whose messages are changed before. */
function sending(
  driver: Required<QueueDriver>,
  change: (message: DriverMessage) => DriverMessage,
): NonNullable<QueueDriver["send"]> {
  return (key, messages, signal) => driver.send(key, messages.map(change), signal);
}

/** Makes a message of a delivery, to be sent at the end of the queue. */
function copyOf(raw: RawDelivery, delayMs: number): DriverMessage {
  return {
    id: `${raw.id}-again-${raw.attempts}`,
    explicitId: true,
    orderingKey: raw.orderingKey,
    body: "",
    payload: raw.body as JsonObject,
    delayMs,
    ttlMs: undefined,
    headers: raw.headers,
  };
}

/** Wrong about conversations. */
export const brokenOrdering: readonly Broken[] = [
  brokenDriver("ignores ordering keys", "15-one-at-a-time", (driver) => ({
    send: sending(driver, (message) => ({ ...message, orderingKey: undefined })),
  })),
  brokenDriver("does not tell the ordering key of a delivery", "15-key-told", (driver) => ({
    receive: receiving(driver, {
      get: (raws) =>
        raws.map(({ id, lease, body, attempts, headers }) => ({
          id,
          lease,
          body,
          attempts,
          ...headers && { headers },
        })),
    }),
  })),
  brokenDriver("takes ordering keys that begin alike for one", "15-key-told", (driver) => ({
    send: sending(driver, (message) => ({ ...message, orderingKey: message.orderingKey?.slice(0, 8) })),
  })),
  brokenDriver("puts a retried message at the end of its ordering key", "15-retried", (driver) => {
    const raws = new Map<unknown, RawDelivery>();
    return {
      receive: receiving(driver, {
        get: (all) => {
          for (const raw of all) raws.set(raw.lease, raw);
          return all;
        },
      }),
      settle: async (key, group, settlements, signal) => {
        for (const one of settlements) {
          const raw = raws.get(one.lease);
          if (one.kind === "retry" && raw?.orderingKey) await driver.send(key, [copyOf(raw, one.delayMs)], never);
        }
        const moved = settlements.map((one) =>
          one.kind === "retry" && raws.get(one.lease)?.orderingKey ? { kind: "ack", lease: one.lease } as const : one
        );
        return await driver.settle(key, group, moved, signal);
      },
    };
  }),
  brokenDriver("lets the next message pass one whose consumer was killed", "15-killed", (driver) => ({
    receive: receiving(driver, {
      get: async (raws, key, { group }) => {
        const back = raws.filter(({ attempts, orderingKey }) => attempts === 2 && orderingKey !== undefined);
        if (back.length === 0) return raws;
        await driver.send(key, back.map((raw) => copyOf(raw, 0)), never);
        await driver.settle(key, group, back.map(({ lease }) => ({ kind: "ack", lease })), never);
        return raws.filter((raw) => !back.includes(raw));
      },
    }),
  })),
  brokenDriver("does not wait behind a message with a delayed retry", "15-retried-late", (driver) => ({
    settle: settling(driver, (one) => one.kind === "retry" ? { ...one, delayMs: 0 } : one),
  })),
  brokenDriver("gives one turn of an ordering key to all groups together", "15-groups", (driver) => {
    const turns = new Map<string, string>();
    return {
      receive: receiving(driver, {
        get: async (raws, key, { group }) => {
          const barred = raws.filter(({ orderingKey }) => orderingKey && (turns.get(orderingKey) ?? group) !== group);
          await driver.settle(
            key,
            group,
            barred.map(({ lease }) => ({ kind: "retry", delayMs: 1_000, lease, cause: undefined })),
            never,
          );
          for (const { orderingKey } of raws) if (orderingKey && !turns.has(orderingKey)) turns.set(orderingKey, group);
          return raws.filter((raw) => !barred.includes(raw));
        },
      }),
    };
  }),
  brokenDriver("keeps an expired message in front of its ordering key", "15-expired", (driver) => ({
    send: sending(driver, (message) => message.orderingKey ? { ...message, ttlMs: undefined } : message),
  })),
  brokenDriver("gives a delayed publish its place before it is due", "15-delayed", (driver) => ({
    send: async (key, messages, signal) => {
      const [delayed, rest] = [
        messages.filter(({ delayMs }) => delayMs > 0),
        messages.filter(({ delayMs }) => !delayMs),
      ];
      const results = await driver.send(key, [...rest, ...delayed.map((one) => ({ ...one, delayMs: 0 }))], signal);
      return messages.map((_, i) => results[i]!);
    },
  })),
  brokenDriver(
    "does not count messages behind an ordering key for maxLength",
    "15-full",
    (_driver, { broker, clock }) => {
      const unbounded = new MemoryDriver({ broker, clock });
      return { send: (key, messages) => unbounded.send(key, messages) };
    },
  ),
  brokenDriver("counts what waits behind an ordering key as ready", "15-depth", (driver) => ({
    depth: async (...args) => {
      const { ready, blocked = 0, ...rest } = await driver.depth(...args);
      return { ...rest, ready: ready + blocked, blocked: 0 };
    },
  })),
];
