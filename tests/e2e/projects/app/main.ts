/** What an application of its own writes: a webhook and a consumer, dead letters, errors, every option left open. */
import {
  ambientEnv,
  type BackoffOptions,
  ConfigError,
  type Consumer,
  createConsumer,
  defineRegistry,
  type Delivery,
  isLeasing,
  type JsonObject,
  type LeasingBackend,
  PermanentError,
  PublishError,
  type PublishOptions,
  type QueueBackend,
  QueueError,
  type QueueObserver,
} from "@slack-mcp/queue";
import { backends } from "@slack-mcp/queue/backends";
import { MemoryBackend } from "@slack-mcp/queue/memory";
import { RedisBackend } from "@slack-mcp/queue/redis";
import {
  createSlackReceiver,
  readSlackConfig,
  SlackEventRouter,
  type SlackRequestReport,
  verifySlackSignature,
} from "@slack-mcp/queue/slack";
import { UpstashBackend } from "@slack-mcp/queue/upstash";

/** Settings of an application: any of them may be missing. */
interface Settings {
  readonly redisUrl?: string;
  readonly prefetch?: number;
  readonly maxAttempts?: number | undefined;
  readonly backoff?: BackoffOptions;
}

/** An environment as an application types it: an interface, without an index signature. */
interface AppEnv {
  QUEUE_BACKEND?: string;
  SLACK_SIGNING_SECRET: string;
  REDIS_URL: string | undefined;
}

export async function start(env: AppEnv, settings: Settings): Promise<void> {
  const { signingSecret, key } = readSlackConfig(env);
  await using backend = await defineRegistry(backends).load(env);
  const waiting: number = (await backend.depth(key)).ready;
  console.log(waiting, backend.capabilities.order, (await backend.health()).ok);
  for await (const letter of backend.deadLetters.list(key, { limit: 10 })) {
    console.log(letter.payload?.["type"], letter.bodyEncoding, letter.cause.message);
  }
  const receiver = createSlackReceiver({
    backend,
    key,
    signingSecret,
    observer: ({ outcome, status }: SlackRequestReport) => console.log(outcome, status),
  });
  const response: Response = await receiver.fetch(new Request("http://localhost/slack/events"));
  console.log(response.status);

  const router = new SlackEventRouter()
    .on("app_mention", async ({ event }) => await reply(event.channel, event.text))
    .on(
      "message.im",
      async ({ event, envelope }) => await reply(event.channel, `${event.text ?? ""} ${envelope.team_id}`),
    )
    .otherwise(({ event }) => console.log(event.type));
  const consumer: Consumer = createConsumer({
    handler: router.handle,
    maxAttempts: settings.maxAttempts,
    backoff: settings.backoff,
    timeoutMs: undefined,
    observer,
  });
  const stop = new AbortController();
  const summary = await consumer.run(backend, key, {
    signal: stop.signal,
    prefetch: settings.prefetch,
    group: undefined,
  });
  console.log(summary.acked);
}

const observer: QueueObserver = {
  published: ({ id, durationMs }) => console.log(id, durationMs),
  failed: ({ operation, error }) => console.log(operation, error.code),
};

async function reply(channel: string, text: string): Promise<void> {
  await Promise.resolve([channel, text]);
}

/** A plugin's backend may offer less: it has to be narrowed. */
export async function look(env: object): Promise<number | undefined> {
  const registry = defineRegistry({ ...backends, mine: (): Promise<unknown> => Promise.resolve({}) });
  const backend: QueueBackend = await registry.load(env);
  if (!isLeasing(backend)) return undefined;
  const leasing: LeasingBackend = backend;
  return (await leasing.depth("slack_events", { group: "bots" })).dead;
}

export async function publish(backend: QueueBackend, payload: JsonObject, options: PublishOptions): Promise<string> {
  try {
    return (await backend.publish("slack_events", payload, { ...options, id: undefined, delayMs: 5 })).id;
  } catch (error) {
    if (error instanceof PublishError) return error.outcomes?.length === 1 ? error.code : error.message;
    if (error instanceof ConfigError) return error.problems.join();
    if (error instanceof QueueError && error.retryable) return `${error.retryAfterMs ?? 0}`;
    throw error;
  }
}

export async function loop(settings: Settings): Promise<void> {
  await using memory = new MemoryBackend({ prefetch: settings.prefetch, maxLength: undefined });
  for await (const payload of memory.consume("slack_events")) console.log(payload["type"]);
  for await (const delivery of memory.receive("slack_events", { leaseMs: 5_000 })) await handle(delivery);
  const redis = new RedisBackend({ url: settings.redisUrl ?? "redis://localhost", prefetch: settings.prefetch });
  const upstash = new UpstashBackend({ url: "https://example.com", token: "token", maxLength: undefined });
  await Promise.all([redis.close(), upstash.close()]);
}

async function handle({ payload, attempts, headers, publishedAt, signal, ack, retry }: Delivery): Promise<boolean> {
  signal.throwIfAborted();
  if (attempts > 3) throw new PermanentError("no such user", { cause: headers["trace"] });
  if (publishedAt === undefined || payload["n"] === 1) return await retry({ delayMs: 5, reason: undefined });
  return await ack();
}

export async function verify(request: Request): Promise<boolean> {
  return await verifySlackSignature({
    secrets: ["new", "old"],
    timestamp: request.headers.get("x-slack-request-timestamp"),
    signature: request.headers.get("x-slack-signature"),
    body: new Uint8Array(await request.arrayBuffer()),
    now: undefined,
  });
}

export const ambient: string | undefined = typeof ambientEnv()["QUEUE_BACKEND"] === "string" ? "set" : undefined;

// Refused, each for its own reason.
export function refused(backend: LeasingBackend): unknown[] {
  return [
    // @ts-expect-error -- an environment is an object
    readSlackConfig("SLACK_SIGNING_SECRET"),
    // @ts-expect-error -- no such option
    new MemoryBackend({ prefech: 1 }),
    // @ts-expect-error -- a payload is an object
    backend.publish("slack_events", "text"),
    // @ts-expect-error -- a handler is needed
    createConsumer({ maxAttempts: 3 }),
    // @ts-expect-error -- a function is not JSON
    backend.publish("slack_events", { call: () => {} }),
  ];
}
