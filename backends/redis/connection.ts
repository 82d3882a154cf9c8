/**
 * The connection that sends: waits for it, gives it up when it is silent, and names what went wrong by whether a
 * command can have left.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import { abortable } from "../../core/util/async.ts";
import { describeError } from "../../core/util/redact.ts";
import { classifyReply } from "../streams/transport.ts";
import type { RedisClient } from "./client.ts";
import { type Connection, Watchdog } from "./watchdog.ts";

/** How a connection behaves. */
export interface RedisConnectionOptions {
  /** Opened by somebody else, who closes it. */
  readonly injected: boolean;
  /** Milliseconds to wait for a connection before a command counts as not sent. */
  readonly connectWaitMs: number;
  /** Milliseconds without a byte after which a command that was sent counts as lost, and its connection as broken. */
  readonly replyWaitMs: number;
  /** Called on each new connection before anything else is sent; a failure is told to those who want to send. */
  prepare(): Promise<void>;
  /** Called when the connection is lost. */
  onLost(): void;
  /** Called when a connection was given up because it is silent. */
  onGivenUp(): void;
}

/** An error that the server answered. */
export interface ReplyError extends Error {
  readonly command?: { readonly name?: string };
}

/** Whether the server answered with this error. */
export function isReply(error: unknown): error is ReplyError {
  return error instanceof Error && error.name === "ReplyError";
}

/** ioredis's words for a command that it never wrote. */
const NOT_WRITTEN = /enableOfflineQueue|isn't writeable|subscriber mode|Too many Cluster redirections/;

/** Ends a connection on which SELECT was refused, which ioredis would use with database 0. */
export function refuseDatabase(client: RedisClient, error: unknown): QueueError | undefined {
  if (!isReply(error) || error.command?.name?.toLowerCase() !== "select") return undefined;
  const { stream } = client as { readonly stream?: { destroy(): void } };
  if (stream) stream.destroy();
  else client.disconnect(true);
  return databaseRefused(error);
}

function databaseRefused(error: ReplyError): QueueError {
  const code = /out of range|invalid DB/i.test(error.message) ? "not-found" : classifyReply(error.message);
  return new QueueError(code, `the database cannot be selected: ${error.message}`, { cause: error });
}

/** Sends commands over a client. */
export class RedisConnection {
  readonly #client: RedisClient;
  readonly #options: RedisConnectionOptions;
  readonly #watchdog: Watchdog;
  #opening: Promise<void> | undefined;
  #preparing: Promise<void> | undefined;
  #prepared = false;
  #closed = false;
  /** Why there is no connection. */
  #lastError: unknown;
  readonly #onError = (error: unknown) => {
    // The error of ioredis for a connection that was ended here hides the reason.
    if (this.#lastError !== undefined && NOT_WRITTEN.test(String(error))) return;
    this.#lastError = refuseDatabase(this.#client, error) ?? error;
  };
  readonly #onReady = () => this.#lastError = undefined;
  readonly #onClose = () => {
    this.#prepared = false;
    this.#preparing = undefined;
    this.#options.onLost();
  };

  /** A connection over a client. */
  constructor(client: RedisClient, options: RedisConnectionOptions) {
    this.#client = client;
    this.#options = options;
    this.#watchdog = new Watchdog(client, options.replyWaitMs, () => options.onGivenUp());
    client.on("error", this.#onError);
    client.on("ready", this.#onReady);
    client.on("close", this.#onClose);
  }

  /** True where a command can be sent at once. */
  get isReady(): boolean {
    return this.#prepared && this.#isOpen;
  }

  /** A connection of which the end has come but not yet the news still counts as ready to the client, and takes nothing. */
  get #isOpen(): boolean {
    const { status, stream } = this.#client as Connection;
    return status === "ready" && stream?.writable !== false;
  }

  /**
   * Resolves when a command can be sent.
   *
   * @throws When the signal aborts, the reason why there is no connection.
   */
  async ready(signal: AbortSignal): Promise<void> {
    try {
      if (!this.#isOpen) await abortable(this.#open(), signal);
      if (!this.#prepared) await abortable(this.#prepare(), signal);
      signal.throwIfAborted();
    } catch (error) {
      throw signal.aborted && error === signal.reason ? this.#unreachable() : error;
    }
  }

  /**
   * Sends a command now.
   *
   * @param repeatable Whether running it twice does no harm.
   * @param refused Called with an error that the server answered. Default: rejects with it.
   * @throws {QueueError} `"connection"` or `"unknown-outcome"`, by whether the command may have run.
   */
  call(
    command: string,
    args: string[],
    repeatable: boolean,
    refused: (error: Error) => unknown = (error) => Promise.reject(error),
  ): Promise<unknown> {
    this.#watchdog.add();
    return this.#client.call(command, args).then((answer) => {
      this.#watchdog.remove();
      return answer;
    }, (error) => {
      this.#watchdog.remove();
      return isReply(error) ? refused(error) : Promise.reject(this.#broken(error, repeatable));
    });
  }

  /**
   * Selects a database on a connection that may have been made without it.
   *
   * @throws {QueueError} It does not exist, or this user may not select it.
   */
  async select(database: number): Promise<void> {
    await this.call("SELECT", [String(database)], true, (error) => Promise.reject(databaseRefused(error)));
  }

  /** Drops the connection and makes a new one, which may lead to another server. */
  reconnect(): void {
    this.#client.disconnect(true);
  }

  /** Closes the client, unless it is somebody else's. */
  close(): void {
    this.#closed = true;
    this.#watchdog.stop();
    if (!this.#options.injected) this.#client.disconnect();
    this.#client.off("ready", this.#onReady);
    this.#client.off("close", this.#onClose);
    // An own client may still tell of its end; an injected one has its owner to listen.
    if (this.#options.injected) this.#client.off("error", this.#onError);
  }

  #prepare(): Promise<void> {
    if (this.#preparing === undefined) {
      const preparing = this.#options.prepare().then(() => {
        if (this.#preparing === preparing) this.#prepared = true;
      });
      preparing.catch(() => {
        if (this.#preparing === preparing) this.#preparing = undefined;
      });
      this.#preparing = preparing;
    }
    return this.#preparing;
  }

  #broken(error: unknown, repeatable: boolean): QueueError {
    const message = error instanceof Error ? error.message : String(error);
    if (NOT_WRITTEN.test(message)) return this.#unreachable(error);
    const code = repeatable ? "connection" : "unknown-outcome";
    return new QueueError(code, "the connection broke before the answer came", { cause: error });
  }

  #unreachable(otherwise?: unknown): QueueError {
    const error = this.#lastError ?? otherwise;
    const reason = error === undefined ? "the server did not answer" : describeError(error);
    return new QueueError(this.#finalCode(error) ?? "connection", `no connection: ${reason}`, { cause: error });
  }

  /** The code of a refusal that does not become right by waiting. */
  #finalCode(error: unknown): QueueError["code"] | undefined {
    if (error instanceof QueueError) return error.retryable ? undefined : error.code;
    return isReply(error) && classifyReply(error.message) === "unauthorized" ? "unauthorized" : undefined;
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
        this.#watchdog.remove();
        this.#opening = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      const onReady = () => end();
      const onEnd = () => end(this.#unreachable());
      const onError = () => {
        if (this.#finalCode(this.#lastError) !== undefined) onEnd();
      };
      const timer = setTimeout(onEnd, this.#options.connectWaitMs);
      client.on("ready", onReady);
      client.on("end", onEnd);
      client.on("error", onError);
      this.#watchdog.add();
      // It connects again by itself; what fails is told by its error event.
      if (client.status === "wait" || client.status === "end") client.connect().catch(() => undefined);
    });
  }
}
