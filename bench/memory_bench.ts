/**
 * The memory backend: publish → consume → ack through the whole portable layer, in one process.
 *
 * An absolute rate depends on the machine, so beside it stands what the same machine does with a bare array and one
 * promise a message in the same run. Growth is a ratio: the cost of a message with a long backlog to that with a short one.
 *
 * @module
 */
import type { OutgoingMessage } from "@slack-mcp/queue";
import { MemoryBackend } from "@slack-mcp/queue/memory";
import { figure, Report } from "./report.ts";

const BATCH = 1_000;
const ROUNDS = 12;
const payload = { type: "event_callback", event_id: "Ev0PV52K21", team_id: "T061EG9R6" };
const messages: readonly OutgoingMessage[] = Array.from({ length: BATCH }, () => ({ payload }));
const keyed = messages.map((message, n) => ({ ...message, orderingKey: `T061EG9R6:C061EG9SL:${n % 500}` }));

/** Milliseconds that it takes. */
async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Returns the fastest of several rounds after one that does not count: other work of the machine only makes rounds slower. */
async function fastest(work: () => Promise<number>): Promise<number> {
  await work();
  const rates: number[] = [];
  for (let i = 0; i < ROUNDS; i++) rates.push(await work());
  return Math.max(...rates);
}

/** Messages a second through a bare array: what iteration and one promise a message cost here. */
async function bare(count: number): Promise<number> {
  const ms = await timed(async () => {
    for (let i = 0; i < count; i += BATCH) {
      const queue = messages.map((message) => ({ ...message.payload }));
      while (queue.length > 0) await Promise.resolve(queue.pop());
    }
  });
  return count / ms * 1_000;
}

/** Messages a second, published in batches and consumed in a loop that acknowledges by asking. */
async function flow(count: number, batch = messages): Promise<number> {
  await using backend = new MemoryBackend();
  let seen = 0;
  const ms = await timed(async () => {
    const produced = (async () => {
      for (let i = 0; i < count; i += BATCH) await backend.publishBatch("slack_events", batch);
    })();
    for await (const _ of backend.consume("slack_events", { prefetch: BATCH })) if (++seen === count) break;
    await produced;
  });
  return count / ms * 1_000;
}

/** Returns messages a second, each published once the one before is confirmed. */
async function awaited(count: number): Promise<number> {
  await using backend = new MemoryBackend();
  const ms = await timed(async () => {
    for (let i = 0; i < count; i++) await backend.publish("slack_events", payload);
  });
  return count / ms * 1_000;
}

/** Returns messages a second, each published by itself, a thousand before any is confirmed. */
async function atOnce(count: number): Promise<number> {
  await using backend = new MemoryBackend();
  const ms = await timed(async () => {
    for (let i = 0; i < count; i += BATCH) {
      await Promise.all(messages.map((message) => backend.publish("slack_events", message.payload)));
    }
  });
  return count / ms * 1_000;
}

/**
 * Returns nanoseconds per message, over many small steps, while `backlog` others wait. The backlog is made once: only
 * what passes through is timed, not the collection of the backlog.
 */
async function withBacklog(backlog: number): Promise<number> {
  await using backend = new MemoryBackend();
  for (let i = 0; i < backlog; i += BATCH) await backend.publishBatch("slack_events", messages);
  const consumer = backend.consume("slack_events", { prefetch: BATCH });
  const steps = 100_000;
  const perMs = await fastest(async () => {
    const ms = await timed(async () => {
      for (let i = 0; i < steps; i += BATCH) {
        await backend.publishBatch("slack_events", messages);
        for (let n = 0; n < BATCH; n++) await consumer.next();
      }
    });
    return steps / ms;
  });
  await consumer.return?.();
  return 1e6 / perMs;
}

/** Returns the bytes of the heap after `count` messages have passed through, divided by those before. */
async function heapGrowth(count: number): Promise<number> {
  await using backend = new MemoryBackend();
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
  const step = async (n: number) => {
    const consumer = backend.consume("slack_events", { prefetch: BATCH });
    for (let i = 0; i < n; i += BATCH) {
      await backend.publishBatch("slack_events", messages);
      for (let m = 0; m < BATCH; m++) await consumer.next();
    }
    await consumer.return?.();
    collect();
    return Deno.memoryUsage().heapUsed;
  };
  const before = await step(100_000);
  return await step(count) / before;
}

const report = new Report(52, ROUNDS);
const perSecond = (n: number) => `${figure(n)}/s`;
// Before the long backlogs: what they leave to the collector would count.
await report.compare("with 500 ordering keys / without", [(n) => flow(n, keyed), 200_000], [flow, 200_000], 0.8);
const bareRate = await fastest(() => bare(200_000));
const rate = await fastest(() => flow(500_000));
const awaitedRate = await fastest(() => awaited(50_000));
const atOnceRate = await fastest(() => atOnce(100_000));
report.row("publish → consume → ack", perSecond(rate), "≥ 1,000,000/s", rate >= 1_000_000);
report.row("one awaited publish after the other", perSecond(awaitedRate), "≥ 500,000/s", awaitedRate >= 500_000);
report.row("1,000 publishes at once", perSecond(atOnceRate), "(for comparison)");
report.row("a bare array and a promise a message", perSecond(bareRate), "(for comparison)", true);
report.row("ratio to the bare array", `${(rate / bareRate).toFixed(2)}×`, "", true);
const short = await withBacklog(1_000);
const long = await withBacklog(1_000_000);
report.row(`cost a message: 10⁶ waiting / 10³ waiting`, `${(long / short).toFixed(2)}×`, "≤ 1.5×", long / short <= 1.5);
const heap = await heapGrowth(1_000_000);
report.row("heap after 10⁶ more messages / before", `${heap.toFixed(2)}×`, "≤ 1.5×", heap <= 1.5);
Deno.exit(report.missed ? 1 : 0);
