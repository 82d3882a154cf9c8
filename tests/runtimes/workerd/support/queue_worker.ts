/**
 * A Worker for tests, run inside workerd: publishes what it is asked to, consumes it by handlers that behave as the
 * payload says, and tells what it saw.
 */
import { createConsumer, type PushBatch } from "@slack-mcp/queue";
import { deadLetterTo, fromEnv, type QueueBinding } from "@slack-mcp/queue/cloudflare";
import { createSlackReceiver } from "@slack-mcp/queue/slack";
import { orders, type Seen } from "../../../unit/support/queue_handler.ts";

interface WorkerEnv {
  readonly [name: string]: unknown;
  readonly EVENTS: QueueBinding;
  readonly EVENTS_DLQ?: QueueBinding;
  readonly SLACK_SIGNING_SECRET: string;
}

const seen: Seen[] = [];

function note(what: Omit<Seen, "at">): void {
  seen.push({ ...what, at: Date.now() });
}

function consumerFor(env: WorkerEnv) {
  return createConsumer({
    ...orders((what) => note(what)),
    ...env.EVENTS_DLQ && { deadLetter: deadLetterTo(env.EVENTS_DLQ) },
  });
}

async function serve(request: Request, env: WorkerEnv): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/seen") {
    // Answers when there are more than the asker knows of. A request cannot wait for what another one does: it looks.
    while (seen.length <= Number(searchParams.get("after"))) await new Promise((resolve) => setTimeout(resolve, 2));
    return Response.json(seen);
  }
  const backend = fromEnv(env);
  if (pathname.startsWith("/slack")) {
    return await createSlackReceiver({ backend, key: "events", signingSecret: env.SLACK_SIGNING_SECRET }).fetch(
      request,
    );
  }
  if (pathname === "/raw") {
    await env.EVENTS.sendBatch(await request.json());
    return new Response();
  }
  try {
    return Response.json(await backend.publishBatch("events", await request.json()));
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    return Response.json({ name, message, code }, { status: 400 });
  }
}

export default {
  fetch: serve,
  queue: async (batch: PushBatch, env: WorkerEnv): Promise<void> => {
    if (batch.queue.endsWith("-dlq")) {
      for (const { id, attempts, body } of batch.messages) note({ kind: "dead", id, attempts, body });
      return;
    }
    await consumerFor(env).handleBatch(batch, { key: "events" });
  },
};
