/**
 * The streams engine's way to Redis: one connection for scripts, one that waits.
 *
 * @module
 */
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import { abortable } from "../../core/util/async.ts";
import { describeError } from "../../core/util/redact.ts";
import type { Script } from "../streams/script.ts";
import { classifyReply, type StreamsTransport, type WaitState } from "../streams/transport.ts";
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
  /** So many replicas must have what was published before it counts as confirmed. */
  readonly replicas: number;
  /** Texts that must never be seen. */
  readonly secrets: readonly string[];
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** ioredis's words for a command that it never wrote. */
const NOT_WRITTEN = /enableOfflineQueue|isn't writeable/;

/** How often it is looked, while commands wait, whether the connection still answers: so many times in `replyWaitMs`. */
const LOOKS = 4;

/** Runs scripts over ioredis. */
export class RedisTransport implements StreamsTransport {
  readonly secrets: readonly string[];
  readonly #client: RedisClient;
  readonly #options: RedisTransportOptions;
  readonly #readers: Map<string, BlockingReader> = new Map();
  readonly #guard: WriteGuard | undefined;
  #opening: Promise<void> | undefined;
  #unanswered = 0;
  /** So many looks in a row have found commands waiting and no answer since the one before. */
  #quiet = 0;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #lastError: unknown;
  /** The server has taken a write: one that refuses them later is no longer what it was. */
  #wasPrimary = false;
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
    if (!client.isCluster) {
      const { durable, replicas, connectWaitMs: replicaWaitMs } = options;
      const call = (command: string, args: string[]) => this.#call(command, args, false);
      this.#guard = new WriteGuard(call, { durable, replicas, replicaWaitMs });
    }
    client.on("error", this.#onError);
    client.on("ready", this.#onReady);
  }

  connect(signal: AbortSignal): Promise<void> | undefined {
    return this.#client.status === "ready" ? undefined : this.#ready(signal);
  }

  run(script: Script, keys: readonly string[], args: readonly string[], signal: AbortSignal): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    const guard = script.publishes && !this.#guard?.idle ? this.#guard : undefined;
    // What is ready is sent in this very turn.
    if (this.#client.status === "ready" && !guard && !signal.aborted) {
      return this.#evaluate(script, rest);
    }
    return this.#runSlowly(script, rest, signal, guard);
  }

  async #runSlowly(
    script: Script,
    rest: readonly string[],
    signal: AbortSignal,
    guard: WriteGuard | undefined,
  ): Promise<unknown> {
    await this.#ready(signal);
    const answer = await this.#evaluate(script, rest);
    await guard?.written();
    return answer;
  }

  #evaluate(script: Script, rest: readonly string[]): Promise<unknown> {
    return this.#call("EVALSHA", [script.sha, ...rest], script.repeatable, (error) => {
      if (!error.message.includes("NOSCRIPT")) throw this.#demoted(error);
      return this.#call("EVAL", [script.source, ...rest], script.repeatable, (error) => {
        throw this.#demoted(error);
      });
    });
  }

  /**
   * A server that was written to and is read-only now has been replaced by another one: whoever led us to it, a name, a
   * proxy or a Sentinel, leads a new connection to that one.
   */
  #demoted(error: Error): Error {
    if (!this.#wasPrimary || this.#client.isCluster || !error.message.includes("READONLY")) return error;
    this.#client.disconnect(true);
    for (const reader of this.#readers.values()) reader.reconnect();
    return new QueueError("unavailable", "the server has become a read-only replica", { cause: error });
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#ready(signal);
    await this.#call("PING", [], true);
  }

  async wait({ keys, streamId, wakeId }: WaitState, ms: number, signal: AbortSignal): Promise<void> {
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
    clearTimeout(this.#watchdog);
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

  /** Sends a command now; what goes wrong is named by whether it was sent. */
  #call(
    command: string,
    args: string[],
    repeatable: boolean,
    refused: (error: Error) => unknown = (error) => Promise.reject(error),
  ): Promise<unknown> {
    if (this.#unanswered++ === 0) this.#watch();
    return this.#client.call(command, args).then((answer) => {
      this.#onAnswer();
      this.#wasPrimary ||= !repeatable;
      return answer;
    }, (error) => {
      this.#onAnswer();
      return isReply(error) ? refused(error) : Promise.reject(this.#broken(error, repeatable));
    });
  }

  /** One timer for all that wait: a connection that answers nothing for so long is of no use to anybody. */
  #watch(): void {
    this.#quiet = 0;
    this.#watchdog ??= setTimeout(this.#onWatch, this.#options.replyWaitMs / LOOKS);
  }

  #onAnswer(): void {
    this.#unanswered -= 1;
    this.#quiet = 0;
  }

  readonly #onWatch = (): void => {
    this.#watchdog = undefined;
    if (this.#unanswered === 0 || this.#closed) return;
    this.#quiet += 1;
    // The first look may have come any moment after the command.
    if (this.#quiet > LOOKS) {
      this.#quiet = 0;
      this.#client.disconnect(true);
    }
    this.#watchdog = setTimeout(this.#onWatch, this.#options.replyWaitMs / LOOKS);
  };

  #broken(error: unknown, repeatable: boolean): QueueError {
    const message = error instanceof Error ? error.message : String(error);
    if (NOT_WRITTEN.test(message)) return this.#unreachable();
    const code = repeatable ? "connection" : "unknown-outcome";
    return new QueueError(code, "the connection broke before the answer came", { cause: error });
  }

  #unreachable(): QueueError {
    const error = this.#lastError;
    const denied = isReply(error) && classifyReply(error.message) === "unauthorized";
    const reason = error === undefined ? "the server did not answer" : describeError(error);
    return new QueueError(denied ? "unauthorized" : "connection", `no connection: ${reason}`, { cause: error });
  }

  /** Resolves when the client is connected. When the signal aborts, it rejects with the reason why it is not. */
  async #ready(signal: AbortSignal): Promise<void> {
    if (this.#client.status === "ready") return signal.throwIfAborted();
    try {
      await abortable(this.#open(), signal);
      signal.throwIfAborted();
    } catch (error) {
      throw signal.aborted && error === signal.reason ? this.#unreachable() : error;
    }
  }

  /** One wait for all who want to send. */
  #open(): Promise<void> {
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
