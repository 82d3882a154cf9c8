/**
 * A Worker on queues of Miniflare, and what it has seen.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { OutgoingMessage } from "../../../../core/protocol.ts";
import { slackRequest } from "../../../../cli/sign.ts";
import type { Seen } from "../../../unit/support/queue_handler.ts";
import { bundle, fetcher, ROOT, startWorkers } from "../../../runner/workerd.ts";

const code = await bundle(join(ROOT, "tests/runtimes/workerd/support/queue_worker.ts"));

export const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

interface Options {
  readonly maxRetries?: number;
  readonly maxBatchSize?: number;
  /** Whether the Worker knows the dead letter queue; the platform always does. */
  readonly sink?: boolean;
}

export async function start({ maxRetries = 10, maxBatchSize = 10, sink = true }: Options = {}) {
  const consumer = { maxBatchSize, maxBatchTimeout: 0.01, maxRetries };
  const miniflare = await startWorkers({
    code,
    bindings: { SLACK_SIGNING_SECRET: SECRET },
    queueProducers: { EVENTS: "events", ...sink && { EVENTS_DLQ: "events-dlq" } },
    queueConsumers: {
      events: { ...consumer, deadLetterQueue: "events-dlq" },
      "events-dlq": { ...consumer, maxBatchSize: 1 },
    },
  });
  const fetch = await fetcher(miniflare, "worker");
  const post = (path: string, body: unknown) =>
    fetch(`http://worker${path}`, { method: "POST", body: JSON.stringify(body) });
  return {
    fetch,
    raw: async (messages: unknown) => assert.equal((await post("/raw", messages)).status, 200),
    publish: async (messages: OutgoingMessage[]) => (await post("/publish", messages)),
    /** What was seen, once it is as it must be. */
    async until(done: (seen: Seen[]) => boolean): Promise<Seen[]> {
      for (let seen: Seen[] = [];;) {
        seen = await (await fetch(`http://worker/seen?after=${seen.length}`)).json() as Seen[];
        if (done(seen)) return seen;
      }
    },
    [Symbol.asyncDispose]: () => miniflare.dispose(),
  };
}

export const of = (kind: Seen["kind"]) => (seen: Seen[]) => seen.filter((one) => one.kind === kind);

export const handled = of("handled");

export const dead = of("dead");

export async function signed(
  body: unknown,
): Promise<{ method: string; body: string; headers: Record<string, string> }> {
  const request = await slackRequest("http://worker/slack/events", { secret: SECRET, body });
  return { method: "POST", body: JSON.stringify(body), headers: Object.fromEntries(request.headers) };
}
