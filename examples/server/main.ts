/**
 * A Slack webhook and its consumer in one process, on Deno or Bun, over the queue that `QUEUE_BACKEND` names.
 *
 * ```sh
 * SLACK_SIGNING_SECRET=… deno task start            # or: bun examples/server/main.ts
 * ```
 *
 * It runs until SIGINT or SIGTERM, then takes no more requests, finishes what it has and closes. A second signal ends it
 * at once.
 *
 * @module
 */
import process from "node:process";
import {
  ambientEnv,
  ConfigError,
  type ConsumerOptions,
  createConsumer,
  defineRegistry,
  type LeasingBackend,
  type QueueBackend,
  type QueueObserver,
  type Registry,
} from "@slack-mcp/queue";
import { EnvReader } from "@slack-mcp/queue/driver";
import { backends } from "@slack-mcp/queue/backends";
import {
  createSlackReceiver,
  readSlackConfig,
  SlackEventRouter,
  type SlackReceiver,
  type SlackRequestReport,
} from "@slack-mcp/queue/slack";
import { listen, type Listener } from "./listen.ts";
import { jsonLog, type Log } from "./log.ts";

/** Milliseconds for handling what waits in a queue that dies with the process when the server stops. */
const DRAIN_MS = 10_000;

/** Options beside the environment. */
export interface ServerOptions {
  /** Takes each log line. Default: one JSON line each on the standard output. */
  readonly log?: Log | undefined;
  /** Handles the events. Default: {@link createRouter}'s. */
  readonly router?: SlackEventRouter | undefined;
  /** The backends that `QUEUE_BACKEND` may name. Default: all first-party backends. */
  readonly registry?: Registry | undefined;
  /** Stops the server when it aborts; `finished` resolves when it has. */
  readonly signal?: AbortSignal | undefined;
  /** The consumer's options: retries, concurrency, observer. */
  readonly consumer?: Omit<ConsumerOptions, "handler"> | undefined;
}

/** A running server. */
export interface Server {
  /** The address, such as `"http://localhost:3000"`. */
  readonly url: string;
  /** The key that events travel under. */
  readonly key: string;
  /** The queue. */
  readonly backend: QueueBackend;
  /** The webhook, for its counters. */
  readonly receiver: SlackReceiver;
  /** Rejects when events can no longer be consumed; resolves when the server has stopped. */
  readonly finished: Promise<void>;
  /** Takes no more requests, lets what runs finish, closes. Stopping twice is stopping once. */
  stop(): Promise<void>;
}

/** Creates the router with the handlers of your bot. This one logs each event. */
export function createRouter(log: Log): SlackEventRouter {
  return new SlackEventRouter()
    // .on("app_mention", async ({ event }) => await answer(event.channel, event.text))
    .on("*", function logEvent({ event, envelope, delivery }) {
      const { event_id, team_id } = envelope;
      log("info", "event handled", { event_id, team_id, type: event.type, attempts: delivery.attempts });
    });
}

/**
 * Starts the server: backend, consumer, webhook, in this order, so that nothing is accepted that nobody can handle.
 *
 * @throws {ConfigError} Variables are missing, wrong or misspelt: all problems at once.
 */
export async function startServer(env: object, options: ServerOptions = {}): Promise<Server> {
  const { log = jsonLog } = options;
  const { key, signingSecret, port, hostname, backend } = await readSettings(env, options, log);
  const receiver = createSlackReceiver({ backend, key, signingSecret, observer: (report) => logRequest(report, log) });
  const { router = createRouter(log) } = options;
  const consumer = createConsumer({ observer: logOutcomes(log), ...options.consumer, handler: router.handle });
  const stopping = new AbortController();

  const listener = await listenOrClose();
  const consuming = consumer.run(backend, key, { signal: stopping.signal });
  const finished = Promise.withResolvers<void>();
  consuming.catch(finished.reject);

  async function listenOrClose(): Promise<Listener> {
    try {
      return listen({ port, hostname }, receiver.fetch);
    } catch (error) {
      await backend.close();
      throw error;
    }
  }
  async function shutDown(): Promise<void> {
    try {
      await listener.stop();
      stopping.abort();
      await consuming;
      // What a durable queue holds is handled after the next start; what this process holds would be lost with it.
      if (!isDurable(backend)) await consumer.drain(backend, key, { deadlineMs: DRAIN_MS });
    } finally {
      await backend.close();
    }
  }
  let stopped: Promise<void> | undefined;
  function stop(): Promise<void> {
    return stopped ??= shutDown().then(finished.resolve, finished.reject).then(() => finished.promise);
  }
  const onAbort = () => void stop().catch(() => undefined); // finished tells
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });
  log("info", "listening", { url: listener.url, path: "/slack/events", key, backend: nameOf(backend) });
  return { url: listener.url, key, backend, receiver, finished: finished.promise, stop };
}

/** Reads everything that the environment sets, so that all its problems come in one error. */
async function readSettings(env: object, options: ServerOptions, log: Log) {
  const { registry = defineRegistry(backends, { warn: (message) => log("warn", message) }) } = options;
  const reader = new EnvReader(env);
  const slack = await reader.gather(() => readSlackConfig(env));
  const port = reader.integer("PORT", { max: 65_535 }) ?? 3000;
  const hostname = reader.string("HOST") ?? "0.0.0.0";
  const backend = await reader.gather(() => registry.load(env));
  try {
    reader.check();
  } catch (error) {
    await backend?.close();
    throw error;
  }
  // check() has thrown when one of the two is missing.
  return { key: slack!.key, signingSecret: slack!.signingSecret, port, hostname, backend: backend! };
}

function isDurable(backend: QueueBackend & Partial<LeasingBackend>): boolean {
  return backend.capabilities?.durable ?? true;
}

function nameOf(backend: QueueBackend & Partial<LeasingBackend>): string {
  return backend.name ?? backend.constructor.name;
}

/** Logs the requests that an operator must know of: those that brought no event into the queue. */
function logRequest(report: SlackRequestReport, log: Log): void {
  const { outcome, status, problem, error, eventId: event_id, eventType: type, teamId: team_id } = report;
  const event = { event_id, type, team_id, error };
  switch (outcome) {
    case "unconfirmed":
      return log("error", "event not confirmed by the queue: Slack was asked to send it again", event);
    case "refused":
      return log("error", "event lost: the queue can never take it, and Slack was asked not to send it again", event);
    case "setAside":
      return log("warn", "event set aside: the queue can never take it", event);
    case "slowBody":
    case "brokenBody":
      return log("warn", outcome === "slowBody" ? "slow body: the request did not arrive in time" : "broken body", {
        error,
      });
    case "rateLimited":
      return log("warn", "Slack sends fewer events than there are: over 30,000 in an hour", { team_id });
    case "unhealthy":
      return log("warn", "health check failed", { error });
    default:
      if (status >= 400) log("warn", "request refused", { outcome, status, problem, event_id });
  }
}

function logOutcomes(log: Log): QueueObserver {
  return {
    retried: ({ id, attempts, reason }) =>
      log("warn", "event failed, to be tried again", { id, attempts, error: reason }),
    deadLettered: ({ id, attempts, reason }) => log("error", "event given up", { id, attempts, error: reason }),
    leaseLost: ({ id, attempts }) => log("warn", "lease lost: another consumer has the event", { id, attempts }),
  };
}

/** Runs until a signal comes. Resolves with the exit code. */
async function main(): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(1);
      jsonLog("info", "stopping", { signal });
      stopping.abort();
    });
  }
  try {
    const server = await startServer(ambientEnv(), { signal: stopping.signal });
    await server.finished;
    jsonLog("info", "stopped", { ...server.receiver.stats });
    return 0;
  } catch (error) {
    // A wrong variable is for the operator to put right, and a stack would only hide the sentence.
    if (error instanceof ConfigError) console.error(error.message);
    else jsonLog("error", "the server ended", { error });
    return 1;
  }
}

if (import.meta.main) process.exit(await main());
