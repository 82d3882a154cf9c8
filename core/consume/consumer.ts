/**
 * The consumer: one handler for messages that are pulled or pushed.
 *
 * @module
 */
import { DEFAULT_CONCURRENCY, DEFAULT_DRAIN_DEADLINE_MS, DEFAULT_TURN_SIZE } from "../defaults.ts";
import {
  abortSignal,
  checkOptions,
  checkValue,
  count,
  func,
  nonNegative,
  object,
  positive,
  type Validators,
} from "../util/validate.ts";
import { QueueError } from "../errors.ts";
import { type HandleBatchOptions, handlePushed } from "./push_handler.ts";
import type { ConsumerOptions } from "./options.ts";
import { type ConsumerSummary, DeliveryProcessor, noCounts } from "./processor.ts";
import type { Delivery, LeasingBackend, QueueBackend, ReceiveOptions } from "../protocol.ts";
import { limited } from "./limited.ts";
import { leave, pullDeliveries, type PullRun } from "./pull.ts";
import type { LaneSettings } from "./pull_lanes.ts";
import { pullPayloads } from "./pull_unleased.ts";
import type { PushBatch } from "./push.ts";
import { type GatherOptions, type TurnHandler, Turns } from "./turns.ts";

export { createBatchHandler, type HandleBatchOptions } from "./push_handler.ts";
export type { ConsumerOptions, DeadLetterSink, Handler } from "./options.ts";
export type { ConsumerSummary } from "./processor.ts";
export type { PushBatch, PushMessage } from "./push.ts";
export type { GatherOptions, TurnHandler } from "./turns.ts";

/** Options of {@link Consumer.run}. */
export type RunOptions = Omit<ReceiveOptions, "stopWhenEmpty" | "maxPerOrderingKey">;

/** Options of a consumer that pulls. */
export interface PullConsumerOptions extends ConsumerOptions {
  /**
   * Returns a text by which handlers are serialized **within this process**: of one text one handler runs at a time.
   * `undefined`: the delivery waits for no other. For publishers that give no ordering key, and backends that keep none.
   * Another process may handle another message of the same text at the same time, and a failed message comes again behind
   * later ones.
   *
   * @default none: handlers run side by side, and the broker keeps the order of ordering keys
   */
  readonly orderBy?: ((delivery: Delivery) => string | undefined) | undefined;
}

/** Options of a consumer that handles what waits of one ordering key together. */
export interface TurnConsumerOptions extends Omit<PullConsumerOptions, "handler"> {
  /** How messages are gathered into a turn. */
  readonly gather: GatherOptions;
  /** Called with the deliveries of each turn, in their order. */
  readonly handler: TurnHandler;
}

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

const GATHER_CHECKS: Validators<GatherOptions> = { max: count, quietMs: nonNegative };

const RUN_CHECKS: Validators<RunOptions> = {
  group: (value) => typeof value === "string" ? undefined : ["a string"],
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
 * With `gather` the handler is called with turns: what waits of one ordering key, together. Resolve acknowledges all
 * messages of the turn; throw retries those that the handler has not settled itself. Such a consumer, and one with
 * `orderBy`, pulls: its `handleBatch` rejects with code `"unsupported"`.
 *
 * @example What waits of one conversation, together
 * ```ts
 * import { createConsumer } from "@slack-mcp/queue";
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import assert from "node:assert/strict";
 *
 * await using backend = new MemoryBackend();
 * for (const n of [1, 2]) await backend.publish("slack_events", { n }, { orderingKey: "T1:D1" });
 * const turns: unknown[] = [];
 * const consumer = createConsumer({
 *   gather: { max: 10 },
 *   handler: (deliveries) => void turns.push(deliveries.map(({ payload }) => payload.n)),
 * });
 * await consumer.drain(backend, "slack_events");
 * assert.deepEqual(turns, [[1, 2]]);
 * ```
 *
 * @param options The handler, and how failures are retried.
 * @returns A consumer that can run over any backend.
 * @throws {TypeError | RangeError} An option that is not as described.
 */
export function createConsumer(options: TurnConsumerOptions): Consumer;
/** Makes a consumer whose handler is called with one delivery at a time. */
export function createConsumer(options: PullConsumerOptions): Consumer;
export function createConsumer(options: PullConsumerOptions | TurnConsumerOptions): Consumer {
  checkValue("consumer options", options, object);
  const { orderBy, gather, handler, ...rest } = options as Partial<TurnConsumerOptions>;
  if (orderBy !== undefined) checkValue("orderBy", orderBy, func);
  if (gather !== undefined) checkOptions("gather", gather, GATHER_CHECKS);
  checkValue("handler", handler, func);
  const turns = gather && new Turns(handler!);
  const processor = new DeliveryProcessor({
    ...rest,
    handler: turns ? turns.handleOne : handler as unknown as ConsumerOptions["handler"],
  }, limited);
  const lanes: LaneSettings | undefined = orderBy || turns
    ? { orderBy, turns, max: gather ? gather.max ?? DEFAULT_TURN_SIZE : 1, quietMs: gather?.quietMs ?? 0 }
    : undefined;
  const misconfigured = new Set<string>();
  return {
    run: async (backend, key, runOptions = {}) => {
      checkOptions("run options", runOptions, RUN_CHECKS);
      const seen = { orderingKey: false };
      return await pull({ processor, lanes, misconfigured, seen }, backend, key, runOptions);
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
        // A look at what is there waits for nothing more.
        const now = lanes && { ...lanes, quietMs: 0 };
        const total = noCounts();
        const seen = { orderingKey: false };
        do {
          seen.orderingKey = false;
          const pass = await pull(
            { processor, lanes: now, misconfigured, seen },
            backend,
            key,
            settings,
            ending.signal,
          );
          for (const name of Object.keys(total) as (keyof ConsumerSummary)[]) total[name] += pass[name];
          // A message that waits behind its ordering key becomes ready only when the handler before it is done.
        } while (seen.orderingKey && !stopping.signal.aborted);
        return { ...total };
      } finally {
        processor.clock.clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      }
    },
    handleBatch: async (batch, batchOptions) => {
      if (lanes === undefined) return await handlePushed(processor, batch, batchOptions);
      const reason = "gather and orderBy are for consumers that pull";
      throw new QueueError("unsupported", `Cannot handle a pushed batch: ${reason}`);
    },
  };
}

/** Pulls until the iteration ends, then lets running handlers finish; or returns at once when `ending` aborts. */
async function pull(
  consumer: Pick<PullRun, "processor" | "lanes" | "misconfigured" | "seen">,
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
  const { concurrency = DEFAULT_CONCURRENCY } = consumer.processor.options;
  const settings = { ...withoutUndefined(options), signal: stopping.signal };
  const run: PullRun = { ...consumer, concurrency, key, options: settings, stop, counts, ending };
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
