/**
 * Batches that the platform pushes, processed by the same policy as messages that are pulled.
 *
 * @module
 */
import { DEFAULT_BATCH_DEADLINE_MS, DEFAULT_CONCURRENCY } from "../defaults.ts";
import { checkOptions, positive, text, type Validators } from "../util/validate.ts";
import { QueueError } from "../errors.ts";
import { withDeadline } from "../util/async.ts";
import { type ConsumerSummary, type Counts, DeliveryProcessor, noCounts, setupDelayMs } from "./processor.ts";
import type { ConsumerOptions } from "./options.ts";
import { limitPushed, type PushBatch, type PushDelivery, pushDelivery, wholeSeconds } from "./push.ts";

/** Options of one pushed batch. */
export interface HandleBatchOptions {
  /**
   * The key of the deliveries.
   *
   * @default the key that travelled with the message, else the queue's name
   */
  readonly key?: string | undefined;
  /**
   * Milliseconds after which no more messages are begun and the rest is handed back.
   *
   * @default 600_000, since Cloudflare ends a batch after 15 minutes
   */
  readonly deadlineMs?: number | undefined;
}

/**
 * Makes the `queue()` handler of a Worker: the processor of a consumer without the pull loop in the bundle.
 *
 * The options may be given by a function, which is called for each batch. A {@link ConfigError} that it throws is no
 * fault of the messages: all of the batch is retried, the first time after 15 minutes and after twice as long each
 * further time, and the error is thrown, so that it is in the platform's log.
 *
 * @example
 * ```ts
 * import { createBatchHandler, type PushBatch } from "@slack-mcp/queue";
 *
 * const handleBatch = createBatchHandler({ handler: ({ payload }) => void payload });
 *
 * // export default
 * const worker = { queue: (batch: PushBatch) => handleBatch(batch) };
 * ```
 *
 * @param options The consumer's options, or a function that makes them.
 * @returns A function that settles every message of a batch.
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export function createBatchHandler(
  options: ConsumerOptions | (() => ConsumerOptions),
): (batch: PushBatch, options?: HandleBatchOptions) => Promise<ConsumerSummary> {
  const made = typeof options === "function" ? undefined : new DeliveryProcessor(options, limitPushed);
  return async (batch, batchOptions) => {
    let processor: DeliveryProcessor;
    try {
      processor = made ?? new DeliveryProcessor((options as () => ConsumerOptions)(), limitPushed);
    } catch (error) {
      for (const message of batch.messages) {
        const delayMs = setupDelayMs(error, message.attempts);
        if (delayMs) message.retry({ delaySeconds: wholeSeconds(delayMs) });
      }
      throw error;
    }
    return await handlePushed(processor, batch, batchOptions);
  };
}

/** Handles one batch. Never rejects because of one message. */
export async function handlePushed(
  processor: DeliveryProcessor,
  { queue, messages }: PushBatch,
  options: HandleBatchOptions = {},
): Promise<ConsumerSummary> {
  checkOptions(
    "batch options",
    options,
    {
      key: text,
      deadlineMs: positive,
    } satisfies Validators<HandleBatchOptions>,
  );
  const { key, deadlineMs = DEFAULT_BATCH_DEADLINE_MS } = options;
  const { options: { deadLetter, concurrency = DEFAULT_CONCURRENCY }, waiting } = processor;
  const counts = noCounts();
  await withDeadline(
    processor.clock,
    deadlineMs,
    () => new QueueError("timeout", `Cannot handle the batch: it took longer than ${deadlineMs} ms`),
    undefined,
    async ({ signal }) => {
      const ended = new Promise<"retried">((resolve) => signal.addEventListener("abort", () => resolve("retried")));
      const handle = async (delivery: PushDelivery): Promise<keyof Counts> => {
        // A handler that outlives the batch must not take the platform's own limit along: its message goes back now.
        const outcome = await (signal.aborted ? ended : Promise.race([processor.process(delivery, queue), ended]));
        if (!delivery.settlement) await delivery.retry();
        return outcome;
      };
      const rest = messages.values();
      await Promise.all(Array.from({ length: concurrency }, async () => {
        for (const message of rest) {
          const delivery = await pushDelivery(message, queue, { key, deadLetter, signal, waiting });
          try {
            counts[await handle(delivery)] += 1;
          } catch (cause) {
            // A message that cannot be settled is reported, and holds nothing back.
            processor.reportFailure("Cannot settle a message: the platform refused", delivery, queue, cause);
          }
        }
      }));
    },
  );
  return counts;
}
