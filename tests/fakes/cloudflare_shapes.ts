/** What Cloudflare's API takes and answers, as `cloudflare_api.ts` speaks it. */
import type { Content, ContentType, StoredMessage, StoredQueue } from "./cloudflare_queue.ts";

/** A request, whatever brought it. */
export interface ApiRequest {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | null;
  readonly body: string;
}

/** What is answered. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** What happens to one request. */
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

/** Refuses a request with a code of the platform. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const MESSAGE_LIMIT = 128_000;
export const BATCH_LIMIT = 256_000;
export const MAX_DELAY_SECONDS = 86_400;
export const MAX_VISIBILITY_MS = 43_200_000;

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

export function actionOf(method: string, queueId: string | undefined, rest: string): string {
  if (queueId === undefined) return method === "GET" ? "list" : method === "POST" ? "create" : "unknown";
  return ACTIONS[`${method} ${rest}`] ?? "unknown";
}

export function answer(status: number, result: unknown): ApiAnswer {
  const text = JSON.stringify({ success: true, errors: [], messages: [], result });
  return { status, headers: { "content-type": "application/json" }, text };
}

export function refuse({ status, code, message, retryAfter, body }: Extract<Fault, { kind: "refuse" }>): ApiAnswer {
  const errors = code === undefined ? [] : [{ code, message: message ?? "refused" }];
  return {
    status,
    headers: {
      "content-type": body === undefined ? "application/json" : "text/html",
      ...retryAfter !== undefined && { "retry-after": String(retryAfter) },
    },
    text: body ?? JSON.stringify({ success: false, errors, messages: [], result: null }),
  };
}

export function readJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, 10208, "request body is not valid JSON"); // the parser's own words add nothing
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal(400, 10207, "request body is not an object");
  }
  return value as Record<string, unknown>;
}

export function list(value: unknown, name: string): Record<string, unknown>[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== "object" || item === null)) {
    throw new Refusal(400, 10207, `${name} is not a list of objects`);
  }
  return value;
}

export function optionalInteger(
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

export function contentOf(message: Record<string, unknown>): Content {
  const type = (message.content_type ?? "json") as ContentType;
  if (type === "json" && message.body !== undefined) return { type, text: JSON.stringify(message.body) };
  if (type === "text" && typeof message.body === "string") return { type, text: message.body };
  if (type === "json" || type === "text") throw new Refusal(400, 10207, `body does not fit content_type ${type}`);
  throw new Refusal(400, 10203, `content_type ${type} is invalid`);
}

export function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

export function show({ id, content, timestamp, attempts, source }: StoredMessage): Record<string, unknown> {
  return {
    id,
    body: content.type === "json" ? base64(content.text) : content.text,
    timestamp_ms: timestamp,
    attempts,
    metadata: { "CF-sourceMessageSource": source, "CF-Content-Type": content.type },
  };
}

export function metrics(queue: StoredQueue): Record<string, number> {
  return { backlog_bytes: queue.bytes, backlog_count: queue.size, oldest_message_timestamp_ms: queue.oldest };
}

export function acknowledge(queue: StoredQueue, body: Record<string, unknown>): unknown {
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

export function describeQueue({ id, name, settings }: StoredQueue): Record<string, unknown> {
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
