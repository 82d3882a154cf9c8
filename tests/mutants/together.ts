/**
 * Backends that are right about one message at a time and wrong about several, or about the second time.
 *
 * @module
 */
import type { DriverMessage } from "../../core/driver.ts";
import { DEFAULT_GROUP } from "../../core/protocol.ts";
import { type MemoryBroker, MemoryDriver } from "../../backends/memory/mod.ts";
import { alteredMessage, type Broken, brokenDriver, receiving } from "./mutant.ts";

const never = new AbortController().signal;

/** A driver that gives each message of a batch what the first one has. */
function likeTheFirst(name: "headers" | "ttlMs" | "delayMs", caughtBy: string): Broken {
  return brokenDriver(`gives every message of a batch the ${name} of the first`, caughtBy, (driver) => ({
    send: (key, messages, signal) =>
      driver.send(key, messages.map((one) => alteredMessage(one, { [name]: messages[0]![name] })), signal),
  }));
}

/** Retries of one group, by the broker: what a backend that delays messages, not deliveries, keeps. */
const delayed = new WeakMap<MemoryBroker, Map<string, number>>();

/** The ids that were received and not settled, by the broker. */
const leases = new WeakMap<MemoryBroker, Set<string>>();

function leasedOf(broker: MemoryBroker): Set<string> {
  const known = leases.get(broker) ?? new Set<string>();
  leases.set(broker, known);
  return known;
}

/** Wrong where several messages or settlements meet. */
export const brokenTogether: readonly Broken[] = [
  likeTheFirst("headers", "02-batch-headers"),
  likeTheFirst("ttlMs", "02-batch-ttl"),
  likeTheFirst("delayMs", "05-batch-delays"),
  brokenDriver("adds an id twice that stands twice in one batch", "01-duplicate-in-batch", (driver) => ({
    send: (key, messages, signal) => {
      const seen = new Set<string>();
      const again = (one: DriverMessage) => seen.has(one.id) || !seen.add(one.id);
      return driver.send(
        key,
        messages.map((one) => again(one) ? alteredMessage(one, { id: `${one.id}+` }) : one),
        signal,
      )
        .then((results) => results.map(({ ...result }) => ({ ...result, id: undefined })));
    },
  })),
  brokenDriver("settles all of a round trip as it settles the first", "02-mixed-settlements", (driver) => ({
    settle: (key, group, settlements, signal) =>
      driver.settle(key, group, settlements.map(({ lease }) => ({ ...settlements[0]!, lease })), signal),
  })),
  brokenDriver("delays all retries of a round trip by the first one's delay", "05-mixed-retries", (driver) => ({
    settle: (key, group, settlements, signal) => {
      const first = settlements.find((one) => one.kind === "retry");
      const altered = settlements.map((one) => one.kind === "retry" ? { ...one, delayMs: first!.delayMs } : one);
      return driver.settle(key, group, altered, signal);
    },
  })),
  brokenDriver("answers one refused settlement for all of a round trip", "03-mixed-answers", (driver) => ({
    settle: (...args) => driver.settle(...args).then((answers) => answers.map(() => answers.every(Boolean))),
  })),
  brokenDriver("forgets headers when a message comes again", "02-headers-again", (driver) => ({
    receive: receiving(driver, {
      get: (raws) => raws.map((raw) => raw.attempts > 1 ? alteredMessage(raw, { headers: undefined }) : raw),
    }),
  })),
  brokenDriver("forgets the time to live of a message that is retried", "02-ttl-retried", (driver) => {
    const retried = new Map<string, DriverMessage>();
    const sent = new Map<string, DriverMessage>();
    const idOf = new Map<unknown, string>();
    return {
      send: (key, messages, signal) => {
        for (const one of messages) sent.set(one.id, one);
        return driver.send(key, messages, signal);
      },
      receive: receiving(driver, {
        get: (raws) => {
          for (const { id, lease } of raws) idOf.set(lease, id);
          return raws;
        },
      }),
      // A retry is a new message, as in a queue that has no retries of its own; its time to live is left out.
      settle: async (key, group, settlements, signal) => {
        for (const { kind, lease } of settlements) {
          const message = sent.get(idOf.get(lease) ?? "");
          if (kind !== "retry" || message?.ttlMs === undefined || retried.has(message.id)) continue;
          retried.set(message.id, message);
          await driver.send(key, [alteredMessage(message, { ttlMs: undefined, id: `${message.id}+` })], signal);
        }
        const altered = settlements.map((one) =>
          one.kind === "retry" && retried.has(idOf.get(one.lease)!) ? { lease: one.lease, kind: "ack" as const } : one
        );
        return await driver.settle(key, group, altered, signal);
      },
    };
  }),
  brokenDriver("takes keys for the same that differ in case", "02-keys-case", (driver) => ({
    send: (key, ...rest) => driver.send(key.toLowerCase(), ...rest),
    receive: (key, options) => driver.receive(key.toLowerCase(), options),
    settle: (key, ...rest) => driver.settle(key.toLowerCase(), ...rest),
    extend: (key, ...rest) => driver.extend(key.toLowerCase(), ...rest),
    depth: (key, ...rest) => driver.depth(key.toLowerCase(), ...rest),
  })),
  brokenDriver("purges the dead letters of every group", "06-purge-groups", (driver) => ({
    deadLetters: {
      ...driver.deadLetters,
      purge: async (key, query, signal) => {
        const others = ["bots", "audit"].filter((group) => group !== query.group);
        for (const group of others) await driver.deadLetters.purge(key, { ...query, group }, signal);
        return await driver.deadLetters.purge(key, query, signal);
      },
    },
  })),
  brokenDriver("purges the waiting messages with the dead letters", "06-purge-spares", (driver) => ({
    deadLetters: {
      ...driver.deadLetters,
      purge: async (key, query, signal) => {
        const options = { group: query.group, max: 1_000, leaseMs: 1_000, waitMs: 0, signal };
        const waiting = await driver.receive(key, options);
        await driver.settle(key, query.group, waiting.map(({ lease }) => ({ kind: "ack", lease })), never);
        return await driver.deadLetters.purge(key, query, signal);
      },
    },
  })),
  brokenDriver("does not count delayed messages against maxLength", "07-full-delayed", (driver, { broker, clock }) => {
    const unbounded = new MemoryDriver({ broker, clock });
    return {
      send: async (key, messages, signal) => {
        const { ready, inFlight, delayed } = await driver.depth(key, DEFAULT_GROUP, signal);
        return await (ready + inFlight === 0 && delayed > 0 ? unbounded : driver).send(key, messages, signal);
      },
    };
  }),
  brokenDriver("counts a lease that has run out as in flight", "13-depth-expired", (driver, { broker }) => {
    const leased = leasedOf(broker);
    const ids = new Map<unknown, string>();
    return {
      receive: receiving(driver, {
        get: (raws) => {
          for (const { id, lease } of raws) {
            leased.add(id);
            ids.set(lease, id);
          }
          return raws;
        },
      }),
      settle: (key, group, settlements, signal) => {
        for (const { lease } of settlements) leased.delete(ids.get(lease) ?? "");
        return driver.settle(key, group, settlements, signal);
      },
      depth: async (...args) => {
        const depth = await driver.depth(...args);
        const expired = Math.min(depth.ready, Math.max(0, leased.size - depth.inFlight));
        return { ...depth, ready: depth.ready - expired, inFlight: depth.inFlight + expired };
      },
    };
  }),
  brokenDriver("delays a retried message in every group", "08-retried-apart", (driver, { broker, clock }) => {
    const until = delayed.get(broker) ?? new Map<string, number>();
    delayed.set(broker, until);
    const ids = new Map<unknown, string>();
    return {
      receive: receiving(driver, {
        get: async (raws, key, { group }) => {
          for (const { id, lease } of raws) ids.set(lease, id);
          const early = raws.filter(({ id }) => (until.get(id) ?? 0) > clock.now());
          const back = early.map(({ id, lease }) => ({
            kind: "retry" as const,
            lease,
            delayMs: until.get(id)! - clock.now(),
            cause: undefined,
          }));
          if (back.length > 0) await driver.settle(key, group, back, never);
          return raws.filter((raw) => !early.includes(raw));
        },
      }),
      settle: (key, group, settlements, signal) => {
        for (const one of settlements) {
          if (one.kind === "retry" && one.delayMs > 0) until.set(ids.get(one.lease) ?? "", clock.now() + one.delayMs);
        }
        return driver.settle(key, group, settlements, signal);
      },
    };
  }),
  brokenDriver("gives back all that a process holds when one loop is left", "09-one-loop-left", (driver) => {
    const held = new Set<unknown>();
    return {
      receive: receiving(driver, {
        get: (raws) => {
          for (const { lease } of raws) held.add(lease);
          return raws;
        },
      }),
      settle: async (key, group, settlements, signal) => {
        for (const { lease } of settlements) held.delete(lease);
        if (settlements.some(({ kind }) => kind === "release")) {
          await driver.settle(key, group, [...held].map((lease) => ({ kind: "release", lease })), signal);
        }
        return await driver.settle(key, group, settlements, signal);
      },
    };
  }),
  brokenDriver("takes groups for the same that differ in case", "08-names-case", (driver) => ({
    receive: (key, options) => driver.receive(key, { ...options, group: options.group.toLowerCase() }),
    settle: (key, group, ...rest) => driver.settle(key, group.toLowerCase(), ...rest),
    extend: (key, group, ...rest) => driver.extend(key, group.toLowerCase(), ...rest),
  })),
  brokenDriver("forgets an id when its message is retried", "01-duplicate-retried", (driver, { broker }) => {
    const retried = leasedOf(broker);
    const idOf = new Map<unknown, string>();
    return {
      send: (key, messages, signal) =>
        driver.send(
          key,
          messages.map((one) => retried.delete(one.id) ? alteredMessage(one, { id: `${one.id}+` }) : one),
          signal,
        ),
      receive: receiving(driver, {
        get: (raws) => {
          for (const { id, lease } of raws) idOf.set(lease, id);
          return raws;
        },
      }),
      settle: (key, group, settlements, signal) => {
        for (const one of settlements) if (one.kind === "retry") retried.add(idOf.get(one.lease) ?? "");
        return driver.settle(key, group, settlements, signal);
      },
    };
  }),
  brokenDriver("gives a replayed message a new id", "06-replay-id", (driver, { broker }) => {
    const replayed = leasedOf(broker);
    return {
      deadLetters: {
        ...driver.deadLetters,
        replay: async (key, query, signal) => {
          const { letters } = await driver.deadLetters.list(key, query, undefined, signal);
          for (const { messageId } of letters) replayed.add(messageId);
          return await driver.deadLetters.replay!(key, query, signal);
        },
      },
      receive: receiving(driver, {
        get: (raws) => raws.map((raw) => replayed.has(raw.id) ? alteredMessage(raw, { id: `${raw.id}+` }) : raw),
      }),
    };
  }),
  brokenDriver("counts the dead letters of all groups in the depth of each", "13-depth-dead-groups", (driver) => ({
    depth: async (key, group, signal) => {
      const [own, ...others] = await Promise.all(
        [...new Set([group, "bots", "audit"])].map((name) => driver.depth(key, name, signal)),
      );
      return { ...own!, dead: others.reduce((sum, { dead }) => sum + dead, own!.dead) };
    },
  })),
  brokenDriver(
    "takes a delay of a month for a short one, as a timer of 32 bits does",
    "05-publish-month",
    (driver) => ({
      send: (key, messages, signal) =>
        driver.send(key, messages.map((one) => alteredMessage(one, { delayMs: Math.max(0, one.delayMs | 0) })), signal),
    }),
  ),
  brokenDriver("takes a retry in a month for one at once", "05-retry-month", (driver) => ({
    settle: (key, group, settlements, signal) =>
      driver.settle(
        key,
        group,
        settlements.map((one) => one.kind === "retry" ? { ...one, delayMs: Math.max(0, one.delayMs | 0) } : one),
        signal,
      ),
  })),
  brokenDriver("counts no further than ten attempts", "04-many", (driver) => ({
    receive: receiving(driver, {
      get: (raws) => raws.map((raw) => alteredMessage(raw, { attempts: Math.min(raw.attempts, 10) })),
    }),
  })),
];
