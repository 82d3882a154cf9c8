/**
 * The pull loop of a consumer.
 *
 * @module
 */
import { delay } from "./clock.ts";
import { toCause } from "./delivery.ts";
import { ConsumeError } from "./errors.ts";
import { type ConsumerSummary, noCounts, type Policy } from "./policy.ts";
import type { Delivery, JsonObject, LeasingBackend, QueueBackend, ReceiveOptions } from "./protocol.ts";

function isLeasing(backend: QueueBackend): backend is LeasingBackend {
  return typeof (backend as Partial<LeasingBackend>).receive === "function";
}

/** Pulls deliveries and applies the policy to each, until the iteration ends. */
export async function pull(
  policy: Policy,
  concurrency: number,
  backend: QueueBackend,
  key: string,
  options: ReceiveOptions,
  ending?: AbortSignal,
): Promise<ConsumerSummary> {
  if (!isLeasing(backend)) return await pullPayloads(policy, backend, key, options, ending);
  const counts = noCounts();
  const { name, capabilities } = backend;
  // Twice what runs: a handler that is done finds the next message here, and no more are held back from others.
  const deliveries = backend.receive(key, { prefetch: concurrency * 2, ...dropUndefined(options) });
  const keepsDead = capabilities?.deadLetters !== false;
  const leave = () => void deliveries.return?.();
  ending?.addEventListener("abort", leave, { once: true });
  const work = each(deliveries, concurrency, async (delivery) => {
    counts[await policy.apply(delivery, name, keepsDead, ending)] += 1;
  });
  try {
    await (ending ? Promise.race([work, aborted(ending)]) : work);
  } finally {
    ending?.removeEventListener("abort", leave);
  }
  return { ...counts };
}

/**
 * Runs `handle` on each item, so many at a time. The first failure ends the iteration and is thrown, once all that
 * runs is done.
 */
export async function each<T>(
  items: AsyncIterableIterator<T>,
  concurrency: number,
  handle: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  let running = 0;
  let freed: (() => void) | undefined;
  const start = (item: T) => {
    running += 1;
    handle(item).catch((error) => failures.push(error)).finally(() => {
      running -= 1;
      freed?.();
    });
  };
  const slot = () => new Promise<void>((resolve) => freed = resolve);
  try {
    for await (const item of items) {
      start(item);
      while (running >= concurrency) await slot();
      if (failures.length > 0) break;
    }
  } catch (error) {
    failures.push(error);
  }
  while (running > 0) await slot();
  if (failures.length > 0) throw failures[0];
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** A backend without leases: one payload at a time, tried again in place, acknowledged by asking for the next. */
async function pullPayloads(
  policy: Policy,
  backend: QueueBackend,
  key: string,
  options: ReceiveOptions,
  ending: AbortSignal | undefined,
): Promise<ConsumerSummary> {
  const counts = noCounts();
  const payloads = backend.consume(key, dropUndefined(options));
  const { signal } = options;
  const stop = () => void payloads.return?.();
  signal?.addEventListener("abort", stop, { once: true });
  let n = 0;
  try {
    for await (const payload of payloads) {
      n += 1;
      for (let attempts = 1;; attempts++) {
        const delivery = implicitDelivery(key, payload, attempts, String(n), signal);
        const failure = await policy.attempt(delivery, ending);
        if (failure === undefined) {
          counts.acked += 1;
          break;
        }
        if (policy.isFinal(failure.error, attempts)) {
          await buryImplicit(policy, delivery, failure.error);
          counts.deadLettered += 1;
          break;
        }
        counts.retried += 1;
        await delay(policy.waitMs(attempts, failure.error), policy.clock, signal);
      }
      if (signal?.aborted) break;
    }
  } catch (error) {
    // An abort during a wait is the end that was asked for: the message in hand goes back.
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  return counts;
}

async function buryImplicit(policy: Policy, delivery: Delivery, error: unknown): Promise<void> {
  const { deadLetter } = policy.options;
  if (deadLetter === undefined) {
    throw new ConsumeError(
      "unsupported",
      `Cannot give up a message of "${delivery.key}": the backend keeps no dead letters, and createConsumer has no deadLetter`,
      { key: delivery.key, cause: error },
    );
  }
  await deadLetter(delivery, toCause(error));
}

function implicitDelivery(
  key: string,
  payload: JsonObject,
  attempts: number,
  id: string,
  signal?: AbortSignal,
): Delivery {
  const unsupported = (what: string) =>
    Promise.reject(new ConsumeError("unsupported", `Cannot ${what}: the backend acknowledges by itself`, { key }));
  return {
    id,
    key,
    payload,
    attempts,
    headers: {},
    publishedAt: undefined,
    signal: signal ?? new AbortController().signal,
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
