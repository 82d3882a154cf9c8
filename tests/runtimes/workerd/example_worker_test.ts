/**
 * The example Worker's `queue()`, in workerd, with batches given to it by hand.
 *
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { envelopeOf, SAMPLES } from "../../../cli/samples.ts";
import { bundle, ROOT, startWorkers } from "../../runner/workerd.ts";

/** What workerd tells of a batch. */
interface BatchResult {
  readonly outcome: string;
  readonly explicitAcks: readonly string[];
  readonly retryMessages: readonly { readonly msgId: string; readonly delaySeconds?: number }[];
}

type QueueCaller = {
  queue(name: string, messages: readonly Record<string, unknown>[]): Promise<BatchResult>;
};

test("workerd: the example Worker consumes without the webhook's secret", async () => {
  const code = await bundle(join(ROOT, "examples/worker/main.ts"), { minify: true });
  const miniflare = await startWorkers({ code, compatibilityFlags: [], queueProducers: { SLACK_EVENTS_DLQ: "dlq" } });
  try {
    const worker = await miniflare.getWorker("worker") as unknown as QueueCaller;
    const messages = SAMPLES.map(({ event }, n) => ({
      id: `m${n}`,
      timestamp: new Date(),
      attempts: 1,
      body: envelopeOf(event, `Ev${n}`),
    }));
    const { outcome, explicitAcks, retryMessages } = await worker.queue("slack-events", messages);
    assert.deepEqual([outcome, retryMessages], ["ok", []]);
    assert.deepEqual([...explicitAcks].sort(), messages.map(({ id }) => id).sort());
  } finally {
    await miniflare.dispose();
  }
});
