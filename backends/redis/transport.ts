/**
 * The streams engine's way to Redis: one connection for scripts, one that waits.
 *
 * @module
 */
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import type { Script } from "../streams/script.ts";
import { classifyReply, type News, type StreamsTransport } from "../streams/transport.ts";
import type { RedisClient } from "./client.ts";
import { WriteGuard } from "./durability.ts";
import { BlockingReader } from "./reader.ts";

/** How a transport behaves. */
export interface RedisTransportOptions {
  /** Opened by somebody else, who closes it. */
  readonly injected: boolean;
  /** Milliseconds to wait for a connection before a command counts as not sent. */
  readonly connectWaitMs: number;
  /** Milliseconds after which a command that was sent counts as lost, and its connection as broken. */
  readonly replyWaitMs: number;
  /** The most connections. */
  readonly maxConnections: number;
  /** Whether what was published must be out of the server's hands before it counts as confirmed. */
  readonly durable: boolean;
  /** Texts that must never be seen. */
  readonly secrets: readonly string[];
}

/** For what is bounded by the wait for a reply alone. */
const NEVER = new AbortController().signal;

function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** ioredis's words for a command that it never wrote. */
const NOT_WRITTEN = /enableOfflineQueue|isn't writeable/;

/** Runs scripts over ioredis. */
export class RedisTransport implements StreamsTransport {
  readonly secrets: readonly string[];
  readonly #client: RedisClient;
  readonly #options: RedisTransportOptions;
  readonly #readers: Map<string, BlockingReader> = new Map();
  readonly #guard: WriteGuard | undefined;
  #opening: Promise<void> | undefined;
  #lastError: unknown;
  #closed = false;
  readonly #onError = (error: unknown) => this.#lastError = error;
  readonly #onReady = () => {
    this.#lastError = undefined;
    this.#guard?.reset();
  };

  /** Over this client. */
  constructor(client: RedisClient, options: RedisTransportOptions) {
    this.#client = client;
    this.#options = options;
    this.secrets = options.secrets;
    // A cluster answers from whichever node, which says nothing about the one that was written to.
    if (options.durable && !client.isCluster) {
      this.#guard = new WriteGuard((command, args) => this.#send(command, args, false, NEVER));
    }
    client.on("error", this.#onError);
    client.on("ready", this.#onReady);
  }

  async run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    signal: AbortSignal,
  ): Promise<unknown> {
    const answer = await this.#run(script, [String(keys.length), ...keys, ...args], signal);
    if (this.#guard && script.publishes) await unlessAborted(this.#guard.written(), signal);
    return answer;
  }

  async #run(script: Script, rest: readonly string[], signal: AbortSignal): Promise<unknown> {
    try {
      return await this.#send("EVALSHA", [await script.sha(), ...rest], script.repeatable, signal);
    } catch (error) {
      if (!isReply(error) || !error.message.includes("NOSCRIPT")) throw error;
      return await this.#send("EVAL", [script.source, ...rest], script.repeatable, signal);
    }
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#send("PING", [], true, signal);
  }

  async wait({ keys, streamId, wakeId }: News, ms: number, signal: AbortSignal): Promise<void> {
    // A cluster's streams are in different places, so there each queue has a connection of its own.
    const lane = this.#client.isCluster ? keys.stream : "";
    let reader = this.#readers.get(lane);
    if (reader === undefined) {
      for (const [name, other] of this.#readers) {
        if (this.#readers.size < this.#options.maxConnections - 1) break;
        if (!other.idle) continue;
        other.close();
        this.#readers.delete(name);
      }
      reader = new BlockingReader(
        () => this.#client.duplicate(),
        (id) => this.#client.call("CLIENT", ["UNBLOCK", id]),
      );
      this.#readers.set(lane, reader);
    }
    await reader.wait([[keys.stream, streamId], [keys.wake, wakeId]], ms, signal);
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const reader of this.#readers.values()) reader.close();
    if (!this.#options.injected) this.#client.disconnect();
    this.#client.off("ready", this.#onReady);
    // An own client may still tell of its end; an injected one has its owner to listen.
    if (this.#options.injected) this.#client.off("error", this.#onError);
    return Promise.resolve();
  }

  classify(error: unknown): ErrorCode {
    if (isReply(error)) return classifyReply(error.message);
    return "internal";
  }

  /** Sends a command once there is a connection; what goes wrong is named by whether it was sent. */
  async #send(command: string, args: string[], repeatable: boolean, signal: AbortSignal): Promise<unknown> {
    if (this.#client.status !== "ready") await unlessAborted(this.#ready(), signal);
    signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort);
      // Also when nobody waits for the answer any more: a connection that does not answer is of no use to the next.
      const timer = setTimeout(() => {
        const code = repeatable ? "timeout" : "unknown-outcome";
        reject(new QueueError(code, `no answer to ${command} within ${this.#options.replyWaitMs} ms`));
        this.#client.disconnect(true);
      }, this.#options.replyWaitMs);
      this.#client.call(command, args)
        .then(resolve, (error) => reject(isReply(error) ? error : this.#broken(error, repeatable)))
        .finally(() => {
          clearTimeout(timer);
          signal.removeEventListener("abort", onAbort);
        });
    });
  }

  #broken(error: unknown, repeatable: boolean): QueueError {
    const message = error instanceof Error ? error.message : String(error);
    if (NOT_WRITTEN.test(message)) return this.#unreachable();
    const code = repeatable ? "connection" : "unknown-outcome";
    return new QueueError(code, "the connection broke before the answer came", { cause: error });
  }

  #unreachable(): QueueError {
    const error = this.#lastError;
    const denied = isReply(error) && classifyReply(error.message) === "unauthorized";
    const reason = error instanceof Error ? error.message : "the server did not answer";
    return new QueueError(denied ? "unauthorized" : "connection", `no connection: ${reason}`, { cause: error });
  }

  /** Resolves when the client is connected; one wait for all who want to send. */
  #ready(): Promise<void> {
    return this.#opening ??= new Promise<void>((resolve, reject) => {
      if (this.#closed) return reject(new QueueError("closed", "the connection is closed"));
      const client = this.#client;
      const end = (error?: unknown) => {
        clearTimeout(timer);
        client.off("ready", onReady);
        client.off("end", onEnd);
        client.off("error", onError);
        this.#opening = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      const onReady = () => end();
      const onEnd = () => end(this.#unreachable());
      const onError = (error: unknown) => {
        // Credentials do not become right by waiting.
        if (isReply(error) && classifyReply(error.message) === "unauthorized") onEnd();
      };
      const timer = setTimeout(onEnd, this.#options.connectWaitMs);
      client.on("ready", onReady);
      client.on("end", onEnd);
      client.on("error", onError);
      // It connects again by itself; what fails is told by its error event.
      if (client.status === "wait" || client.status === "end") client.connect().catch(() => undefined);
    });
  }
}
