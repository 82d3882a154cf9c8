/**
 * The consumer: one handler, whether messages are pulled or pushed.
 *
 * @module
 */
import { abortSignal, callable, checkOptions, type Checks, checkValue, count, object, positive } from "./check.ts";
import { ConsumeError } from "./errors.ts";
import { kindOf } from "./json.ts";
import { type ConsumerOptions, type ConsumerSummary, noCounts, Policy } from "./policy.ts";
import type { QueueBackend, ReceiveOptions } from "./protocol.ts";
import { each, pull } from "./pull.ts";
import { type PushBatch, type PushDelivery, pushDelivery } from "./push.ts";

export type { ConsumerOptions, ConsumerSummary, DeadLetterSink, Handler } from "./policy.ts";
export type { PushBatch, PushMessage } from "./push.ts";

/** Options of {@link Consumer.run}. */
export type RunOptions = Omit<ReceiveOptions, "stopWhenEmpty">;

/** Options of {@link Consumer.drain}. */
export interface DrainOptions extends RunOptions {
  /** Milliseconds after which it has returned: what is not settled by then comes again. Default: 25,000. */
  readonly deadlineMs?: number;
}

/** Options of {@link Consumer.handleBatch}. */
export interface HandleBatchOptions {
  /** The key that deliveries tell. Default: the one that travelled with the message, else the queue's name. */
  readonly key?: string;
  /** Milliseconds after which no more messages are begun and the rest is handed back. Default: 600,000 (Cloudflare ends a batch after 15 min). */
  readonly deadlineMs?: number;
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
  /** Handles a batch that the platform pushed, by the same policy. Never rejects because of one message. */
  handleBatch(batch: PushBatch, options?: HandleBatchOptions): Promise<ConsumerSummary>;
}

const CONSUMER_CHECKS: Checks<ConsumerOptions> = {
  handler: callable,
  concurrency: count,
  maxAttempts: count,
  backoff: (value) => typeof value === "function" ? undefined : object(value),
  timeoutMs: positive,
  deadLetter: callable,
  observer: object,
  clock: object,
  random: callable,
};

const RUN_CHECKS: Checks<RunOptions> = {
  group: (value) => typeof value === "string" ? undefined : { allowed: "a string" },
  prefetch: count,
  leaseMs: positive,
  signal: abortSignal,
};

const DRAIN_CHECKS: Checks<DrainOptions> = { ...RUN_CHECKS, deadlineMs: positive };

const BATCH_CHECKS: Checks<HandleBatchOptions> = { key: RUN_CHECKS.group, deadlineMs: positive };

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
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`consumer options must be an object, found ${kindOf(options)}`);
  }
  checkValue("handler", options.handler, callable);
  checkOptions("consumer options", options, CONSUMER_CHECKS);
  const policy = new Policy(options);
  const concurrency = options.concurrency ?? 8;
  return {
    run: async (backend, key, runOptions = {}) => {
      checkOptions("run options", runOptions, RUN_CHECKS);
      return await pull(policy, concurrency, backend, key, runOptions);
    },
    drain: async (backend, key, drainOptions = {}) => {
      checkOptions("drain options", drainOptions, DRAIN_CHECKS);
      const { deadlineMs = 25_000, signal, ...rest } = drainOptions;
      const ending = new AbortController();
      const stopping = new AbortController();
      const onAbort = () => stopping.abort(signal?.reason);
      if (signal?.aborted) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
      const timer = policy.clock.setTimeout(() => {
        stopping.abort();
        ending.abort(new DOMException(`The deadline of ${deadlineMs} ms has passed`, "TimeoutError"));
      }, deadlineMs);
      try {
        const settings = { ...rest, signal: stopping.signal, stopWhenEmpty: true };
        return await pull(policy, concurrency, backend, key, settings, ending.signal);
      } finally {
        policy.clock.clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      }
    },
    handleBatch: async (batch, batchOptions = {}) => {
      checkOptions("batch options", batchOptions, BATCH_CHECKS);
      return await push(policy, concurrency, batch, batchOptions);
    },
  };
}

async function push(
  policy: Policy,
  concurrency: number,
  batch: PushBatch,
  { key, deadlineMs = 600_000 }: HandleBatchOptions,
): Promise<ConsumerSummary> {
  const counts = noCounts();
  const { deadLetter, observer } = policy.options;
  const ending = new AbortController();
  const timer = policy.clock.setTimeout(() => {
    ending.abort(new DOMException(`The batch's ${deadlineMs} ms are over`, "TimeoutError"));
  }, deadlineMs);
  const ended = new Promise<"retried">((resolve) => {
    ending.signal.addEventListener("abort", () => resolve("retried"), { once: true });
  });
  const failures: unknown[] = [];
  const handle = async (delivery: PushDelivery) => {
    if (ending.signal.aborted) {
      await delivery.retry();
      counts.retried += 1;
    } else if (delivery.malformed) {
      await delivery.deadLetter(new ConsumeError("malformed", "The body must be a JSON object"));
      counts.deadLettered += 1;
    } else {
      // A handler that outlives the batch must not take the platform's own limit along: its message goes back now.
      const outcome = await Promise.race([policy.apply(delivery, batch.queue, true), ended]);
      if (!delivery.settled) await delivery.retry();
      counts[outcome] += 1;
    }
  };
  try {
    const deliveries = (async function* () {
      for (const message of batch.messages) {
        yield pushDelivery(message, batch.queue, {
          ...key !== undefined && { key },
          ...deadLetter && { deadLetter },
          signal: ending.signal,
        });
      }
    })();
    // A message that cannot be settled is noted, and holds nothing back.
    await each(deliveries, concurrency, (delivery) => handle(delivery).catch((error) => void failures.push(error)));
  } finally {
    policy.clock.clearTimeout(timer);
  }
  for (const error of failures) {
    const wrapped = error instanceof ConsumeError
      ? error
      : new ConsumeError("internal", `Cannot settle a message of "${batch.queue}"`, { cause: error });
    observer?.failed?.({
      backend: batch.queue,
      key: key ?? batch.queue,
      operation: "settle",
      failures: 1,
      error: wrapped,
    });
  }
  return counts;
}
