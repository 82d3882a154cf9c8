/**
 * Requests to Cloudflare's HTTP API: paced, bounded in time, their errors named.
 *
 * @module
 */
import { type Clock, monotonic } from "../../core/util/clock.ts";
import { QueueError } from "../../core/errors.ts";
import { Reachability, requestText, retryAfterMs } from "../http.ts";
import { codeOfAnswer, isOfQueue } from "./errors.ts";
import { RESERVE_MS, WINDOW_MS } from "./limits.ts";

/** The options of a client. */
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
  /** Tells the time. */
  readonly clock: Clock;
  /** Sends a request. */
  readonly fetch: typeof fetch;
}

/** A JSON object of the API. */
export type Result = Readonly<Record<string, unknown>>;

interface AskOptions {
  readonly free?: boolean;
  readonly sending?: boolean;
  readonly spare?: boolean;
}

/** Sends requests for one account. */
export class CloudflareClient {
  readonly #options: ClientOptions;
  /**
   * Half of the requests may go at once, the other half evenly over the window: never more than the limit in it,
   * wherever the platform begins to count.
   */
  readonly #intervalMs: number;
  /** Reports whether the API can be reached. */
  readonly reachability: Reachability = new Reachability((signal) => this.ask("?page=1", signal));
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
   * @param spare A probe: it is refused when little is left of the limit, which publishes need.
   * @throws {QueueError} Whatever the reason.
   */
  async ask(
    path: string,
    signal: AbortSignal,
    body?: string,
    { free = false, sending = false, spare = false }: AskOptions = {},
  ): Promise<unknown> {
    if (!free) this.#pace(spare ? RESERVE_MS : 0);
    const { apiUrl, accountId, apiToken, timeoutMs, clock, fetch } = this.#options;
    const { response, text } = await requestText(`${apiUrl}/accounts/${accountId}/queues${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${apiToken}`, "content-type": "application/json" },
      body: body ?? null,
    }, { fetch, clock, timeoutMs, signal, repeatable: !sending, reachability: this.reachability });
    return this.#read(response, text, sending);
  }

  #read(response: Response, text: string, sending: boolean): unknown {
    let answer: { success?: unknown; result?: unknown; errors?: { code?: number }[] } = {};
    try {
      answer = JSON.parse(text);
    } catch {
      // Else the status says enough: a gateway's page.
      if (response.ok) {
        throw new QueueError(sending ? "unknown-outcome" : "unavailable", "the answer of the API is not JSON");
      }
    }
    if (response.ok && answer.success !== false) return answer.result;
    const { status, headers } = response;
    const [error] = answer.errors ?? [];
    const code = codeOfAnswer(status, error?.code, sending);
    const { clock } = this.#options;
    const askedMs = retryAfterMs(headers, clock);
    // The API's own limit, which all requests share; what only one queue is short of has numbers of its own.
    if (status === 429 && !isOfQueue(error?.code)) {
      this.#paidUntil = monotonic(clock) + WINDOW_MS + (askedMs ?? 0);
    }
    // The number alone: what the API says beside it may quote the request.
    throw new QueueError(code, `the API answered ${status}${error ? `, error ${error.code}` : ""}`, {
      retryAfterMs: askedMs,
    });
  }

  #pace(reserveMs: number): void {
    const now = monotonic(this.#options.clock);
    const retryAfterMs = this.#paidUntil - now - WINDOW_MS + reserveMs;
    if (retryAfterMs > 0) {
      const limit = `the API takes ${this.#options.requestLimit} requests in 5 minutes`;
      throw new QueueError("rate-limited", limit, { retryAfterMs });
    }
    this.#paidUntil = Math.max(this.#paidUntil, now) + this.#intervalMs;
  }
}
