/**
 * The pull loop of a consumer.
 *
 * @module
 */
import { delay } from "../util/async.ts";
import { toCause } from "../cause.ts";
import { ConsumeError } from "../errors.ts";
import {
  type ConsumerSummary,
  type Counts,
  type DeliveryProcessor,
  noCounts,
  type SettlementActions,
} from "./processor.ts";
import type { Delivery, LeasingBackend, QueueBackend, ReceiveOptions } from "../protocol.ts";

function isLeasing(backend: QueueBackend): backend is LeasingBackend {
  return typeof (backend as Partial<LeasingBackend>).receive === "function";
}

/** Pulls deliveries and applies the policy to each, until the iteration ends. */
export async function pull(
  processor: DeliveryProcessor,
  concurrency: number,
  backend: QueueBackend,
  key: string,
  options: ReceiveOptions,
  ending?: AbortSignal,
): Promise<ConsumerSummary> {
  const counts = noCounts();
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  const { signal } = options;
  if (signal?.aborted) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  const settings = { ...dropUndefined(options), signal: stopping.signal };
  const [iterator, work] = isLeasing(backend)
    ? pullDeliveries(processor, concurrency, backend, key, settings, stop, counts, ending)
    : pullPayloads(processor, backend, key, settings, counts, ending);
  try {
    await (ending ? Promise.race([work, aborted(ending)]) : work);
  } finally {
    signal?.removeEventListener("abort", stop);
    // What nobody settles any more must not stay leased: a failure has left it, or the time is over.
    const left = leave(iterator);
    if (!ending?.aborted) await left;
  }
  return { ...counts };
}

/** What is pulled from, and the work that ends when it does. */
type Pulling = [iterator: AsyncIterator<unknown>, work: Promise<void>];

function pullDeliveries(
  processor: DeliveryProcessor,
  concurrency: number,
  backend: LeasingBackend,
  key: string,
  options: ReceiveOptions,
  stop: () => void,
  counts: Counts,
  ending: AbortSignal | undefined,
): Pulling {
  // Twice what runs: a handler that is done finds the next message here, and no more are held back from others.
  const deliveries = backend.receive(key, { prefetch: concurrency * 2, ...options });
  const work = each(deliveries, concurrency, stop, async (delivery) => {
    const settling = settlingOf(processor, backend, delivery);
    counts[await processor.process(delivery, backend.name, ending, settling)] += 1;
  });
  return [deliveries, work];
}

/** Settles as the delivery does, but for what the backend does not offer: dead letters are the sink's, delays none. */
function settlingOf(processor: DeliveryProcessor, backend: LeasingBackend, delivery: Delivery): SettlementActions {
  const { deadLetters = true, delay: delays = true } = backend.capabilities ?? {};
  const keepsDead = deadLetters || processor.options.deadLetter === undefined;
  if (keepsDead && delays) return delivery;
  return {
    ack: () => delivery.ack(),
    retry: ({ delayMs, reason }) => delivery.retry({ delayMs: delays ? delayMs : 0, reason }),
    deadLetter: async (reason) => {
      if (keepsDead) return await delivery.deadLetter(reason);
      return await toDeadLetterSink(processor, delivery, backend.name, reason) ? await delivery.ack() : undefined;
    },
  };
}

/**
 * Runs `handle` on each item, so many at a time. The first failure stops the iteration, also one that waits for an
 * item, and is thrown once all that runs is done.
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

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

async function leave(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // It is over all the same, and what it was about has been told already.
  }
}

/** A backend without leases: one payload at a time, tried again in place, acknowledged by asking for the next. */
function pullPayloads(
  processor: DeliveryProcessor,
  backend: QueueBackend,
  key: string,
  options: ReceiveOptions & { readonly signal: AbortSignal },
  counts: Counts,
  ending: AbortSignal | undefined,
): Pulling {
  const { signal } = options;
  const payloads = backend.consume(key, options);
  const name = (backend as Partial<LeasingBackend>).name ?? "queue";
  let waiting = false;
  // While a handler runs its payload stays in hand: leaving now would give it to another.
  const stop = () => waiting && void leave(payloads);
  const next = async () => {
    waiting = true;
    try {
      const asked = payloads.next();
      if (signal.aborted) stop();
      return await asked;
    } finally {
      waiting = false;
    }
  };
  const work = async () => {
    signal.addEventListener("abort", stop, { once: true });
    try {
      let n = 0;
      for (let result = await next(); !result.done && !signal.aborted; result = await next()) {
        n += 1;
        await handleInPlace(processor, name, counts, { key, payload: result.value, id: String(n) }, signal, ending);
      } // asked for once more after an abort: that acknowledges the last
    } catch (error) {
      // An abort during a wait is the end that was asked for: the message in hand goes back.
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
  return [payloads, work()];
}

async function handleInPlace(
  processor: DeliveryProcessor,
  name: string,
  counts: Counts,
  message: Pick<Delivery, "id" | "key" | "payload">,
  signal: AbortSignal,
  ending: AbortSignal | undefined,
): Promise<void> {
  for (let attempts = 1;; attempts++) {
    const delivery = implicitDelivery(message, attempts, signal);
    let againMs: number | undefined;
    const settling: SettlementActions = {
      ack: () => Promise.resolve(true),
      retry: ({ delayMs }) => {
        againMs = delayMs;
        return Promise.resolve(true);
      },
      deadLetter: (reason) => toDeadLetterSink(processor, delivery, name, reason),
    };
    counts[await processor.process(delivery, name, ending, settling)] += 1;
    if (againMs === undefined) return;
    await delay(againMs, processor.clock, signal);
  }
}

/** Gives a message to the sink. `undefined`: the sink failed, and the observer was told. */
async function toDeadLetterSink(
  processor: DeliveryProcessor,
  delivery: Delivery,
  name: string,
  reason: unknown,
): Promise<true | undefined> {
  const { deadLetter } = processor.options;
  if (deadLetter === undefined) {
    throw new ConsumeError(
      "unsupported",
      `Cannot give up a message of "${delivery.key}": the backend keeps no dead letters, and createConsumer has no deadLetter`,
      { key: delivery.key, cause: reason },
    );
  }
  try {
    await deadLetter(delivery, toCause(reason));
    return true;
  } catch (error) {
    processor.reportFailure("The deadLetter sink for", delivery, name, error);
    return undefined;
  }
}

function implicitDelivery(
  message: Pick<Delivery, "id" | "key" | "payload">,
  attempts: number,
  signal: AbortSignal,
): Delivery {
  const { key } = message;
  const unsupported = (what: string) =>
    Promise.reject(new ConsumeError("unsupported", `Cannot ${what}: the backend acknowledges by itself`, { key }));
  return {
    ...message,
    attempts,
    orderingKey: undefined,
    headers: {},
    publishedAt: undefined,
    signal,
    ack: () => Promise.resolve(true),
    retry: () => unsupported("retry a single message"),
    deadLetter: () => unsupported("dead-letter a single message"),
    extend: () => unsupported("extend a lease"),
  };
}

/** Options that were not given must not hide defaults. */
function dropUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
