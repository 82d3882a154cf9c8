/**
 * A Slack webhook and its consumer as one Cloudflare Worker: `fetch` verifies an event and puts it into a queue,
 * `queue` gets it from there, tries again what fails, and gives up into a dead letter queue.
 *
 * Backends are made per request: a Worker's I/O belongs to the request that began it, and making one opens nothing.
 *
 * @module
 */
import { ConfigError, type Consumer, createConsumer, type Env } from "@slack-mcp/queue";
import { deadLetterTo, fromBindings } from "@slack-mcp/queue/cloudflare";
import { MemoryBackend } from "@slack-mcp/queue/memory";
import { createSlackReceiver, readSlackConfig, type SlackRequestReport } from "@slack-mcp/queue/slack";
import type { ExecutionContext, MessageBatch, Queue } from "@cloudflare/workers-types";
import { createRouter } from "./router.ts";

/** What wrangler.jsonc and .dev.vars give. Without a queue the Worker runs on memory, and says so. */
interface WorkerEnv extends Env {
  readonly SLACK_SIGNING_SECRET?: string;
  readonly SLACK_EVENTS_TOPIC?: string;
  readonly SLACK_EVENTS?: Queue;
  readonly SLACK_EVENTS_DLQ?: Queue;
}

const router = createRouter();

async function handleRequest(request: Request, env: WorkerEnv, context: ExecutionContext): Promise<Response> {
  try {
    const { key, signingSecret } = readSlackConfig(env);
    const backend = env.SLACK_EVENTS ? fromBindings(env, { [key]: "SLACK_EVENTS" }) : new MemoryBackend();
    const response = await createSlackReceiver({ backend, key, signingSecret, observer: logRequest }).fetch(request);
    if (!env.SLACK_EVENTS) {
      log("warn", "running on memory, no queue is bound as SLACK_EVENTS: an event that fails here is lost");
      context.waitUntil(consumerFor(env).drain(backend, key));
    }
    return response;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    log("error", error.message);
    return new Response("Not configured: see the Worker's log", { status: 500 });
  }
}

async function handleBatch(batch: MessageBatch, env: WorkerEnv): Promise<void> {
  const { key } = readSlackConfig(env);
  const summary = await consumerFor(env).handleBatch(batch, { key });
  log("info", "batch handled", { ...summary });
}

function consumerFor({ SLACK_EVENTS_DLQ }: WorkerEnv): Consumer {
  return createConsumer({
    handler: router.handle,
    ...SLACK_EVENTS_DLQ && { deadLetter: deadLetterTo(SLACK_EVENTS_DLQ) },
    observer: {
      retried: ({ id, attempts, reason }) => log("warn", "event failed, to be tried again", { id, attempts, reason }),
      deadLettered: ({ id, attempts, reason }) => log("error", "event given up", { id, attempts, reason }),
      failed: ({ operation, error }) => log("error", "the queue failed", { operation, error }),
    },
  });
}

function logRequest({ outcome, status, problem, eventId, error }: SlackRequestReport): void {
  if (status < 400) return;
  log(status < 500 ? "warn" : "error", "request refused", { outcome, status, problem, eventId, error });
}

/** One JSON line; an error as its name and message. */
function log(level: "info" | "warn" | "error", message: string, details: Readonly<Record<string, unknown>> = {}): void {
  const plain = (_name: string, value: unknown) => value instanceof Error ? `${value.name}: ${value.message}` : value;
  console[level](JSON.stringify({ level, message, ...details }, plain));
}

export default { fetch: handleRequest, queue: handleBatch };
