/**
 * Backends that take part where they should only look, or say what is not so.
 *
 * @module
 */
import type { DriverInspection, QueueDriver } from "../../core/driver.ts";
import { type Broken, brokenDriver } from "./mutant.ts";

const never = new AbortController().signal;

/** Looks as the driver does, but for some members. */
function looking(driver: Required<QueueDriver>, members: DriverInspection): Partial<QueueDriver> {
  const inspect = driver.inspect!;
  return {
    inspect: {
      keys: (...args) => inspect.keys!(...args),
      groups: (...args) => inspect.groups!(...args),
      oldest: (...args) => inspect.oldest!(...args),
      peek: (...args) => inspect.peek!(...args),
      ...members,
    },
  };
}

/** Takes messages and gives them back. */
async function taken(driver: Required<QueueDriver>, key: string, group: string, kind: "release" | "retry") {
  const raws = await driver.receive(key, { group, max: 100, leaseMs: 1_000, waitMs: 0, signal: never });
  const settlements = raws.map(({ lease }) => ({ kind, lease, delayMs: 0, cause: undefined }));
  await driver.settle(key, group, settlements, never);
}

/** Wrong in what `inspect` does. */
export const brokenInspecting: readonly Broken[] = [
  brokenDriver("counts a peek as a delivery", "13-inspect-nothing-changes", (driver) =>
    looking(driver, {
      peek: async (key, options, signal) => {
        const found = await driver.inspect!.peek!(key, options, signal);
        await taken(driver, key, options.group, "retry");
        return found;
      },
    })),
  brokenDriver("makes the group that is peeked into", "13-inspect-nothing-changes", (driver) =>
    looking(driver, {
      peek: async (key, options, signal) => {
        await taken(driver, key, options.group, "release");
        return await driver.inspect!.peek!(key, options, signal);
      },
    })),
  brokenDriver("says of a leased message that it is ready", "13-inspect-peek", (driver) =>
    looking(driver, {
      peek: async (...args) => (await driver.inspect!.peek!(...args)).map((one) => ({ ...one, state: "ready" })),
    })),
  brokenDriver(
    "peeks the newest first",
    "13-inspect-peek",
    (driver) => looking(driver, { peek: async (...args) => (await driver.inspect!.peek!(...args)).toReversed() }),
  ),
  brokenDriver("forgets the attempts of what it peeks", "13-inspect-peek", (driver) =>
    looking(driver, {
      peek: async (...args) => (await driver.inspect!.peek!(...args)).map((one) => ({ ...one, attempts: 0 })),
    })),
  brokenDriver("peeks payloads without their headers", "13-inspect-whole", (driver) =>
    looking(driver, {
      peek: async (...args) => (await driver.inspect!.peek!(...args)).map((one) => ({ ...one, headers: {} })),
    })),
  brokenDriver("hides from a peek what cannot be read", "13-inspect-unreadable", (driver) =>
    looking(driver, {
      peek: async (...args) => (await driver.inspect!.peek!(...args)).filter(({ body }) => body.startsWith("{")),
    })),
  brokenDriver("takes a blocked message for a ready one", "13-inspect-blocked", (driver) =>
    looking(driver, {
      peek: async (...args) =>
        (await driver.inspect!.peek!(...args)).map((one) => one.state === "blocked" ? { ...one, state: "ready" } : one),
    })),
  brokenDriver("takes the newest message for the oldest", "13-inspect-oldest", (driver) =>
    looking(driver, {
      oldest: async (key, group, signal) =>
        (await driver.inspect!.peek!(key, { group, limit: 100 }, signal)).at(-1)?.publishedAt?.getTime(),
    })),
  brokenDriver("does not count what is in flight as the oldest", "13-inspect-oldest", (driver) =>
    looking(driver, {
      oldest: async (key, group, signal) =>
        (await driver.inspect!.peek!(key, { group, limit: 100 }, signal)).find(({ state }) => state === "ready")
          ?.publishedAt?.getTime(),
    })),
  brokenDriver("lists helper keys among the keys", "13-inspect-keys", (driver) =>
    looking(driver, {
      keys: async (cursor, signal) => {
        const { keys } = await driver.inspect!.keys!(cursor, signal);
        return { keys: keys.flatMap((key) => [key, `{${key}}:dead`]), cursor: undefined };
      },
    })),
  brokenDriver("lists no more than the first key", "13-inspect-keys", (driver) =>
    looking(driver, {
      keys: async (cursor, signal) => {
        const { keys } = await driver.inspect!.keys!(cursor, signal);
        return { keys: keys.slice(0, 1), cursor: undefined };
      },
    })),
  brokenDriver(
    "names only the default group",
    "13-inspect-groups",
    (driver) => looking(driver, { groups: () => Promise.resolve(["slack-mcp"]) }),
  ),
  brokenDriver("peeks for all groups alike", "13-inspect-groups", (driver) =>
    looking(driver, {
      peek: (key, options, signal) => driver.inspect!.peek!(key, { ...options, group: "nobody" }, signal),
    })),
];
