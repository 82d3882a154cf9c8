/**
 * One connection to the broker that is opened when it is needed, and opened anew when it is needed after it broke.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import { abortable } from "../../core/util/async.ts";
import type { AmqpChannel, AmqpConnection } from "./client.ts";
import { toQueueError } from "./errors.ts";

/** How many channels declare and look at the same time. */
const MAX_CONTROL_CHANNELS = 8;

/** An open connection. What was declared over it is remembered with it, and so declared again over the next. */
export class Connection {
  /** Declarations that are done or under way, by what they declare. */
  readonly declared: Map<string, Promise<void>> = new Map();
  /** Keys that can be published to without declaring anything. */
  readonly ready: Set<string> = new Set();
  /** Why it broke. */
  lost: QueueError | undefined;
  /** Why the broker takes no messages at the moment: it is low on memory or disk. */
  blocked: string | undefined;
  readonly #model: AmqpConnection;
  readonly #onLost: Set<(error: QueueError) => void> = new Set();
  readonly #waiting: (() => void)[] = [];
  #free = MAX_CONTROL_CHANNELS;
  #lastError: unknown;

  /** Over a connection of the client. */
  constructor(model: AmqpConnection) {
    this.#model = model;
    model.on("error", (error: unknown) => this.#lastError = error);
    model.on("close", (error: unknown) => this.#lose(error ?? this.#lastError ?? new Error("it was closed")));
    model.on("blocked", (reason: unknown) => this.blocked = String(reason));
    model.on("unblocked", () => this.blocked = undefined);
  }

  /** Calls back once, when the connection breaks or is closed. */
  onLost(listener: (error: QueueError) => void): void {
    this.#onLost.add(listener);
  }

  /** Opens a channel. Its errors are no unhandled ones. */
  async openChannel(confirming = false): Promise<AmqpChannel> {
    const { lost } = this;
    if (lost) throw lost;
    try {
      const channel = await (confirming ? this.#model.createConfirmChannel() : this.#model.createChannel());
      (channel as AmqpChannel).on("error", () => undefined); // callers that wait for the channel get the error
      return channel as AmqpChannel;
    } catch (error) {
      throw this.#named(error);
    }
  }

  /** Runs `fn` with a channel of its own: what the broker refuses closes it, and nothing else. */
  async withChannel<T>(fn: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      const channel = await this.openChannel();
      try {
        return await fn(channel);
      } finally {
        // The broker closed it already where it refused something.
        await Promise.resolve().then(() => channel.close()).catch(() => undefined);
      }
    } catch (error) {
      throw this.#named(error);
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  /** Does once over this connection what declares something; again only where it failed. */
  once(name: string, declare: () => Promise<void>): Promise<void> {
    let done = this.declared.get(name);
    if (done === undefined) {
      done = declare();
      this.declared.set(name, done);
      done.catch(() => this.declared.delete(name));
    }
    return done;
  }

  /** Closes it. A broker that does not answer within `timeoutMs` milliseconds is not waited for. */
  async close(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => timer = setTimeout(resolve, timeoutMs));
    const closed = Promise.resolve().then(() => this.#model.close()).catch(() => undefined); // it is broken already
    await Promise.race([closed, patience]);
    clearTimeout(timer);
    this.#lose(new QueueError("closed", "the connection is closed"));
  }

  /** A call that failed because the connection broke says so, and why. */
  #named(error: unknown): unknown {
    return this.lost && !(error instanceof QueueError) ? this.lost : error;
  }

  #lose(error: unknown): void {
    if (this.lost) return;
    const { code, message } = toQueueError(error);
    this.lost = code === "closed"
      ? error as QueueError
      : new QueueError("connection", `the connection broke: ${message}`, { cause: error });
    for (const listener of this.#onLost) listener(this.lost);
    this.#onLost.clear();
  }
}

/** Opens connections one after the other, as they are needed. */
export class Link {
  readonly #connect: () => Promise<AmqpConnection>;
  readonly #timeoutMs: number;
  #opening: Promise<Connection> | undefined;
  #current: Connection | undefined;
  #lastError: QueueError | undefined;
  #closed = false;

  /** A link that connects by `connect`, which may take `timeoutMs` milliseconds. */
  constructor(connect: () => Promise<AmqpConnection>, timeoutMs: number) {
    this.#connect = connect;
    this.#timeoutMs = timeoutMs;
  }

  /** The connection, where there is one now. */
  get current(): Connection | undefined {
    return this.#current?.lost ? undefined : this.#current;
  }

  /**
   * Resolves with a connection that is open; all who ask at the same time share one attempt.
   *
   * @throws {QueueError} Why there is none, also where the signal aborts first.
   */
  async open(signal: AbortSignal): Promise<Connection> {
    const { current } = this;
    if (current) return current;
    try {
      return await abortable(this.#opening ??= this.#openNow().finally(() => this.#opening = undefined), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw this.#lastError ?? new QueueError("connection", "no connection: the broker has not answered yet");
    }
  }

  async #openNow(): Promise<Connection> {
    if (this.#closed) throw new QueueError("closed", "the connection is closed");
    const connecting = this.#connect();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let late = false;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        late = true;
        reject(new QueueError("connection", `no connection: the broker did not answer within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
    });
    connecting.then((model) => {
      if (late || this.#closed) void Promise.resolve().then(() => model.close()).catch(() => undefined);
    }, () => undefined);
    try {
      const connection = new Connection(await Promise.race([connecting, limit]));
      if (this.#closed) throw new QueueError("closed", "the connection is closed");
      this.#lastError = undefined;
      return this.#current = connection;
    } catch (error) {
      throw this.#lastError = toQueueError(error, "no connection");
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the connection, within `timeoutMs` milliseconds; none is opened afterwards. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => undefined); // it never opened: there is nothing to close
    await this.#current?.close(timeoutMs);
  }
}
