/**
 * Checks that a driver offers what it declares, before the first message depends on it.
 *
 * @module
 */
import type { QueueDriver } from "./driver.ts";
import type { Capabilities } from "./protocol.ts";
import { kindOf } from "./util/json.ts";

type Flag = Exclude<
  keyof Capabilities,
  "inspect" | "order" | "consume" | "maxPayloadBytes" | "idleCostPerHour" | "costPerMessage"
>;

/** Each capability that is true or false. A record, so that the type checker finds a new one missing here. */
const FLAGS: Readonly<Record<Flag, true>> = {
  durable: true,
  delay: true,
  ttl: true,
  dedup: true,
  groups: true,
  deadLetters: true,
  replay: true,
  fencing: true,
  extend: true,
  release: true,
  attempts: true,
  headers: true,
  maxLength: true,
  depth: true,
  orderingKeys: true,
};

const METHODS = ["send", "classify", "close"] as const;
const OPTIONAL_METHODS = [
  "connect",
  "receive",
  "unsubscribe",
  "settle",
  "extend",
  "depth",
  "observeConnection",
  "ping",
  "diagnose",
  "dropQueue",
  "retryAfterMs",
] as const;
const INSPECTIONS = ["keys", "groups", "oldest", "peek"] as const;
const LIMITS = ["maxBatchMessages", "maxBatchBytes", "maxSettleBatch", "maxWaitMs", "maxDelayMs"] as const;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isNumber(value: unknown, min: number): boolean {
  return typeof value === "number" && value >= min;
}

/** Shows a declared value: short, and quoted where it is text. */
function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(kindOf(value));
}

/** Finds what is wrong with the types of the driver's members. */
function* wrongMembers(driver: QueueDriver): Generator<string> {
  const members = driver as unknown as Record<string, unknown>;
  for (const name of METHODS) {
    if (typeof members[name] !== "function") yield `${name} must be a method, found ${kindOf(members[name])}`;
  }
  for (const name of OPTIONAL_METHODS) {
    const member = members[name];
    if (member !== undefined && typeof member !== "function") {
      yield `${name} must be a method or absent, found ${kindOf(member)}`;
    }
  }
  for (const name of LIMITS) {
    const limit = members[name];
    if (limit !== undefined && !(isNumber(limit, 0) && limit as number > 0)) {
      yield `${name} must be a positive number or absent, found ${limit}`;
    }
  }
}

/** Finds capabilities that are missing or of the wrong type. */
function* wrongCapabilities(capabilities: Capabilities): Generator<string> {
  const declared = capabilities as unknown as Record<string, unknown>;
  for (const name of Object.keys(FLAGS)) {
    if (typeof declared[name] !== "boolean") {
      yield `capabilities.${name} must be true or false, found ${shown(declared[name])}`;
    }
  }
  if (declared.inspect !== undefined && typeof declared.inspect !== "boolean") {
    yield `capabilities.inspect must be true, false or absent, found ${shown(declared.inspect)}`;
  }
  if (declared.order !== "fifo" && declared.order !== "best-effort") {
    yield `capabilities.order must be "fifo" or "best-effort", found ${shown(declared.order)}`;
  }
  if (declared.consume !== "pull" && declared.consume !== "push" && declared.consume !== "both") {
    yield `capabilities.consume must be "pull", "push" or "both", found ${shown(declared.consume)}`;
  }
  if (!isNumber(declared.maxPayloadBytes, 1)) {
    yield `capabilities.maxPayloadBytes must be a number of bytes, found ${shown(declared.maxPayloadBytes)}`;
  }
  for (const name of ["idleCostPerHour", "costPerMessage"] as const) {
    const cost = declared[name];
    if (name === "costPerMessage" && cost === undefined) continue;
    if (!isNumber(cost, 0)) yield `capabilities.${name} must be a number of at least 0, found ${shown(cost)}`;
  }
}

/** Finds capabilities that are declared and that no member of the driver could keep. */
function* brokenPromises(driver: QueueDriver): Generator<string> {
  const { capabilities: { consume, extend, depth, deadLetters, replay, inspect } } = driver;
  if (consume !== "push") {
    for (const name of ["receive", "settle"] as const) {
      if (!driver[name]) yield `capabilities.consume is "${consume}", and the driver has no ${name}()`;
    }
  }
  if (extend && !driver.extend) yield "capabilities.extend is true, and the driver has no extend()";
  if (depth && !driver.depth) yield "capabilities.depth is true, and the driver has no depth()";
  if (deadLetters && !driver.deadLetters) {
    yield "capabilities.deadLetters is true, and the driver has no deadLetters";
  }
  if (replay && !driver.deadLetters?.replay) {
    yield "capabilities.replay is true, and the driver has no deadLetters.replay()";
  }
  if (inspect && !INSPECTIONS.some((name) => driver.inspect?.[name])) {
    yield `capabilities.inspect is true, and the driver's inspect has none of ${INSPECTIONS.join(", ")}`;
  }
}

/**
 * Refuses a driver that is not one, or that declares what it does not offer. `createBackend` calls it; a class that extends
 * `PortableBackend` passes its driver through.
 *
 * @example
 * ```ts
 * import { checkDriver, PortableBackend } from "@slack-mcp/queue/driver";
 * import { MemoryDriver } from "@slack-mcp/queue/memory";
 * import assert from "node:assert/strict";
 *
 * class MyBackend extends PortableBackend {
 *   constructor() {
 *     super(checkDriver(new MemoryDriver())); // in place of your own
 *   }
 * }
 * assert.equal(new MyBackend().name, "memory");
 * ```
 *
 * @param driver What the author of a backend wrote.
 * @returns The driver.
 * @throws {TypeError} One sentence for each problem, in one error.
 */
export function checkDriver<Driver extends QueueDriver>(driver: Driver): Driver {
  if (!isRecord(driver)) throw new TypeError(`driver must be an object, found ${kindOf(driver)}`);
  const { name, capabilities } = driver;
  if (typeof name !== "string" || name === "") {
    throw new TypeError(`Cannot create a backend: the driver's name must be non-empty text, found ${kindOf(name)}`);
  }
  const found = [...wrongMembers(driver)];
  if (isRecord(capabilities)) {
    const wrong = [...wrongCapabilities(capabilities)];
    found.push(...wrong, ...wrong.length === 0 ? brokenPromises(driver) : []);
  } else {
    found.push(`capabilities must be an object, found ${kindOf(capabilities)}`);
  }
  if (found.length === 0) return driver;
  throw new TypeError(`Cannot create a backend of the driver "${name}": ${found.join("; ")}`);
}
