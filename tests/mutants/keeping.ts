/**
 * Backends that are wrong about dead letters, bounds, groups, closing, cost and secrets.
 *
 * @module
 */
import type { SettleResult } from "../../core/driver.ts";
import { fromBase64 } from "../../core/util/bytes.ts";
import { MemoryDriver } from "../../backends/memory/mod.ts";
import { PublishError } from "../../core/errors.ts";
import { type Broken, brokenBackend, brokenDriver, receiving, settling } from "./mutant.ts";

const never = new AbortController().signal;

function readable(body: unknown): boolean {
  return typeof body === "object" && body !== null;
}

/** Wrong in what is kept, shared, shown or closed. */
export const brokenKeeping: readonly Broken[] = [
  brokenDriver("drops a queue and keeps its dead letters", "13-drop-queue", (driver) => ({
    dropQueue: async (key, group, signal) => {
      for (;;) {
        const options = { group, max: 100, leaseMs: 1_000, waitMs: 0, signal };
        const raws = await driver.receive(key, options);
        if (raws.length === 0) return;
        await driver.settle(key, group, raws.map(({ lease }) => ({ kind: "ack", lease })), signal);
      }
    },
  })),
  brokenDriver("drops every queue", "13-drop-queue", (driver) => ({
    dropQueue: async (dropped, group, signal) => {
      for (const name of [dropped, "other"]) await driver.dropQueue(name, group, signal);
    },
  })),
  brokenDriver("leases while it diagnoses", "13-diagnose-nothing-changes", (driver) => ({
    diagnose: async (key, group, signal) => {
      await driver.receive(key, { group, max: 1, leaseMs: 1_000, waitMs: 0, signal });
      return [];
    },
  })),
  brokenDriver("finds something and no repair", "13-diagnose-nothing-changes", () => ({
    diagnose: () => Promise.resolve([{ severity: "warning", setting: "x", problem: "x is wrong", repair: "" }]),
  })),
  brokenDriver("drops what it cannot read", "06-malformed", (driver) => ({
    receive: receiving(driver, {
      get: async (raws, key, { group }) => {
        const lost = raws.filter(({ body }) => !readable(body)).map(({ lease }) => ({ kind: "ack", lease }) as const);
        if (lost.length > 0) await driver.settle(key, group, lost, never);
        return raws.filter(({ body }) => readable(body));
      },
    }),
  })),
  brokenDriver("stops at a message that it cannot read", "06-malformed", (driver) => ({
    receive: receiving(driver, {
      get: (raws) => {
        if (!raws.every(({ body }) => readable(body))) throw new SyntaxError("Unexpected end of JSON input");
        return raws;
      },
    }),
  })),
  brokenDriver("makes text of bytes that are none", "06-bytes", (driver) => ({
    receive: receiving(driver, {
      get: (raws) => raws.map((raw) => raw.body === undefined ? { ...raw, body: '{"name":"J\ufffdrgen"}' } : raw),
    }),
  })),
  brokenDriver("lists bytes as text", "06-bytes", (driver) => ({
    deadLetters: {
      ...driver.deadLetters,
      list: async (...args) => {
        const { letters, cursor } = await driver.deadLetters.list(...args);
        return {
          cursor,
          letters: letters.map(({ bodyEncoding, body, ...letter }) =>
            bodyEncoding ? { ...letter, body: new TextDecoder().decode(fromBase64(body)) } : { ...letter, body }
          ),
        };
      },
    },
  })),
  brokenDriver("forgets why a message died", "06-whole", (driver) => ({
    settle: settling(driver, (one) => one.kind === "dead" ? { ...one, cause: { name: "Error", message: "" } } : one),
  })),
  brokenDriver("takes a dead letter for an ack", "06-whole", (driver) => ({
    settle: settling(driver, (one) => one.kind === "dead" ? { lease: one.lease, kind: "ack" } : one),
  })),
  brokenDriver("lists no more than the first page of dead letters", "06-list", (driver) => ({
    deadLetters: {
      ...driver.deadLetters,
      list: async (...args) => ({ ...await driver.deadLetters.list(...args), cursor: undefined }),
    },
  })),
  brokenDriver("removes dead letters when they should come again", "06-replay", (driver) => ({
    deadLetters: { ...driver.deadLetters, replay: (...args) => driver.deadLetters.purge(...args) },
  })),
  brokenDriver(
    "drops the oldest message when the queue is full",
    "07-full",
    (_driver, { broker, clock, maxLength }) => {
      const dropping = new MemoryDriver({ broker, clock, maxLength, overflow: "drop-oldest" });
      return { send: (key, messages) => dropping.send(key, messages) };
    },
  ),
  brokenDriver("reports what a full queue refused as added", "07-full", (driver) => ({
    send: (...args) => driver.send(...args).then((results) => results.map(() => ({ outcome: "added" }))),
  })),
  brokenDriver("trims for all groups what one of them has settled", "07-slow-group", (driver) => {
    const settled = new Set<unknown>();
    const names = new Map<unknown, string>();
    return {
      receive: receiving(driver, {
        get: async (raws, key, { group }) => {
          for (const { id, lease } of raws) names.set(lease, id);
          const trimmed = raws.filter(({ id }) => settled.has(id)).map(({ lease }) =>
            ({ kind: "ack", lease }) as const
          );
          if (trimmed.length > 0) await driver.settle(key, group, trimmed, never);
          return raws.filter(({ id }) => !settled.has(id));
        },
      }),
      settle: (key, group, settlements, signal) => {
        for (const { lease } of settlements) settled.add(names.get(lease));
        return driver.settle(key, group, settlements, signal);
      },
    };
  }),
  brokenDriver("ignores groups", "08-every-message", (driver) => ({
    receive: (key, options) => driver.receive(key, { ...options, group: "all" }),
    settle: (key, _group, settlements, signal) => driver.settle(key, "all", settlements, signal),
  })),
  brokenDriver("lets every process be a group of its own", "08-members-share", (driver) => {
    const own = crypto.randomUUID();
    return {
      receive: (key, options) => driver.receive(key, { ...options, group: options.group + own }),
      settle: (key, group, settlements, signal) => driver.settle(key, group + own, settlements, signal),
    };
  }),
  brokenDriver("starts a new group with the newest message", "08-from-the-oldest", (driver, { broker }) => ({
    receive: async (key, options) => {
      if (options.group === "second" && !broker.existing(key, options.group)) {
        const old = await driver.receive(key, { ...options, max: 1_000, waitMs: 0 });
        await driver.settle(key, options.group, old.map(({ lease }) => ({ kind: "ack", lease })), never);
      }
      return await driver.receive(key, options);
    },
  })),
  brokenDriver("takes more than it was asked for", "10-prefetch", (driver) => ({
    receive: receiving(driver, { ask: (options) => ({ ...options, max: options.max * 3 }) }),
  })),
  brokenDriver("leases messages after it was told to stop", "11-abort-waiting", (driver) => ({
    receive: (key, options) => driver.receive(key, { ...options, signal: never }),
    settle: settling(
      driver,
      (one) => one.kind === "release" ? { ...one, kind: "retry", delayMs: 1e9, cause: undefined } : one,
    ),
  })),
  brokenBackend("works on after it was closed", "11-publish-after-close", () => ({
    close: () => Promise.resolve(),
  })),
  brokenBackend("fails when it is closed a second time", "11-close-twice", (backend) => {
    let closed = false;
    return {
      close: () => {
        if (closed) return Promise.reject(new Error("already closed"));
        closed = true;
        return backend.close();
      },
    };
  }),
  brokenBackend("leaves a read that waits hanging when it is closed", "11-pending-read", (backend) => ({
    consume: (key, options) => {
      const iterator = backend.consume(key, options);
      return {
        next: () => iterator.next().then((step) => step.done ? new Promise(() => {}) : step),
        return: () => iterator.return!(),
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    },
  })),
  brokenDriver("asks ten times a second while nothing comes", "13-idle-cost", (driver, { spend }) => ({
    receive: (key, options) => {
      spend();
      return driver.receive(key, { ...options, waitMs: Math.min(options.waitMs, 100) });
    },
  })),
  brokenDriver("settles one message per round trip, and looks twice", "13-batched", (driver, { spend }) => ({
    settle: async (key, group, settlements, signal) => {
      const answers: SettleResult[] = [];
      for (const one of settlements) {
        spend();
        answers.push(...await driver.settle(key, group, [one], signal));
      }
      return answers;
    },
  })),
  brokenDriver("counts what is in flight as ready", "13-depth", (driver) => ({
    depth: async (...args) => {
      const depth = await driver.depth(...args);
      return { ...depth, ready: depth.ready + depth.inFlight, inFlight: 0 };
    },
  })),
  brokenDriver("does not say what its secrets are", "14-errors", () => ({ secrets: [] })),
  brokenBackend("keeps its password where everybody sees it", "14-backend", () => ({
    name: "memory",
    ...{ url: "memory://user:correct-horse-battery-staple@host" },
  })),
  brokenBackend("quotes the payload in the error of a publish", "14-payload", (backend) => ({
    publish: (key, payload, options) =>
      backend.publish(key, payload, options).catch((cause) => {
        throw new PublishError("internal", `Cannot publish ${JSON.stringify(payload)}`, { cause });
      }),
  })),
];
