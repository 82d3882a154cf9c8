/**
 * The conformance kit inside a Worker whose queues push into it: `POST /` runs it and answers the report. Each queue
 * is the key of one case; which one is free next is counted here.
 */
import type { PushBatch } from "@slack-mcp/queue";
import { CloudflareBackend, type QueueBinding } from "@slack-mcp/queue/cloudflare";
import { type Broker, type Harness, runConformance } from "@slack-mcp/queue/testing";

type Consume = (batch: PushBatch) => Promise<unknown>;

/** Made anew for each run of the Worker: what its queues push into, by queue. */
const consumers = new Map<string, Consume>();
let taken = 0;

/** A queue of its own for each key of a case. */
function queuesOf(env: Readonly<Record<string, unknown>>): (key: string) => { name: string; binding: QueueBinding } {
  const names = new Map<string, string>();
  return (key) => {
    let name = names.get(key);
    if (name === undefined) names.set(key, name = `case-${taken++}`);
    const binding = env[name] as QueueBinding | undefined;
    if (!binding) throw new Error(`There is no queue ${name}: bind more of them`);
    return { name, binding };
  };
}

function open(env: Readonly<Record<string, unknown>>): Broker {
  const queueOf = queuesOf(env);
  return {
    connect: ({ maxLength: _maxLength, ...options } = {}) =>
      new CloudflareBackend({ ...options, bindings: (key) => queueOf(key).binding }),
    inject: async (key, body) => {
      await queueOf(key).binding.sendBatch([{ body, contentType: "text" }]);
    },
    push: (key, consumer) => {
      const { name } = queueOf(key);
      consumers.set(name, (batch) => consumer.handleBatch(batch, { key }));
      return Promise.resolve(() => void consumers.delete(name));
    },
  };
}

export default {
  async fetch(_request: Request, env: Readonly<Record<string, unknown>>): Promise<Response> {
    const harness: Harness = { name: "cloudflare", delayMs: 1_000, skewMs: 0, open: () => open(env) };
    const report = await runConformance({ harness, runtime: "workerd" });
    return Response.json({
      ...report,
      cases: report.cases.map(({ error, ...rest }) => ({ ...rest, ...error && { stack: error.stack } })),
    });
  },
  async queue(batch: PushBatch): Promise<void> {
    // A queue whose case is over has nothing to say any more.
    await consumers.get(batch.queue)?.(batch);
  },
};
