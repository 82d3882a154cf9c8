/**
 * Pulls deliveries under lease, for backends that offer `receive`.
 *
 * @module
 */
import { toDeadLetterSink } from "./dead_letter_sink.ts";
import {
  type Counts,
  type DeliveryProcessor,
  isConfigError,
  type Releasable,
  type SettlementActions,
} from "./processor.ts";
import type { Delivery, LeasingBackend, ReceiveOptions, RetryDeliveryOptions } from "../protocol.ts";
import { DEFAULT_PREFETCH, SETUP_WAIT_MS } from "../defaults.ts";
import { delay } from "../util/async.ts";
import { checkGather, type LaneSettings, pullInLanes } from "./pull_lanes.ts";

/** The dependencies of one run of a consumer. */
export interface PullRun {
  readonly processor: DeliveryProcessor;
  /** The most handlers that run at once. */
  readonly concurrency: number;
  readonly key: string;
  /** The options of `receive` or `consume`; the signal stops the run. */
  readonly options: ReceiveOptions & { readonly signal: AbortSignal };
  /** Stops the run: aborts the signal. */
  readonly stop: () => void;
  /** Counts the outcomes. */
  readonly counts: Counts;
  /** Aborts when the run must have ended, whatever handlers still do. */
  readonly ending: AbortSignal | undefined;
  /** Ids of messages whose handlers failed with a `ConfigError`, where the backend counts each delivery. */
  readonly misconfigured: Set<string>;
  /** Set when a delivery with an ordering key was processed: others may wait behind it. */
  readonly seen: { orderingKey: boolean };
  /** How handlers are ordered; `undefined`: they run side by side. */
  readonly lanes: LaneSettings | undefined;
}

/** The most ids that are remembered. */
const MAX_REMEMBERED = 10_000;

/** The iterator that is pulled from, and the work that ends when it does. */
export type Pulling = [iterator: AsyncIterator<unknown>, work: Promise<void>];

/** Pulls deliveries and processes each, until the iteration ends. */
export function pullDeliveries(backend: LeasingBackend, run: PullRun): Pulling {
  const { processor, concurrency, key, options, stop, counts, lanes, seen } = run;
  const postpone = postponing(backend, run);
  const processOne = async (delivery: Delivery) => {
    seen.orderingKey ||= delivery.orderingKey !== undefined;
    counts[await processor.process(delivery, backend.name, settlingOf(run, backend, delivery, postpone))] += 1;
  };
  if (lanes) {
    checkGather(backend, key, lanes);
    const maxPerOrderingKey = lanes.turns && !lanes.orderBy ? lanes.max : 1;
    const prefetch = Math.max((concurrency + 1) * lanes.max, DEFAULT_PREFETCH);
    const deliveries = backend.receive(key, { prefetch, maxPerOrderingKey, ...options });
    const work = pullInLanes(deliveries, backend, lanes, {
      concurrency,
      clock: processor.clock,
      process: processOne,
      reportFailure: (delivery, error) => processor.reportFailure("The orderBy of", delivery, backend.name, error),
      stop,
      stopped: () => options.signal.aborted,
    });
    return [deliveries, work];
  }
  // Twice what runs: a handler that is done finds the next message here, and no more are held back from others.
  const deliveries = backend.receive(key, { prefetch: concurrency * 2, ...options });
  return [deliveries, each(deliveries, concurrency, stop, processOne)];
}

/**
 * Settles as the delivery does, and postpones it after a `ConfigError`. Where the backend keeps no dead letters, the sink
 * gets them; where it has no delays, a retry has none.
 */
function settlingOf(
  { processor, misconfigured, ending }: PullRun,
  backend: LeasingBackend,
  delivery: Delivery,
  postpone: (delivery: Delivery, options: RetryDeliveryOptions) => Promise<boolean>,
): SettlementActions {
  const { deadLetters = true, delay: delays = true } = backend.capabilities ?? {};
  const keepsDead = deadLetters || processor.options.deadLetter === undefined;
  return {
    anyAttempt: misconfigured.delete(delivery.id),
    ending,
    ack: () => delivery.ack(),
    retry: (options) => {
      const possible = delays ? options : { ...options, delayMs: 0 };
      return isConfigError(options.reason) ? postpone(delivery, possible) : delivery.retry(possible);
    },
    deadLetter: async (reason) => {
      if (keepsDead) return await delivery.deadLetter(reason);
      return await toDeadLetterSink(processor, delivery, backend.name, reason) ? await delivery.ack() : undefined;
    },
  };
}

/**
 * Postpones messages after a `ConfigError`, which must not use up their attempts: `maxAttempts` would move them to the dead
 * letters, or the consumer that starts once the set-up is right. So from half of the attempts on, a message is kept under
 * its lease for the wait, and given back uncounted. Where each delivery counts, this consumer remembers whose attempts say
 * nothing.
 */
function postponing(
  backend: LeasingBackend,
  { processor, misconfigured, options: { signal }, ending }: PullRun,
): (delivery: Delivery, options: RetryDeliveryOptions) => Promise<boolean> {
  const { release = false, delay: delays = true } = backend.capabilities ?? {};
  return async (delivery: Releasable, options) => {
    if (!release || !delivery.release) {
      if (misconfigured.size >= MAX_REMEMBERED) misconfigured.clear();
      misconfigured.add(delivery.id);
    } else if (!delays || delivery.attempts * 2 > processor.maxAttempts) {
      const over = AbortSignal.any([signal, delivery.signal, ...ending ? [ending] : []]);
      await delay(SETUP_WAIT_MS, processor.clock, over).catch(() => undefined); // at the end of the run it goes back at once
      return await delivery.release();
    }
    return await delivery.retry(options);
  };
}

/**
 * Runs `handle` on each item, at most `concurrency` at a time.
 *
 * @throws The first failure, once everything that runs is done. It stops the iteration, also one that waits.
 */
async function each<T>(
  items: AsyncIterableIterator<T>,
  concurrency: number,
  stop: () => void,
  handle: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  let running = 0;
  let freed: (() => void) | undefined;
  const fail = (error: unknown) => {
    failures.push(error);
    stop();
  };
  const start = (item: T) => {
    running += 1;
    handle(item).catch(fail).finally(() => {
      running -= 1;
      freed?.();
    });
  };
  const slot = () => new Promise<void>((resolve) => freed = resolve);
  try {
    // Not `for await`: leaving it would leave the leases of all that still runs.
    for (let next = await items.next(); !next.done; next = await items.next()) {
      start(next.value);
      while (running >= concurrency) await slot();
    }
  } catch (error) {
    fail(error);
  }
  while (running > 0) await slot();
  if (failures.length > 0) throw failures[0];
}

/** Leaves an iteration, whatever state it is in. */
export async function leave(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // The iteration has ended, and its failure was reported where it happened.
  }
}
