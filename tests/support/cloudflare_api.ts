/**
 * Cloudflare's HTTP API for Queues, for tests: what `https://api.cloudflare.com/client/v4` answers, from the shapes
 * that Cloudflare documents. A plain fetch handler over state in memory; `cloudflare_api_server.ts` puts it on
 * loopback.
 *
 * Sources: the API reference of `/accounts/{account_id}/queues`, the pages *Pull consumers*, *Error codes* and
 * *Limits* of the Queues documentation, and the types of the official `cloudflare` package. Where they say nothing
 * (the HTTP status of an error code, the text of a warning) the choice made here is ours, and no test of the
 * library may lean on it.
 */
import { type Clock, delay, systemClock } from "../../core/clock.ts";
import {
  type Content,
  contentBytes,
  type ContentType,
  hex,
  METADATA_BYTES,
  type QueueSettings,
  type StoredMessage,
  StoredQueue,
} from "./cloudflare_queue.ts";

/** What befalls one request. */
export type Fault =
  /** The request never arrives: the connection breaks. */
  | { readonly kind: "cut" }
  /** The request is carried out, its reply is lost. */
  | { readonly kind: "lost" }
  /** The request is carried out after `ms`. */
  | { readonly kind: "latency"; readonly ms: number }
  /** The request is refused. */
  | {
    readonly kind: "refuse";
    readonly status: number;
    readonly code?: number;
    readonly message?: string;
    readonly retryAfter?: number | string;
    /** In place of the API's JSON. */
    readonly body?: string;
  };

export interface SeenRequest {
  readonly method: string;
  /** `send`, `batch`, `pull`, `ack`, `peek`, `purge-refs`, `metrics`, `list`, `get`, …: what was asked for. */
  readonly action: string;
  readonly path: string;
  readonly at: number;
  status: number;
}

export interface CloudflareApiOptions {
  readonly clock?: Clock;
  readonly accountId?: string;
  readonly token?: string;
  /** Requests per window, pulls and acknowledgements not counted. Default: 1,200 in 300,000 ms. */
  readonly rateLimit?: { readonly requests: number; readonly windowMs: number };
}

/** Thrown in place of an answer: the transport breaks the connection. */
export class Disconnect extends TypeError {
  /** What is lost on the way. */
  readonly reply: Response | undefined;

  constructor(message: string, reply?: Response) {
    super(message);
    this.reply = reply;
  }
}

class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const MESSAGE_LIMIT = 128_000;
const BATCH_LIMIT = 256_000;
const MAX_DELAY_SECONDS = 86_400;
const MAX_VISIBILITY_MS = 43_200_000;

export class CloudflareApi {
  readonly accountId: string;
  readonly token: string;
  /** Every request, in order. */
  readonly requests: SeenRequest[] = [];
  readonly #clock: Clock;
  readonly #limit: { readonly requests: number; readonly windowMs: number };
  readonly #queues = new Map<string, StoredQueue>();
  readonly #names = new Map<string, StoredQueue>();
  readonly #faults: { readonly action: string | undefined; readonly fault: Fault }[] = [];
  #window = { since: -Infinity, used: 0 };

  constructor(options: CloudflareApiOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.accountId = options.accountId ?? hex(16);
    this.token = options.token ?? `token-${hex(12)}`;
    this.#limit = options.rateLimit ?? { requests: 1200, windowMs: 300_000 };
  }

  /** Makes a queue, or answers the one that has the name. */
  queue(name: string, settings: QueueSettings = {}): StoredQueue {
    const known = this.#names.get(name);
    if (known) return known;
    const queue = new StoredQueue(hex(16), name, settings, this.#clock, (message, deadLetterQueue) => {
      this.queue(deadLetterQueue).adopt(message);
    });
    this.#queues.set(queue.id, queue);
    this.#names.set(name, queue);
    // The platform makes a dead letter queue where it is missing.
    if (settings.deadLetterQueue !== undefined) this.queue(settings.deadLetterQueue);
    return queue;
  }

  /** The next request, or the next one of an action, meets this. Faults of the same kind queue up. */
  fault(fault: Fault, action?: string): void {
    this.#faults.push({ action, fault });
  }

  /** How many requests of an action came. */
  count(action?: string): number {
    return action === undefined
      ? this.requests.length
      : this.requests.filter((request) => request.action === action).length;
  }

  /** The API as a `fetch` function. */
  readonly fetch = (input: Request | URL | string, init?: RequestInit): Promise<Response> =>
    this.handle(new Request(input, init));

  /** Answers a request. Rejects with {@link Disconnect} where the connection is to break. */
  async handle(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [account, queueId, ...rest] = (/^\/client\/v4\/accounts\/(.*)$/.exec(pathname)?.[1] ?? "")
      .split("/").filter((part, index) => index !== 1 || part !== "queues");
    const action = actionOf(request.method, queueId, rest.join("/"));
    const seen: SeenRequest = { method: request.method, action, path: pathname, at: this.#clock.now(), status: 0 };
    this.requests.push(seen);
    const fault = this.#takeFault(action);
    if (fault?.kind === "cut") throw new Disconnect("connection cut");
    if (fault?.kind === "latency") await delay(fault.ms, this.#clock);
    const response = fault?.kind === "refuse"
      ? refuse(fault)
      : await this.#answer(request, action, account, queueId, searchParams);
    seen.status = response.status;
    if (fault?.kind === "lost") throw new Disconnect("reply lost", response);
    return response;
  }

  async #answer(
    request: Request,
    action: string,
    account: string | undefined,
    queueId: string | undefined,
    query: URLSearchParams,
  ): Promise<Response> {
    try {
      if (request.headers.get("authorization") !== `Bearer ${this.token}` || account !== this.accountId) {
        throw new Refusal(403, 10000, "Authentication error");
      }
      if (action === "unknown") throw new Refusal(404, 7003, "No route for the URI");
      if (action !== "pull" && action !== "ack") {
        const retryAfter = this.#overLimit();
        if (retryAfter > 0) {
          return refuse({ kind: "refuse", status: 429, code: 971, message: "Please wait", retryAfter });
        }
      }
      const body = request.method === "GET" ? {} : await readJson(request);
      return answer(200, this.#run(action, queueId, body, query));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return refuse({ kind: "refuse", status: error.status, code: error.code, message: error.message });
    }
  }

  #run(action: string, queueId: string | undefined, body: Record<string, unknown>, query: URLSearchParams): unknown {
    if (action === "list") return this.#list(query);
    if (action === "create") return describeQueue(this.queue(String(body.queue_name)));
    const queue = this.#find(queueId);
    switch (action) {
      case "get":
        return describeQueue(queue);
      case "send":
        this.#publish(queue, [body], undefined);
        return { metadata: { metrics: metrics(queue) } };
      case "batch":
        this.#publish(
          queue,
          list(body.messages, "messages"),
          optionalInteger(body, "delay_seconds", MAX_DELAY_SECONDS, 10202),
        );
        return { metadata: { metrics: metrics(queue) } };
      case "pull": {
        const size = optionalInteger(body, "batch_size", 100, 10207) ?? 5;
        const visibility = optionalInteger(body, "visibility_timeout_ms", MAX_VISIBILITY_MS, 10207) ?? 30_000;
        const messages = queue.pull(size, visibility).map((message) => ({ ...show(message), lease_id: message.lease }));
        return { message_backlog_count: queue.size, messages, metadata: { metrics: metrics(queue) } };
      }
      case "ack":
        return acknowledge(queue, body);
      case "peek": {
        const size = optionalInteger(body, "batch_size", 100, 10207) ?? 5;
        return { messages: queue.peek(size).map((message) => ({ ...show(message), ref: `ref.${message.id}` })) };
      }
      case "purge-refs": {
        const warnings: Record<string, string> = {};
        for (const item of list(body.refs, "refs")) {
          const ref = String(item.ref);
          if (!queue.remove(ref.replace(/^ref\./, ""))) warnings[ref] = "message is gone";
        }
        return { errors: [], warnings };
      }
      case "purge":
        if (body.delete_messages_permanently !== true) {
          throw new Refusal(400, 10207, "delete_messages_permanently must be true");
        }
        queue.clear();
        return describeQueue(queue);
      default:
        return metrics(queue);
    }
  }

  #list(query: URLSearchParams): unknown[] {
    const names = query.getAll("name");
    const page = Number(query.get("page") ?? 1);
    return [...this.#queues.values()].filter((queue) => names.length === 0 || names.includes(queue.name))
      .slice((page - 1) * 100, page * 100).map(describeQueue);
  }

  #publish(queue: StoredQueue, messages: readonly Record<string, unknown>[], batchDelay: number | undefined): void {
    if (messages.length < 1 || messages.length > 100) {
      throw new Refusal(400, 10206, `batch count of ${messages.length} is out of bounds`);
    }
    let total = 0;
    const parsed = messages.map((message) => {
      const content = contentOf(message);
      const bytes = contentBytes(content) + METADATA_BYTES;
      if (bytes > MESSAGE_LIMIT) throw new Refusal(400, 10204, `message size of ${bytes} is out of bounds`);
      total += bytes;
      return { content, seconds: optionalInteger(message, "delay_seconds", MAX_DELAY_SECONDS, 10203) };
    });
    if (total > BATCH_LIMIT) throw new Refusal(400, 10205, `batch size of ${total} is out of bounds`);
    for (const { content, seconds } of parsed) queue.add(content, seconds ?? batchDelay, "http");
  }

  #find(queueId: string | undefined): StoredQueue {
    if (queueId === undefined || !/^[0-9a-z]+$/i.test(queueId)) throw new Refusal(400, 10107, "queue id is malformed");
    const queue = this.#queues.get(queueId);
    if (!queue) throw new Refusal(404, 10104, "queue does not exist");
    return queue;
  }

  #takeFault(action: string): Fault | undefined {
    const index = this.#faults.findIndex((entry) => entry.action === undefined || entry.action === action);
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0]?.fault;
  }

  /** Seconds to wait, 0 where the request is within the limit. */
  #overLimit(): number {
    const now = this.#clock.now();
    if (now - this.#window.since >= this.#limit.windowMs) this.#window = { since: now, used: 0 };
    if (this.#window.used >= this.#limit.requests) {
      return Math.max(1, Math.ceil((this.#window.since + this.#limit.windowMs - now) / 1000));
    }
    this.#window.used++;
    return 0;
  }
}

const ACTIONS: Readonly<Record<string, string>> = {
  "GET ": "get",
  "POST messages": "send",
  "POST messages/batch": "batch",
  "POST messages/pull": "pull",
  "POST messages/ack": "ack",
  "POST messages/peek": "peek",
  "POST messages/purge": "purge-refs",
  "POST purge": "purge",
  "GET metrics": "metrics",
};

function actionOf(method: string, queueId: string | undefined, rest: string): string {
  if (queueId === undefined) return method === "GET" ? "list" : method === "POST" ? "create" : "unknown";
  return ACTIONS[`${method} ${rest}`] ?? "unknown";
}

function answer(status: number, result: unknown): Response {
  return Response.json({ success: true, errors: [], messages: [], result }, { status });
}

function refuse({ status, code, message, retryAfter, body }: Extract<Fault, { kind: "refuse" }>): Response {
  const headers = new Headers({ "content-type": body === undefined ? "application/json" : "text/html" });
  if (retryAfter !== undefined) headers.set("retry-after", String(retryAfter));
  const errors = code === undefined ? [] : [{ code, message: message ?? "refused" }];
  return new Response(body ?? JSON.stringify({ success: false, errors, messages: [], result: null }), {
    status,
    headers,
  });
}

async function readJson(request: Request): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(await request.text());
  } catch {
    throw new Refusal(400, 10208, "request body is not valid JSON"); // the parser's own words add nothing
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal(400, 10207, "request body is not an object");
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, name: string): Record<string, unknown>[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== "object" || item === null)) {
    throw new Refusal(400, 10207, `${name} is not a list of objects`);
  }
  return value;
}

function optionalInteger(
  body: Record<string, unknown>,
  name: string,
  max: number,
  code: number,
): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max) {
    throw new Refusal(400, code, `${name} is not a whole number from 0 to ${max}`);
  }
  return value;
}

function contentOf(message: Record<string, unknown>): Content {
  const type = (message.content_type ?? "json") as ContentType;
  if (type === "json" && message.body !== undefined) return { type, text: JSON.stringify(message.body) };
  if (type === "text" && typeof message.body === "string") return { type, text: message.body };
  if (type === "json" || type === "text") throw new Refusal(400, 10207, `body does not fit content_type ${type}`);
  throw new Refusal(400, 10203, `content_type ${type} is invalid`);
}

function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

function show({ id, content, timestamp, attempts, source }: StoredMessage): Record<string, unknown> {
  return {
    id,
    body: content.type === "json" ? base64(content.text) : content.text,
    timestamp_ms: timestamp,
    attempts,
    metadata: { "CF-sourceMessageSource": source, "CF-Content-Type": content.type },
  };
}

function metrics(queue: StoredQueue): Record<string, number> {
  return { backlog_bytes: queue.bytes, backlog_count: queue.size, oldest_message_timestamp_ms: queue.oldest };
}

function acknowledge(queue: StoredQueue, body: Record<string, unknown>): unknown {
  const warnings: Record<string, string> = {};
  const counts = { ack: 0, retry: 0 };
  const take = (kind: "ack" | "retry", item: Record<string, unknown>) => {
    const lease = String(item.lease_id);
    const seconds = optionalInteger(item, "delay_seconds", MAX_DELAY_SECONDS, 10203);
    const warning = kind === "ack" ? queue.ack(lease) : queue.retry(lease, seconds);
    if (warning === undefined) counts[kind]++;
    else warnings[lease] = warning;
  };
  for (const item of list(body.acks ?? [], "acks")) take("ack", item);
  for (const item of list(body.retries ?? [], "retries")) take("retry", item);
  return { ackCount: counts.ack, retryCount: counts.retry, warnings };
}

function describeQueue({ id, name, settings }: StoredQueue): Record<string, unknown> {
  return {
    queue_id: id,
    queue_name: name,
    consumers_total_count: 1,
    consumers: [{
      type: "http_pull",
      dead_letter_queue: settings.deadLetterQueue ?? "",
      settings: { max_retries: settings.maxRetries ?? 3, retry_delay: settings.retryDelay ?? 0 },
    }],
    producers: [],
    producers_total_count: 0,
    settings: {
      delivery_delay: settings.deliveryDelay ?? 0,
      delivery_paused: false,
      message_retention_period: 345_600,
    },
  };
}
