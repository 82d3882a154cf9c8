/**
 * What a broken backend is: the memory backend, wrong in one way.
 *
 * @module
 */
import type { DriverReceiveOptions, QueueDriver, RawDelivery, Settlement } from "../../core/driver.ts";
import type { FailureEvent } from "../../core/observer.ts";
import type { LeasingBackend, QueueBackend } from "../../core/protocol.ts";
import { alterDriver } from "../../testing/faults/alter_driver.ts";
import type { Broker, Harness } from "../../testing/harness.ts";
import { type MemoryCase, memoryHarness } from "../conformance/support/memory_harness.ts";

/** A backend that is wrong in one way. */
export interface Broken {
  /** What it does wrong. */
  readonly wrong: string;
  /** The id of the case that finds it. */
  readonly caughtBy: string;
  readonly harness: Harness;
}

/** Broken in its driver. */
export function brokenDriver(
  wrong: string,
  caughtBy: string,
  members: (driver: Required<QueueDriver>, about: MemoryCase) => Partial<QueueDriver>,
): Broken {
  const harness = memoryHarness(
    wrong,
    (driver, about) => alterDriver(driver, members(driver as Required<QueueDriver>, about)),
  );
  return { wrong, caughtBy, harness };
}

/** Where a backend that is broken above its driver hears of failures beneath. */
export interface Failures {
  on?: (event: FailureEvent) => void;
}

/** Broken above its driver: some of its methods are not the portable layer's. */
export function brokenBackend(
  wrong: string,
  caughtBy: string,
  members: (backend: LeasingBackend, failures: Failures) => Partial<LeasingBackend>,
): Broken {
  const whole = memoryHarness(wrong);
  const open = async (): Promise<Broker> => {
    const broker = await whole.open();
    const inner = new Map<QueueBackend, QueueBackend>();
    const of = (backend: QueueBackend) => inner.get(backend) ?? backend;
    return {
      ...broker,
      connect: async (options) => {
        const failures: Failures = {};
        const observer = { failed: (event: FailureEvent) => failures.on?.(event) };
        const backend = await broker.connect({ observer, ...options }) as LeasingBackend;
        const broken = alterBackend(backend, members(backend, failures));
        inner.set(broken, backend);
        return broken;
      },
      kill: (backend) => broker.kill!(of(backend)),
      delayResponses: (backend, ms) => broker.delayResponses!(of(backend), ms),
      loseNextReply: (backend, operation) => broker.loseNextReply!(of(backend), operation),
      failNext: (backend, ...rest) => broker.failNext!(of(backend), ...rest),
      failSomeOfNext: (backend, places) => broker.failSomeOfNext!(of(backend), places),
    };
  };
  return { wrong, caughtBy, harness: { ...whole, open } };
}

function alterBackend(backend: LeasingBackend, members: Partial<LeasingBackend>): LeasingBackend {
  return {
    name: backend.name,
    capabilities: backend.capabilities,
    deadLetters: backend.deadLetters,
    publish: (...args) => backend.publish(...args),
    publishBatch: (...args) => backend.publishBatch(...args),
    consume: (...args) => backend.consume(...args),
    receive: (...args) => backend.receive(...args),
    depth: (...args) => backend.depth(...args),
    health: (...args) => backend.health(...args),
    close: () => backend.close(),
    [Symbol.asyncDispose]: () => backend.close(),
    ...members,
  };
}

/** A receive whose options or deliveries are not what they should be. */
export function receiving(
  driver: Required<QueueDriver>,
  { ask = (options) => options, get = (raws) => raws }: {
    ask?(options: DriverReceiveOptions): DriverReceiveOptions;
    get?(raws: RawDelivery[], key: string, options: DriverReceiveOptions): RawDelivery[] | Promise<RawDelivery[]>;
  },
): NonNullable<QueueDriver["receive"]> {
  return async (key, options) => await get(await driver.receive(key, ask(options)), key, options);
}

/** A settle whose settlements are others than those asked for. */
export function settling(
  driver: Required<QueueDriver>,
  change: (settlement: Settlement) => Settlement,
): NonNullable<QueueDriver["settle"]> {
  return (key, group, settlements, signal) => driver.settle(key, group, settlements.map(change), signal);
}

/** The message with some members changed. A proxy, since a message's members may be getters of a class. */
export function alteredMessage<T extends object>(message: T, members: Partial<T>): T {
  return new Proxy(message, {
    get: (target, name) => name in members ? members[name as keyof T] : Reflect.get(target, name, target),
  });
}
