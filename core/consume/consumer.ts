/**
 * The consumer: one handler for messages that are pulled or pushed.
 *
 * @module
 */
import { DEFAULT_CONCURRENCY, DEFAULT_DRAIN_DEADLINE_MS } from "../defaults.ts";
import { abortSignal, checkOptions, count, positive, type Validators } from "../util/validate.ts";
import { type HandleBatchOptions, handlePushed } from "./push_handler.ts";
import type { ConsumerOptions } from "./options.ts";
import { type ConsumerSummary, DeliveryProcessor, noCounts } from "./processor.ts";
import type { LeasingBackend, QueueBackend, ReceiveOptions } from "../protocol.ts";
import { leave, pullDeliveries, type PullRun } from "./pull.ts";
import { pullPayloads } from "./pull_unleased.ts";
import type { PushBatch } from "./push.ts";

export { createBatchHandler, type HandleBatchOptions } from "./push_handler.ts";
export type { ConsumerOptions, DeadLetterSink, Handler } from "./options.ts";
export type { ConsumerSummary } from "./processor.ts";
export type { PushBatch, PushMessage } from "./push.ts";

/** Options of {@link Consumer.run}. */
export type RunOptions = Omit<ReceiveOptions, "stopWhenEmpty">;

/** Options of {@link Consumer.drain}. */
export interface DrainOptions extends RunOptions {
  /**
   * Milliseconds after which `drain` has returned. Messages that are not settled by then come again.
   *
   * @default 25_000
   */
  readonly deadlineMs?: number | undefined;
}

/** Runs one handler over messages. */
export interface Consumer {
  /**
   * Pulls until the signal aborts or the backend closes, then lets running handlers finish.
   *
   * @returns The number of deliveries by outcome.
   *
   * @throws {ConsumeError} The backend refuses for good, or a message would have been lost (no dead letters and no sink).
   */
  run(backend: QueueBackend, key: string, options?: RunOptions): Promise<ConsumerSummary>;
  /** Handles the messages that are ready, then resolves: for a cron-triggered Worker, or a script. */
  drain(backend: QueueBackend, key: string, options?: DrainOptions): Promise<ConsumerSummary>;
  /** Handles a batch that the platform pushed, by the same processor. Never rejects because of one message. */
  handleBatch(batch: PushBatch, options?: HandleBatchOptions): Promise<ConsumerSummary>;
}

const RUN_CHECKS: Validators<RunOptions> = {
  group: (value) => typeof value === "string" ? undefined : { allowed: "a string" },
  prefetch: count,
  leaseMs: positive,
  signal: abortSignal,
};

/**
 * Creates a consumer. A message is acknowledged when the handler resolves. When it throws, the message comes again after a
 * backoff, and after `maxAttempts` deliveries it goes to the dead letters with the cause; after a `PermanentError`, at once.
 *
 * @example
 * ```ts
 * import { createConsumer } from "@slack-mcp/queue";
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import assert from "node:assert/strict";
 *
 * await using backend = new MemoryBackend();
 * await backend.publish("slack_events", { n: 1 });
 * const consumer = createConsumer({
 *   handler: ({ payload }) => assert.deepEqual(payload, { n: 1 }),
 * });
 * assert.equal((await consumer.drain(backend, "slack_events")).acked, 1);
 * ```
 *
 * @param options The handler, and how failures are retried.
 * @returns A consumer that can run over any backend.
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export function createConsumer(options: ConsumerOptions): Consumer {
  const processor = new DeliveryProcessor(options);
  return {
    run: async (backend, key, runOptions = {}) => {
      checkOptions("run options", runOptions, RUN_CHECKS);
      return await pull(processor, backend, key, runOptions);
    },
    drain: async (backend, key, drainOptions = {}) => {
      checkOptions(
        "drain options",
        drainOptions,
        { ...RUN_CHECKS, deadlineMs: positive } satisfies Validators<DrainOptions>,
      );
      const { deadlineMs = DEFAULT_DRAIN_DEADLINE_MS, signal, ...rest } = drainOptions;
      const ending = new AbortController();
      const stopping = new AbortController();
      const onAbort = () => stopping.abort(signal?.reason);
      if (signal?.aborted) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
      const timer = processor.clock.setTimeout(() => {
        stopping.abort();
        ending.abort(new DOMException(`The deadline of ${deadlineMs} ms has passed`, "TimeoutError"));
      }, deadlineMs);
      try {
        const settings = { ...rest, signal: stopping.signal, stopWhenEmpty: true };
        return await pull(processor, backend, key, settings, ending.signal);
      } finally {
        processor.clock.clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      }
    },
    handleBatch: (batch, batchOptions) => handlePushed(processor, batch, batchOptions),
  };
}

/** Pulls until the iteration ends, then lets running handlers finish; or returns at once when `ending` aborts. */
async function pull(
  processor: DeliveryProcessor,
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
  const { concurrency = DEFAULT_CONCURRENCY } = processor.options;
  const settings = { ...withoutUndefined(options), signal: stopping.signal };
  const run: PullRun = { processor, concurrency, key, options: settings, stop, counts, ending };
  const [iterator, work] = hasReceive(backend) ? pullDeliveries(backend, run) : pullPayloads(backend, run);
  try {
    await (ending ? Promise.race([work, aborted(ending)]) : work);
  } finally {
    signal?.removeEventListener("abort", stop);
    // A delivery that is not settled any more must not stay leased: a failure has left it, or the time is over.
    const left = leave(iterator);
    if (!ending?.aborted) await left;
  }
  return { ...counts };
}

function hasReceive(backend: QueueBackend): backend is LeasingBackend {
  return typeof (backend as Partial<LeasingBackend>).receive === "function";
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Removes options that are `undefined`: they would hide defaults. */
function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
