/**
 * Requests to Cloudflare's HTTP API: paced, bounded in time, their errors named.
 *
 * @module
 */
import type { Clock } from "../../core/util/clock.ts";
import { QueueError } from "../../core/errors.ts";
import { codeOfAnswer, isOfQueue, neverLeft } from "./errors.ts";

/** What a client is made with. */
export interface ClientOptions {
  /** Such as `https://api.cloudflare.com/client/v4`. */
  readonly apiUrl: string;
  /** The account. */
  readonly accountId: string;
  /** The token. */
  readonly apiToken: string;
  /** Milliseconds to wait for an answer. */
  readonly timeoutMs: number;
  /** Requests that the API takes in five minutes. */
  readonly requestLimit: number;
  /** What tells the time. */
  readonly clock: Clock;
  /** What sends. */
  readonly fetch: typeof fetch;
}

/** A JSON object of the API. */
export type Result = Readonly<Record<string, unknown>>;

/** What the API's limit is counted over. */
const WINDOW_MS = 300_000;

/** Sends requests for one account. */
export class CloudflareClient {
  readonly #options: ClientOptions;
  /**
   * Half of the requests may go at once, the other half evenly over the window: never more than the limit in it,
   * wherever the platform begins to count.
   */
  readonly #intervalMs: number;
  #paidUntil = 0;

  /** A client; nothing is opened. */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#intervalMs = 2 * WINDOW_MS / options.requestLimit;
  }

  /**
   * Asks for something below the account's `/queues`, answers its `result`.
   *
   * @param body JSON text; none: a GET.
   * @param free Pulls and acknowledgements, which the rate limit does not count.
   * @param sending A publish: no answer leaves its fate open.
   * @throws {QueueError} Whatever the reason.
   */
  async ask(
    path: string,
    signal: AbortSignal,
    body?: string,
    { free = false, sending = false }: { readonly free?: boolean; readonly sending?: boolean } = {},
  ): Promise<unknown> {
    if (!free) this.#pace();
    const { apiUrl, accountId, apiToken, timeoutMs, clock, fetch } = this.#options;
    const limit = new AbortController();
    const onAbort = () => limit.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    const timer = clock.setTimeout(() => limit.abort(), timeoutMs);
    try {
      const response = await fetch(`${apiUrl}/accounts/${accountId}/queues${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { authorization: `Bearer ${apiToken}`, "content-type": "application/json" },
        ...body !== undefined && { body },
        signal: limit.signal,
      });
      return this.#read(response, await response.text(), sending);
    } catch (error) {
      if (error instanceof QueueError && !limit.signal.aborted) throw error;
      const code = neverLeft(error)
        ? "connection"
        : sending
        ? "unknown-outcome"
        : limit.signal.aborted
        ? "timeout"
        : "connection";
      throw new QueueError(code, `no answer from the API: ${error}`, { cause: error });
    } finally {
      clock.clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  #read(response: Response, text: string, sending: boolean): unknown {
    let answer: { success?: unknown; result?: unknown; errors?: { code?: number }[] } = {};
    try {
      answer = JSON.parse(text);
    } catch {
      if (response.ok) throw new Error("its answer is not JSON"); // else the status says enough: a gateway's page
    }
    if (response.ok && answer.success !== false) return answer.result;
    const { status, headers } = response;
    const [error] = answer.errors ?? [];
    const code = codeOfAnswer(status, error?.code, sending);
    const retryAfterMs = this.#retryAfter(headers.get("retry-after"));
    // The API's own limit, which all requests share; what only one queue is short of has numbers of its own.
    if (status === 429 && !isOfQueue(error?.code)) {
      this.#paidUntil = this.#options.clock.now() + WINDOW_MS + (retryAfterMs ?? 0);
    }
    // The number alone: what the API says beside it may quote the request.
    throw new QueueError(code, `the API answered ${status}${error ? `, error ${error.code}` : ""}`, {
      retryAfterMs,
    });
  }

  #retryAfter(value: string | null): number | undefined {
    if (!value) return undefined;
    const ms = Number.isNaN(+value) ? Date.parse(value) - this.#options.clock.now() : +value * 1000;
    return ms > 0 ? ms : undefined;
  }

  #pace(): void {
    const now = this.#options.clock.now();
    const retryAfterMs = this.#paidUntil - now - WINDOW_MS;
    if (retryAfterMs > 0) {
      const limit = `the API takes ${this.#options.requestLimit} requests in 5 minutes`;
      throw new QueueError("rate-limited", limit, { retryAfterMs });
    }
    this.#paidUntil = Math.max(this.#paidUntil, now) + this.#intervalMs;
  }
}
