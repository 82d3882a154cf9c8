/**
 * Requests of backends that speak HTTP: bounded in time, with errors that say whether the request can have left.
 *
 * @module
 */
import { QueueError } from "../core/errors.ts";
import { abortable, withDeadline } from "../core/util/async.ts";
import type { Clock } from "../core/util/clock.ts";
import { describeError } from "../core/util/redact.ts";

/** How a request is sent. */
export interface RequestOptions {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  /**
   * Milliseconds without a byte of the answer after which the request is given up. A large request gets more, since
   * nobody says how much of it has left: a second for each 100,000 bytes.
   */
  readonly timeoutMs: number;
  /** Gives the request up. */
  readonly signal: AbortSignal;
  /** True where sending the request twice does no harm: then a lost answer is no unknown outcome. */
  readonly repeatable: boolean;
  /** Notes whether the request reached the server. */
  readonly reachability?: Reachability;
}

/**
 * Remembers whether the last request reached the server. `fetch` does not say when bytes leave, so after a request that
 * did not reach the server a probe goes ahead of the next publish: one that runs out of time then was certainly not sent.
 */
export class Reachability {
  readonly #probe: (signal: AbortSignal) => Promise<unknown>;
  #problem: QueueError | undefined;

  /** @param probe Sends a request that changes nothing and reports to this object. */
  constructor(probe: (signal: AbortSignal) => Promise<unknown>) {
    this.#probe = probe;
  }

  /** Why the last request did not reach the server; `undefined` where it did, or none was sent. */
  get problem(): QueueError | undefined {
    return this.#problem;
  }

  /** See `QueueDriver.connect`. */
  connect(signal: AbortSignal): Promise<void> | undefined {
    return this.#problem && this.#connect(this.#problem, signal);
  }

  async #connect({ code, message, cause }: QueueError, signal: AbortSignal): Promise<void> {
    try {
      await this.#probe(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new QueueError(code === "unknown-outcome" ? "timeout" : code, message, { cause });
    }
  }

  /** The server answered. */
  reached(): void {
    this.#problem = undefined;
  }

  /** No answer came. Returns the error to throw. */
  failed(error: QueueError): QueueError {
    // That a request was given up says less than why the one before it failed.
    if (error.code === "timeout" && this.#problem?.code === "connection") return this.#problem;
    if (this.#problem === undefined || error.code === "connection") this.#problem = error;
    return error;
  }
}

/** Bytes a millisecond that a slow link carries: a request gets so much more time for its size. */
const UPLOAD_BYTES_PER_MS = 100;

/** A whole answer. */
export interface TextResponse {
  readonly response: Response;
  readonly text: string;
}

/**
 * Sends a request and reads the whole answer as text.
 *
 * @throws {QueueError} No answer came. `"connection"`: certainly nothing left, and the message names the cause, or the
 *   connection broke and the request is `repeatable`. `"timeout"`: no reply came in time, and the request never left or
 *   is `repeatable`. `"unknown-outcome"`: the request may have been carried out.
 */
export async function requestText(
  url: string,
  init: RequestInit,
  { fetch, clock, timeoutMs, signal, repeatable, reachability }: RequestOptions,
): Promise<TextResponse> {
  if (signal.aborted) throw new QueueError("timeout", "the request was given up before it was sent");
  return await withDeadline(clock, undefined, () => undefined, signal, async (limit) => {
    const onLate = () => limit.abort(new DOMException("The time is over", "TimeoutError"));
    const size = typeof init.body === "string" ? init.body.length : 0;
    let timer = clock.setTimeout(onLate, timeoutMs + size / UPLOAD_BYTES_PER_MS);
    const onBytes = () => {
      clock.clearTimeout(timer);
      timer = clock.setTimeout(onLate, timeoutMs);
    };
    try {
      const response = await fetch(url, { ...init, signal: limit.signal });
      const text = await readText(response, limit.signal, onBytes);
      reachability?.reached();
      return { response, text };
    } catch (cause) {
      const givenUp = signal.aborted
        ? "no reply came before the request was given up"
        : limit.signal.aborted
        ? `no reply came within ${timeoutMs} ms`
        : undefined;
      const error = lostError(cause, repeatable, givenUp);
      throw reachability?.failed(error) ?? error;
    } finally {
      clock.clearTimeout(timer);
    }
  });
}

/** Reads a body to its end. `onBytes` is called for each piece. */
async function readText(response: Response, signal: AbortSignal, onBytes: () => void): Promise<string> {
  onBytes();
  if (!response.body) return await response.text(); // there is none, or a fetch that was handed in offers no stream
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      // On Deno the abort of a fetch may not reach a body that is being read.
      const { value, done } = await abortable(reader.read(), signal);
      if (done) return text + decoder.decode();
      text += decoder.decode(value, { stream: true });
      onBytes();
    }
  } catch (error) {
    reader.cancel(error).catch(() => undefined); // it may have ended already
    throw error;
  }
}

/** Makes the error of a request that was not answered. */
export function lostError(cause: unknown, repeatable: boolean, givenUp?: string): QueueError {
  const problem = connectProblem(cause);
  if (problem !== undefined) return new QueueError("connection", `no connection: ${problem}`, { cause });
  if (givenUp !== undefined) return new QueueError(repeatable ? "timeout" : "unknown-outcome", givenUp);
  const message = `the connection broke before the answer came: ${describeError(cause)}`;
  return new QueueError(repeatable ? "connection" : "unknown-outcome", message, { cause });
}

/** Texts of errors that happen before a request is sent, with the code that the problem has elsewhere. */
const CONNECT_PROBLEMS: readonly (readonly [pattern: RegExp, code: string])[] = [
  [/ECONNREFUSED|connection ?refused/i, "ECONNREFUSED"],
  [/ENOTFOUND|dns error/i, "ENOTFOUND"],
  [/EAI_AGAIN/, "EAI_AGAIN"],
  [/EHOSTUNREACH|no route to host/i, "EHOSTUNREACH"],
  [/ENETUNREACH|network is unreachable/i, "ENETUNREACH"],
  [/UND_ERR_CONNECT_TIMEOUT/, "ETIMEDOUT"],
  [/FailedToOpenSocket|Unable to connect/, "ECONNREFUSED"],
  [
    /CERT_|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|ERR_TLS_CERT|invalid peer certificate/,
    "the certificate is refused",
  ],
  [/WRONG_VERSION_NUMBER|EPROTO|before secure TLS connection|client error \(Connect\): (tls|received corrupt)/, "TLS"],
  [/client error \(Connect\)|bad port|Requests to port \d+ are blocked/, "not sent"],
];

/**
 * Returns why a request cannot have left: nothing listens, the host has no address or no route, the TLS handshake
 * failed. `undefined`: it may have left. workerd does not tell the two apart, so there it is always `undefined`.
 */
export function connectProblem(error: unknown): string | undefined {
  const text = describeError(error).replace(/error sending request for url \([^)]*\): /, "");
  const code = CONNECT_PROBLEMS.find(([pattern]) => pattern.test(text))?.[1];
  return code === undefined || text.includes(code) ? code && text : `${code}, ${text}`;
}

/**
 * Returns the milliseconds of a `Retry-After` header, which holds seconds or a date. `undefined`: it asks for no wait.
 */
export function retryAfterMs(headers: Headers, clock: Clock): number | undefined {
  const value = headers.get("retry-after")?.trim();
  if (!value) return undefined;
  const ms = Number.isNaN(Number(value)) ? Date.parse(value) - clock.now() : Number(value) * 1_000;
  return ms > 0 && ms < Infinity ? ms : undefined;
}
