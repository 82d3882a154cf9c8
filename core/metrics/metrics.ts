/**
 * Metrics in the format of Prometheus, counted by one observer.
 *
 * @module
 */
import { DEFAULT_GROUP } from "../defaults.ts";
import type { QueueMessageEvent, QueueObserver } from "../observer.ts";
import type { LeasingBackend } from "../protocol.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { checkOptions, count, nonNegative, object, positive, text, type Validators } from "../util/validate.ts";
import { Durations, Family, type Labels, labelText } from "./families.ts";
import { type QueueState, QueueStateReader } from "./queue_state.ts";

/** The content type of {@link Metrics.render}. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The value of a label that is one too many, or too long. */
const OTHER = "(other)";
/** The longest value of a label. */
const MAX_LABEL_LENGTH = 128;

/** Options of {@link createMetrics}. */
export interface MetricsOptions {
  /**
   * The prefix of the names, without the underscore.
   *
   * @default "slack_queue"
   */
  readonly prefix?: string | undefined;
  /**
   * The most values of one label, such as keys. All further ones are counted together, as `"(other)"`.
   *
   * @default 50
   */
  readonly maxLabelValues?: number | undefined;
  /**
   * Milliseconds for which the depth of a queue is kept, however often it is scraped.
   *
   * @default 5_000
   */
  readonly depthKeptMs?: number | undefined;
  /**
   * Milliseconds to wait for the depth of a queue.
   *
   * @default 2_000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Tells the time and sets timers.
   *
   * @default the platform's clock
   */
  readonly clock?: Clock | undefined;
}

/** The part of a webhook's report that is counted. */
export interface RequestMetric {
  /** The outcome. */
  readonly outcome: string;
  /** Milliseconds that the request took. */
  readonly durationMs: number;
}

/** Counts what happens, and renders the counts. */
export interface Metrics {
  /** Counts messages: the observer of a backend, or of a consumer whose backend has none. Needs no `this`. */
  readonly observer: QueueObserver;
  /** Counts requests: the observer of `createSlackReceiver`. Needs no `this`. */
  readonly request: (report: RequestMetric) => void;
  /**
   * Adds the depth of a queue, and the age of its oldest message where the backend can tell.
   *
   * @param backend The backend.
   * @param key The key.
   * @param options The group. Default: `"slack-mcp"`.
   */
  watch(backend: LeasingBackend, key: string, options?: { readonly group?: string | undefined }): void;
  /** Resolves with the text for a scrape; asks the backends that are watched. Never rejects. */
  render(): Promise<string>;
}

const CHECKS: Validators<MetricsOptions> = {
  prefix: text,
  maxLabelValues: count,
  depthKeptMs: nonNegative,
  timeoutMs: positive,
  clock: object,
};

/**
 * Creates metrics. Its observer counts what a backend does, {@link Metrics.render} returns the text that Prometheus
 * scrapes. No label holds an id or a payload, or anything else that a stranger chooses.
 *
 * @param options Names and bounds.
 * @returns The observers, and the text.
 * @throws {TypeError | RangeError} An option of another type, or out of range.
 *
 * @example
 * ```ts
 * import { createMetrics, METRICS_CONTENT_TYPE } from "@slack-mcp/queue";
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import assert from "node:assert/strict";
 *
 * const metrics = createMetrics();
 * await using backend = new MemoryBackend({ observer: metrics.observer });
 * metrics.watch(backend, "slack_events");
 * await backend.publish("slack_events", { type: "event_callback" });
 *
 * const scrape = async () => new Response(await metrics.render(), { headers: { "content-type": METRICS_CONTENT_TYPE } });
 * const page = await (await scrape()).text();
 * assert.match(page, /^slack_queue_published_total\{backend="memory",key="slack_events"\} 1$/m);
 * assert.match(page, /^slack_queue_messages\{.*state="ready"\} 1$/m);
 * ```
 */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  checkOptions("metrics options", options, CHECKS);
  const { prefix = "slack_queue", maxLabelValues = 50, depthKeptMs = 5_000, timeoutMs = 2_000 } = options;
  const { clock = systemClock } = options;
  const counter = (name: string, help: string) => new Family(`${prefix}_${name}_total`, "counter", help);
  const gauge = (name: string, help: string) => new Family(`${prefix}_${name}`, "gauge", help);
  const durations = (name: string, help: string) => new Durations(`${prefix}_${name}_seconds`, help);

  const requests = counter("requests", "Requests to the webhook by outcome.");
  const requestDurations = durations("request_duration", "Time until a request was answered.");
  const published = counter("published", "Messages that the broker confirmed.");
  const publishDurations = durations("publish_duration", "Time until the broker confirmed a message.");
  const delivered = counter("delivered", "Deliveries to handlers.");
  const acked = counter("acked", "Messages that were handled and acknowledged.");
  const retried = counter("retried", "Deliveries that failed and come again.");
  const dead = counter("dead_lettered", "Messages that moved to the dead letters.");
  const unreadable = counter("unreadable", "Messages that could not be read.");
  const lost = counter("leases_lost", "Deliveries whose lease ended before they were settled.");
  const handling = durations("handling_duration", "Time from a delivery to its settlement.");
  const failures = counter("failures", "Failed calls of the broker by operation and code.");
  const disconnects = counter("disconnects", "How often the broker was lost.");
  const up = gauge("up", "1 while the broker answers, 0 while it does not.");
  const messages = gauge("messages", "Messages by state.");
  const oldest = gauge("oldest_message_age_seconds", "Time since the oldest unsettled message was published.");
  const all = [
    ...[requests, requestDurations, published, publishDurations, delivered, acked, retried, dead, unreadable, lost],
    ...[handling, failures, disconnects, up, messages, oldest],
  ];

  const known = new Map<string, Set<string>>();
  /** Returns the value of a label, as long as there are not too many. */
  function bounded(label: string, value: string | undefined): string | undefined {
    if (value === undefined) return undefined;
    const values = known.get(label) ?? new Set();
    known.set(label, values);
    if (values.has(value)) return value;
    if (values.size >= maxLabelValues || value.length > MAX_LABEL_LENGTH) return OTHER;
    values.add(value);
    return value;
  }
  const namesOf = ({ backend, key, group }: Pick<QueueMessageEvent, "backend" | "key" | "group">): Labels => ({
    backend: bounded("backend", backend),
    key: bounded("key", key),
    group: bounded("group", group),
  });
  const isUp = (backend: string, value: 0 | 1) => up.set(labelText({ backend: bounded("backend", backend) }), value);

  /** Counts a message; its broker has answered. */
  function message(family: Family, event: QueueMessageEvent, times?: Durations): void {
    const labels = labelText(namesOf(event));
    family.add(labels);
    if (times && event.durationMs !== undefined) times.observe(labels, event.durationMs);
  }

  /** The queues that are watched, each with the state that was rendered last. */
  const watched: {
    readonly backend: string;
    readonly names: Labels;
    readonly reader: QueueStateReader;
    state: QueueState | undefined;
  }[] = [];

  async function askWatched(): Promise<void> {
    const states = await Promise.all(watched.map(({ reader }) => reader.read()));
    messages.clear();
    oldest.clear();
    for (const [at, one] of watched.entries()) {
      const { depth, oldestAgeMs, error } = states[at]!;
      // A state that is kept says nothing new: the broker may have been lost or found since.
      if (one.state !== states[at] && (error !== undefined || depth)) isUp(one.backend, error === undefined ? 1 : 0);
      one.state = states[at];
      for (const [state, value] of Object.entries(depth ?? {})) {
        messages.set(labelText({ ...one.names, state: state === "inFlight" ? "in_flight" : state }), value);
      }
      if (oldestAgeMs !== undefined) oldest.set(labelText(one.names), oldestAgeMs / 1000);
    }
  }

  return {
    observer: {
      published: (event) => message(published, event, publishDurations),
      delivered: (event) => message(delivered, event),
      acked: (event) => message(acked, event, handling),
      retried: (event) => message(retried, event, handling),
      deadLettered: (event) => message(dead, event, handling),
      unreadable: (event) => message(unreadable, event),
      leaseLost: (event) => message(lost, event),
      failed: ({ backend, operation, error }) =>
        failures.add(labelText({ backend: bounded("backend", backend), operation, code: error.code })),
      disconnected({ backend }) {
        disconnects.add(labelText({ backend: bounded("backend", backend) }));
        isUp(backend, 0);
      },
      connected: ({ backend }) => isUp(backend, 1),
    },
    request({ outcome, durationMs }) {
      requests.add(labelText({ outcome: bounded("outcome", outcome) }));
      requestDurations.observe("", durationMs);
    },
    watch(backend, key, { group = DEFAULT_GROUP } = {}) {
      const reader = new QueueStateReader(backend, key, { group, keptMs: depthKeptMs, timeoutMs, clock });
      const names = namesOf({ backend: backend.name, key, group });
      watched.push({ backend: backend.name, names, reader, state: undefined });
      // From zero on, so that the first event of each kind is seen as a growth.
      published.start(labelText({ ...names, group: undefined }));
      for (const family of [delivered, acked, retried, dead, unreadable, lost]) family.start(labelText(names));
    },
    async render() {
      await askWatched();
      return all.map((family) => family.render()).join("");
    },
  };
}
