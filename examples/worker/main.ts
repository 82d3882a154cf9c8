/**
 * A Slack webhook and its consumer as one Cloudflare Worker: `fetch` verifies an event and puts it into a queue, `queue`
 * takes it from there, tries again what fails, and gives up into a dead letter queue.
 *
 * Backends are made per request: a Worker's I/O belongs to the request that began it, and making one opens nothing.
 *
 * @module
 */
import { ConfigError, createBatchHandler } from "@slack-mcp/queue";
import { deadLetterTo, fromBindings } from "@slack-mcp/queue/cloudflare";
import { createSlackReceiver, DEFAULT_EVENTS_KEY, type SlackRequestReport } from "@slack-mcp/queue/slack";
import type { MessageBatch, Queue } from "@cloudflare/workers-types";
import { createRouter } from "./router.ts";

/** The Worker's variables and bindings: wrangler.jsonc, .dev.vars, `wrangler secret put`. */
interface Env {
  SLACK_SIGNING_SECRET?: string;
  SLACK_EVENTS_TOPIC?: string;
  SLACK_EVENTS?: Queue;
  SLACK_EVENTS_DLQ?: Queue;
}

const NO_QUEUE = "SLACK_EVENTS is bound to no queue: run npx wrangler queues create slack-events, " +
  "npx wrangler queues create slack-events-dlq and npx wrangler deploy";
const NO_SECRET = "SLACK_SIGNING_SECRET is not set: run npx wrangler secret put SLACK_SIGNING_SECRET";

const router = createRouter();

async function handleRequest(request: Request, env: Env): Promise<Response> {
  try {
    const { SLACK_EVENTS, SLACK_SIGNING_SECRET } = env;
    const problems = [...SLACK_EVENTS ? [] : [NO_QUEUE], ...SLACK_SIGNING_SECRET ? [] : [NO_SECRET]];
    if (!SLACK_SIGNING_SECRET || problems.length > 0) throw new ConfigError(problems);
    const key = env.SLACK_EVENTS_TOPIC || DEFAULT_EVENTS_KEY;
    const backend = fromBindings(env, { [key]: "SLACK_EVENTS" });
    // During a rotation both secrets, separated by a comma.
    const signingSecret = SLACK_SIGNING_SECRET.split(",").map((secret) => secret.trim());
    return await createSlackReceiver({ backend, key, signingSecret, observer: logRequest }).fetch(request);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    log("error", error.message);
    return new Response("see the Worker's log", { status: 500 });
  }
}

/** Needs no secret of the webhook's: a Worker of its own may consume. */
async function handleBatch(batch: MessageBatch, env: Env): Promise<void> {
  const handle = createBatchHandler({
    handler: router.handle,
    deadLetter: env.SLACK_EVENTS_DLQ && deadLetterTo(env.SLACK_EVENTS_DLQ),
    observer: {
      retried: (event) => log("warn", "event failed", event),
      deadLettered: (event) => log("error", "event given up", event),
      failed: (event) => log("error", "the queue failed", event),
    },
  });
  log("info", "batch handled", await handle(batch, { key: env.SLACK_EVENTS_TOPIC || DEFAULT_EVENTS_KEY }));
}

function logRequest(report: SlackRequestReport): void {
  if (report.status >= 400) log(report.status < 500 ? "warn" : "error", "request refused", report);
}

/** Writes one JSON line; an error as its name and message. What is reported never holds a payload. */
function log(level: "info" | "warn" | "error", message: string, details: object = {}): void {
  const plain = (_name: string, value: unknown) => value instanceof Error ? `${value}` : value;
  console[level](JSON.stringify({ level, message, ...details }, plain));
}

export default { fetch: handleRequest, queue: handleBatch };
