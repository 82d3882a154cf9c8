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
import { type Clock, systemClock } from "../../core/util/clock.ts";
import { delay } from "../../core/util/async.ts";
import { contentBytes, hex, METADATA_BYTES, type QueueSettings, StoredQueue } from "./cloudflare_queue.ts";
import {
  acknowledge,
  actionOf,
  answer,
  type ApiAnswer,
  type ApiRequest,
  BATCH_LIMIT,
  contentOf,
  describeQueue,
  type Fault,
  list,
  MAX_DELAY_SECONDS,
  MAX_VISIBILITY_MS,
  MESSAGE_LIMIT,
  metrics,
  optionalInteger,
  readJson,
  Refusal,
  refuse,
  show,
} from "./cloudflare_shapes.ts";

export type { ApiAnswer, ApiRequest, Fault } from "./cloudflare_shapes.ts";

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
  readonly reply: ApiAnswer | undefined;

  constructor(message: string, reply?: ApiAnswer) {
    super(message);
    this.reply = reply;
  }
}

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
  readonly fetch = async (input: Request | URL | string, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const { method, url, headers } = request;
    const authorization = headers.get("authorization");
    const { status, text, ...rest } = await this.handle({ method, url, authorization, body: await request.text() });
    return new Response(text, { status, headers: rest.headers });
  };

  /**
   * The same without streams, for a client that gives and takes text: it needs no turn of the event loop, so it keeps
   * step with a clock that is turned by hand, on every runtime.
   */
  readonly textFetch = async (input: Request | URL | string, init: RequestInit = {}): Promise<Response> => {
    const authorization = new Headers(init.headers).get("authorization");
    const { method = "GET", body } = init;
    const answer = await this.handle({ method, url: String(input), authorization, body: String(body ?? "") });
    const { status, text, headers } = answer;
    return { ok: status < 300, status, headers: new Headers(headers), text: () => Promise.resolve(text) } as Response;
  };

  /** Answers a request. Rejects with {@link Disconnect} where the connection is to break. */
  async handle(request: ApiRequest): Promise<ApiAnswer> {
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
      : this.#answer(request, action, account, queueId, searchParams);
    seen.status = response.status;
    if (fault?.kind === "lost") throw new Disconnect("reply lost", response);
    return response;
  }

  #answer(
    request: ApiRequest,
    action: string,
    account: string | undefined,
    queueId: string | undefined,
    query: URLSearchParams,
  ): ApiAnswer {
    try {
      if (request.authorization !== `Bearer ${this.token}` || account !== this.accountId) {
        throw new Refusal(403, 10000, "Authentication error");
      }
      if (action === "unknown") throw new Refusal(404, 7003, "No route for the URI");
      if (action !== "pull" && action !== "ack") {
        const retryAfter = this.#overLimit();
        if (retryAfter > 0) {
          return refuse({ kind: "refuse", status: 429, code: 971, message: "Please wait", retryAfter });
        }
      }
      const body = request.method === "GET" ? {} : readJson(request.body);
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
