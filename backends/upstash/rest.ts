/**
 * Upstash's REST API, as far as it is used: one command a request, and a subscription.
 *
 * The vendor's own client would do, but for what it hides: the status and `Retry-After` of a refusal. It also tries again
 * by itself, puts whole commands with their payloads into its errors, and writes to the console when a subscription
 * breaks. One that is configured already can be given to the backend all the same.
 *
 * @module
 */
import { ConfigError, QueueError } from "../../core/errors.ts";
import { systemClock } from "../../core/util/clock.ts";
import { Reachability, requestText, retryAfterMs } from "../http.ts";
import { classifyReply } from "../streams/transport.ts";

/** Where the database is, and who may use it. */
export interface RestOptions {
  readonly url: string;
  readonly token: string;
  readonly fetch: typeof fetch;
  /** Milliseconds after which a request counts as lost. */
  readonly timeoutMs: number;
}

/** Returns the error for credentials that are not accepted. It does not show the token. */
export function refused(reason: string): ConfigError {
  return new ConfigError(
    `The token of Upstash is not accepted (${reason}): UPSTASH_REDIS_REST_TOKEN must be the one that belongs to UPSTASH_REDIS_REST_URL`,
    { backend: "upstash" },
  );
}

/** Talks to one database. */
export class UpstashRest {
  readonly #options: RestOptions;
  readonly #base: string;
  readonly reachability: Reachability = new Reachability((signal) => this.command(["PING"], true, signal));
  #syncToken = "";

  /** At this URL. */
  constructor(options: RestOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, "");
  }

  /**
   * Runs one command in one request.
   *
   * @param repeatable Whether running it twice does no harm: then a lost answer is a lost connection and nothing worse.
   * @throws {QueueError} What went wrong, named by whether the command may have run.
   */
  async command(args: readonly string[], repeatable: boolean, signal: AbortSignal): Promise<unknown> {
    const { fetch, timeoutMs } = this.#options;
    const { response, text } = await requestText(this.#base, this.#init(JSON.stringify(args)), {
      fetch,
      clock: systemClock,
      timeoutMs,
      signal,
      repeatable,
      reachability: this.reachability,
    });
    this.#syncToken = response.headers.get("upstash-sync-token") ?? this.#syncToken;
    return this.#read(response, text, repeatable);
  }

  #init(body: string, headers: Record<string, string> = {}): RequestInit {
    return {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#options.token}`,
        "content-type": "application/json",
        ...this.#syncToken && { "upstash-sync-token": this.#syncToken },
        ...headers,
      },
      body,
    };
  }

  #read(response: Response, text: string, repeatable: boolean): unknown {
    const { status } = response;
    let answer: { readonly result?: unknown; readonly error?: unknown } | undefined;
    try {
      answer = JSON.parse(text);
    } catch {
      answer = undefined; // a gateway's page, or half an answer: told below, by the status
    }
    if (status === 200 && answer && "result" in answer) return answer.result;
    const reason = typeof answer?.error === "string" ? answer.error : `HTTP ${status}`;
    const asked = { retryAfterMs: retryAfterMs(response.headers, systemClock) };
    if (status === 401) throw refused(reason);
    if (status === 403) throw new QueueError("unauthorized", reason);
    if (status === 429) throw new QueueError("rate-limited", reason, asked);
    if (status === 413) throw new QueueError("too-large", reason);
    if (status === 503) throw new QueueError("unavailable", reason, asked);
    if (status >= 500 || status === 200) {
      // Something answered in the server's place, and the command may have run.
      throw new QueueError(repeatable ? "unavailable" : "unknown-outcome", reason, asked);
    }
    throw new QueueError(classifyReply(reason), reason, asked);
  }

  /**
   * Listens to a channel until the signal aborts or the connection ends; then resolves, or rejects where the server
   * refused. `onEvent` is told of the start (`"subscribe"`) and of each message.
   */
  async subscribe(channel: string, onEvent: (kind: string) => void, signal: AbortSignal): Promise<void> {
    const path = `/subscribe/${encodeURIComponent(channel)}`;
    const init = this.#init(JSON.stringify(["SUBSCRIBE", channel]), { accept: "text/event-stream" });
    const { fetch } = this.#options;
    const response = await fetch(this.#base + path, { ...init, signal });
    if (!response.ok || !response.body) {
      this.#read(response, await response.text(), true);
      return;
    }
    const reader = response.body.getReader();
    // On Deno the abort of a fetch may not reach a body that is being read, once its request is collected.
    const onAbort = () => void reader.cancel(signal.reason).catch(() => undefined); // it has ended already
    signal.addEventListener("abort", onAbort);
    try {
      await this.#readEvents(reader, onEvent);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #readEvents(reader: ReadableStreamDefaultReader<Uint8Array>, onEvent: (kind: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop()!.slice(0, MAX_LINE);
      for (const line of lines) {
        const kind = /^data: ?([a-z]+),/.exec(line)?.[1];
        if (kind !== undefined) onEvent(kind);
      }
    }
  }
}

/** Characters of a line that are kept: only its beginning matters. */
const MAX_LINE = 1_000;
