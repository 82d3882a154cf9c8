/**
 * A Worker for tests, run inside workerd: publishes what it is asked to, consumes it by handlers that behave as the
 * payload says, and tells what it saw.
 */
import { createConsumer, PermanentError, type PushBatch } from "@slack-mcp/queue";
import { deadLetterTo, fromEnv, type QueueBinding } from "@slack-mcp/queue/cloudflare";
import { createSlackReceiver, SlackEventRouter } from "@slack-mcp/queue/slack";

interface WorkerEnv {
  readonly [name: string]: unknown;
  readonly EVENTS: QueueBinding;
  readonly EVENTS_DLQ?: QueueBinding;
  readonly SLACK_SIGNING_SECRET: string;
}

/** One thing that happened, in order. */
export interface Seen {
  readonly kind: "handled" | "failed" | "dead" | "slack";
  readonly id: string;
  readonly key?: string;
  readonly attempts?: number;
  readonly at: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const seen: Seen[] = [];

function note(what: Omit<Seen, "at">): void {
  seen.push({ ...what, at: Date.now() });
}

const router = new SlackEventRouter().on("*", ({ event, delivery }) => {
  const { id, key, attempts, headers } = delivery;
  note({ kind: "slack", id, key, attempts, headers, body: event });
});

/** What a payload can ask of its handler. */
interface Order {
  /** Fails so many times. */
  readonly fails?: number;
  /** Fails for good at once. */
  readonly permanent?: boolean;
  /** Milliseconds before it is tried again. */
  readonly backoffMs?: number;
  readonly type?: string;
}

function consumerFor(env: WorkerEnv) {
  return createConsumer({
    maxAttempts: 3,
    backoff: (_attempts, error) => (error as { backoffMs?: number }).backoffMs ?? 0,
    ...env.EVENTS_DLQ && { deadLetter: deadLetterTo(env.EVENTS_DLQ) },
    handler: async (delivery) => {
      const { id, key, attempts, headers, payload } = delivery;
      const { fails = 0, permanent = false, backoffMs, type } = payload as Order;
      if (type === "event_callback") return await router.handle(delivery);
      const failing = permanent || attempts <= fails;
      note({ kind: failing ? "failed" : "handled", id, key, attempts, headers, body: payload });
      if (permanent) throw new PermanentError("no such user");
      if (failing) throw Object.assign(new TypeError(`failure ${attempts}`), { backoffMs });
    },
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
