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

/** A replacer that spells values which JSON cannot carry. */
function spell(_name: string, value: unknown): unknown {
  return value instanceof Map || value instanceof Set ? [...value].join() : value instanceof Error ? `${value}` : value;
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
    return new Response(JSON.stringify(seen, spell));
  }
  const backend = fromEnv(env);
  if (pathname.startsWith("/slack")) {
    return await createSlackReceiver({ backend, key: "events", signingSecret: env.SLACK_SIGNING_SECRET }).fetch(
      request,
    );
  }
  if (pathname === "/foreign") {
    await env.EVENTS.sendBatch([
      { body: new Map([["a", 1]]), contentType: "v8" },
      { body: new Set(["a", 1, 2]), contentType: "v8" },
      { body: new TypeError("no such user"), contentType: "v8" },
      { body: Uint8Array.of(31, 139, 8, 255), contentType: "bytes" },
    ]);
    return new Response();
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
