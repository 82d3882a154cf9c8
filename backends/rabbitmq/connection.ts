/**
 * One connection to the broker that is opened when it is needed, and opened anew when it is needed after it broke.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import { abortable } from "../../core/util/async.ts";
import { GuardedChannel } from "./channel.ts";
import type { AmqpChannel, AmqpConnection } from "./client.ts";
import { toQueueError } from "./errors.ts";
import { PendingCalls } from "./pending_calls.ts";

/** How many channels declare and look at the same time. */
const MAX_CONTROL_CHANNELS = 8;

/**
 * An open connection. What was declared over it is remembered with it, and so declared again over the next. Nothing that is
 * awaited over it outlives it, whatever the client does.
 */
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
  readonly #calls = new PendingCalls();
  readonly #channels: Set<GuardedChannel> = new Set();
  readonly #waiting: (() => void)[] = [];
  #free = MAX_CONTROL_CHANNELS;

  /** Over a connection of the client. */
  constructor(model: AmqpConnection) {
    this.#model = model;
    // Before the client closes the channels, whose users are to be told why.
    model.on("error", (error) => this.#lose(error));
    model.on("close", (error) => this.#lose(error ?? new Error("it was closed")));
    model.on("blocked", (reason: unknown) => this.blocked = String(reason));
    model.on("unblocked", () => this.blocked = undefined);
  }

  /** Opens a channel. Its errors are no unhandled ones. */
  async openChannel(confirming = false): Promise<AmqpChannel> {
    const { lost } = this;
    if (lost) throw lost;
    try {
      const opening = confirming ? this.#model.createConfirmChannel() : this.#model.createChannel();
      const channel = new GuardedChannel(await this.#calls.follow(opening) as AmqpChannel);
      this.#channels.add(channel);
      channel.on("close", () => this.#channels.delete(channel));
      if (this.lost) channel.end(this.lost); // while it was opened
      return channel;
    } catch (error) {
      // A connection that ended before anybody listened has reported it to nobody.
      if (error instanceof Error && error.name === "IllegalOperationError") this.#lose(error);
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
        await channel.close();
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
      done = this.#calls.follow(declare());
      this.declared.set(name, done);
      done.catch(() => this.declared.get(name) === done && this.declared.delete(name));
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
    this.#calls.end(this.lost);
    for (const channel of this.#channels) channel.end(this.lost);
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
      if (late || this.#closed) void new Connection(model).close(this.#timeoutMs);
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
