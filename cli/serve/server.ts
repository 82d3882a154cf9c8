/**
 * The server: a Slack webhook and its consumer in one process, or one of the two.
 *
 * @module
 */
import { backends } from "../../backends/mod.ts";
import { defineRegistry, type Registry } from "../../core/config/registry.ts";
import { type ConsumerOptions, createConsumer, type Handler } from "../../core/consume/consumer.ts";
import { createMetrics, type Metrics } from "../../core/metrics/metrics.ts";
import { QueueStateReader } from "../../core/metrics/queue_state.ts";
import type { QueueObserver } from "../../core/observer.ts";
import { DEFAULT_GROUP, isLeasing, type LeasingBackend, type QueueBackend } from "../../core/protocol.ts";
import { type Clock, systemClock } from "../../core/util/clock.ts";
import { createSlackReceiver, SlackEventRouter, type SlackReceiver } from "../../slack/mod.ts";
import { EventLog } from "./events.ts";
import { Incidents } from "./incidents.ts";
import { listen, type Listener } from "./listen.ts";
import type { Log } from "./log.ts";
import { combine, onlyWithout } from "./observers.ts";
import { createHealthPage, createPages } from "./pages.ts";
import { type Mode, nameOf, readSettings, type Settings } from "./settings.ts";
import { watchOver } from "./watch.ts";

/** Milliseconds for handling what waits in a queue that dies with the process when the server stops. */
const DRAIN_MS = 10_000;
/** Milliseconds for which the state of the queue is kept, however often it is asked for. */
const STATE_KEPT_MS = 5_000;
/** Milliseconds to wait for the state of the queue. */
const STATE_TIMEOUT_MS = 2_000;

/** Options beside the environment. */
export interface ServerOptions {
  /** Takes each log line. */
  readonly log: Log;
  /**
   * The halves that run.
   *
   * @default "both"
   */
  readonly mode?: Mode | undefined;
  /**
   * Returns the handler of each delivery.
   *
   * @default one that logs each event
   */
  readonly handler?: (() => Promise<Handler | undefined>) | undefined;
  /**
   * Opens the queue with an observer.
   *
   * @default by QUEUE_BACKEND, of all first-party backends
   */
  readonly open?: ((observer: QueueObserver) => Promise<QueueBackend>) | undefined;
  /** The key. Default: `SLACK_EVENTS_TOPIC`. */
  readonly key?: string | undefined;
  /** The consumer's group. Default: `"slack-mcp"`. */
  readonly group?: string | undefined;
  /** The port, 0 for a free one. Default: `PORT`, else 3000; in mode `"consume"` none. */
  readonly port?: number | undefined;
  /** The interface. Default: `HOST`, else all. */
  readonly hostname?: string | undefined;
  /** Stops the server when it aborts; `finished` resolves when it has. */
  readonly signal?: AbortSignal | undefined;
  /** The consumer's options: retries, concurrency, a further observer. */
  readonly consumer?: Omit<ConsumerOptions, "handler"> | undefined;
  /** The source of time. Default: the platform's. */
  readonly clock?: Clock | undefined;
}

/** A running server. */
export interface Server {
  /** The address, such as `"http://localhost:3000"`; `undefined` where it listens nowhere. */
  readonly url: string | undefined;
  /** The key that events travel under. */
  readonly key: string;
  /** The queue. */
  readonly backend: QueueBackend;
  /** The webhook, for its counters; `undefined` in mode `"consume"`. */
  readonly receiver: SlackReceiver | undefined;
  /** Rejects when events can no longer be consumed; resolves when the server has stopped. */
  readonly finished: Promise<void>;
  /** Takes no more requests, lets what runs finish, closes. Stopping twice is stopping once. */
  stop(): Promise<void>;
}

/** Creates the handler of a server that was given none: it logs each event. */
export function createLoggingHandler(log: Log): Handler {
  return new SlackEventRouter().on("*", function logEvent({ event, envelope, delivery }) {
    const { event_id, team_id } = envelope;
    log("info", "event handled", { event_id, team_id, type: event.type, attempts: delivery.attempts });
  }).handle;
}

/**
 * Starts the server: backend, webhook, consumer. A broker that is away does not end the start: events are answered 503
 * until it comes.
 *
 * @throws {ConfigError} Variables are missing, wrong or misspelt: all problems at once.
 */
export async function startServer(env: object, options: ServerOptions): Promise<Server> {
  const { log, mode = "both", clock = systemClock, group = DEFAULT_GROUP } = options;
  const incidents = new Incidents(log, { clock });
  const events = new EventLog(log, incidents, clock);
  const metrics = createMetrics({ clock });
  const observer = combine(events.observer, metrics.observer);
  const [backendObserver, consumerObserver] = onlyWithout(observer);
  const { open = (observer) => loadBackend(env, log, observer) } = options;
  const settings = await readSettings(env, {
    mode,
    key: options.key,
    port: options.port,
    hostname: options.hostname,
    open: () => open(backendObserver),
    handler: options.handler ?? (() => Promise.resolve(createLoggingHandler(log))),
  });
  const { key, backend, handler } = settings;
  const receiver = mode === "consume" ? undefined : createReceiver(settings, events, metrics);
  const stopping = new AbortController();

  const listener = await listenOrClose();
  const consumer = handler && createConsumer({
    ...options.consumer,
    observer: combine(consumerObserver, options.consumer?.observer),
    handler,
  });
  const consuming = consumer?.run(backend, key, { group, signal: stopping.signal });
  const watching = watchOver(backend, {
    connection: events.connection,
    clock,
    log,
    signal: stopping.signal,
    always: consumer === undefined,
  });
  const finished = Promise.withResolvers<void>();
  consuming?.catch(finished.reject);

  async function listenOrClose(): Promise<Listener | undefined> {
    const { port, hostname, token } = settings;
    if (port === undefined) return undefined;
    const state = isLeasing(backend) ? readerOf(backend) : undefined;
    const pages = createPages({
      token,
      metrics,
      state: state && (() => state.read()),
      about: { backend: nameOf(backend), key, group },
      refused: () => events.refused(),
      otherwise: receiver?.fetch ?? createHealthPage(backend, clock),
    });
    try {
      return await listen({ port, hostname }, pages);
    } catch (error) {
      await backend.close();
      throw error;
    }
  }
  function readerOf(leasing: LeasingBackend): QueueStateReader {
    metrics.watch(leasing, key, { group });
    return new QueueStateReader(leasing, key, { group, keptMs: STATE_KEPT_MS, timeoutMs: STATE_TIMEOUT_MS, clock });
  }
  async function shutDown(): Promise<void> {
    try {
      // The handlers do not wait for a slow request: until its body is there they would take what is to be given back.
      stopping.abort();
      for (const ended of await Promise.allSettled([listener?.stop(), consuming, watching])) {
        if (ended.status === "rejected") throw ended.reason;
      }
      // A durable queue keeps its messages until the next start; a queue in memory would lose them.
      if (!isDurable(backend)) await consumer?.drain(backend, key, { group, deadlineMs: DRAIN_MS });
    } finally {
      await backend.close();
      incidents.close();
      events.connection.close();
    }
  }
  let stopped: Promise<void> | undefined;
  function stop(): Promise<void> {
    return stopped ??= shutDown().then(finished.resolve, finished.reject).then(() => finished.promise);
  }
  const onAbort = () => void stop().catch(() => undefined); // finished tells
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });
  const about = { key, backend: nameOf(backend), ...handler && { group } };
  if (listener) log("info", "listening", { url: listener.url, ...receiver && { path: "/slack/events" }, ...about });
  if (mode !== "both") log("info", mode === "webhook" ? "only the webhook runs" : "only the consumer runs", about);
  return { url: listener?.url, key, backend, receiver, finished: finished.promise, stop };
}

function createReceiver(settings: Settings, events: EventLog, metrics: Metrics): SlackReceiver {
  const { backend, key, signingSecret, ordering } = settings;
  return createSlackReceiver({
    backend,
    key,
    signingSecret,
    ...ordering && { ordering },
    observer(report) {
      events.request(report);
      metrics.request(report);
    },
  });
}

async function loadBackend(env: object, log: Log, observer: QueueObserver): Promise<QueueBackend> {
  const registry: Registry = defineRegistry(backends, { warn: (message) => log("warn", message) });
  return await registry.load(env, { observer });
}

function isDurable(backend: QueueBackend & Partial<LeasingBackend>): boolean {
  return backend.capabilities?.durable ?? true;
}
