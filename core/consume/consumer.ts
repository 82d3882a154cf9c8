/**
 * The consumer: one handler, whether messages are pulled or pushed.
 *
 * @module
 */
import { DEFAULT_CONCURRENCY, DEFAULT_DRAIN_DEADLINE_MS } from "../defaults.ts";
import { abortSignal, checkOptions, count, positive, type Validators } from "../util/validate.ts";
import { createProcessor, type HandleBatchOptions, handlePushed } from "./push_handler.ts";
import type { ConsumerOptions, ConsumerSummary } from "./processor.ts";
import type { QueueBackend, ReceiveOptions } from "../protocol.ts";
import { pull } from "./pull.ts";
import type { PushBatch } from "./push.ts";

export { createBatchHandler, type HandleBatchOptions } from "./push_handler.ts";
export type { ConsumerOptions, ConsumerSummary, DeadLetterSink, Handler } from "./processor.ts";
export type { PushBatch, PushMessage } from "./push.ts";

/** Options of {@link Consumer.run}. */
export type RunOptions = Omit<ReceiveOptions, "stopWhenEmpty">;

/** Options of {@link Consumer.drain}. */
export interface DrainOptions extends RunOptions {
  /** Milliseconds after which it has returned: what is not settled by then comes again. Default: 25,000. */
  readonly deadlineMs?: number | undefined;
}

/** A consumer. */
export interface Consumer {
  /**
   * Pulls until the signal aborts or the backend closes, then lets what runs finish. Resolves with what it did.
   *
   * @throws {ConsumeError} The backend refuses for good, or a message would have been lost (no dead letters and no sink).
   */
  run(backend: QueueBackend, key: string, options?: RunOptions): Promise<ConsumerSummary>;
  /** Handles what is there, then resolves: for a cron-triggered Worker, or a script. */
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
 * Makes a consumer of a handler. Resolve is ack; throw is retry with backoff until `maxAttempts`, then dead letter
 * with the cause; `PermanentError` is dead letter at once.
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
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export function createConsumer(options: ConsumerOptions): Consumer {
  const processor = createProcessor(options);
  const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
  return {
    run: async (backend, key, runOptions = {}) => {
      checkOptions("run options", runOptions, RUN_CHECKS);
      return await pull(processor, concurrency, backend, key, runOptions);
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
        return await pull(processor, concurrency, backend, key, settings, ending.signal);
      } finally {
        processor.clock.clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      }
    },
    handleBatch: (batch, batchOptions) => handlePushed(processor, batch, batchOptions),
  };
}
