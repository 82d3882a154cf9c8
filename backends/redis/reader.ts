/**
 * The connection that waits: one blocking read for all queues that somebody waits for.
 *
 * It reads without a group, so that nothing is leased to a reader who may have gone. What it finds is thrown away: it
 * says that a queue is worth a look.
 *
 * @module
 */
import { abortable, delay } from "../../core/util/async.ts";
import type { RedisClient, WaitingConnection } from "./client.ts";
import { isReply, refuseDatabase } from "./connection.ts";
import { dropConnection, Watchdog } from "./watchdog.ts";

/** Milliseconds for which one read blocks. */
const BLOCK_MS = 30_000;

/** Milliseconds after which a read that should have ended is given up, and its connection with it. */
const GRACE_MS = 5_000;

/**
 * Milliseconds between a failed read and the next. It doubles up to as long as a read blocks: what waits then costs no
 * more than where reading works.
 */
const PAUSE_MS = { first: 250, longest: BLOCK_MS } as const;

/** Milliseconds between two attempts to end a read. */
const UNBLOCK_MS = 2;

interface Waiter {
  readonly streams: readonly (readonly [name: string, id: string])[];
  readonly leave: () => void;
}

/** The dependencies of a reader. */
export interface BlockingReaderOptions {
  /** Makes a connection. */
  open(): Promise<WaitingConnection>;
  /** Milliseconds without a byte after which a connection that is being made is given up. */
  readonly replyWaitMs: number;
  /** Tells of what works, but not as documented. */
  warn(about: string, sentence: string): void;
}

function isBefore(a: string, b: string): boolean {
  const [aMs, aSeq] = a.split("-").map(Number) as [number, number];
  const [bMs, bSeq] = b.split("-").map(Number) as [number, number];
  return aMs < bMs || aMs === bMs && aSeq < bSeq;
}

/** The streams of an answer: pairs of name and entries in RESP2, one list of names and entries by turns in RESP3. */
function namesOf(reply: readonly unknown[] | null): ReadonlySet<unknown> {
  if (reply === null) return new Set();
  return new Set(
    reply.flatMap((item, index) => Array.isArray(reply[0]) ? [(item as unknown[])[0]] : index % 2 ? [] : [item]),
  );
}

/** Waits for streams to grow. */
export class BlockingReader {
  readonly #options: BlockingReaderOptions;
  readonly #waiters: Set<Waiter> = new Set();
  readonly #closing = new AbortController();
  #connection: WaitingConnection | undefined;
  #watchdog: Watchdog | undefined;
  #clientId: string | undefined;
  /** This user may not ask for the id of a connection. */
  #anonymous = false;
  #blocked: Map<string, string> | undefined;
  #running = false;
  #ending = false;
  /** The read was ended by a new connection, for want of another way. */
  #interrupted = false;
  #failures = 0;
  /** Ends a pause: a connection is there. */
  #resume: (() => void) | undefined;

  /** A reader on a connection of its own. */
  constructor(options: BlockingReaderOptions) {
    this.#options = options;
  }

  /** True where nobody waits. */
  get idle(): boolean {
    return this.#waiters.size === 0;
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Resolves when one of the streams has an entry after its id, after `ms` milliseconds, or when the signal aborts. */
  wait(streams: Waiter["streams"], ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const leave = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", leave);
        this.#waiters.delete(waiter);
        resolve();
      };
      const timer = setTimeout(leave, Math.min(ms, 2 ** 31 - 1));
      const waiter: Waiter = { streams, leave };
      if (signal.aborted || this.#closed) return leave();
      signal.addEventListener("abort", leave);
      this.#waiters.add(waiter);
      if (!this.#running) void this.#run();
      else if (this.#blocked && !streams.every(([name, id]) => this.#blocked?.get(name) === id)) void this.#interrupt();
    });
  }

  /** Makes a new connection: nothing new comes over this one. */
  reconnect(why: Error): void {
    if (this.#connection?.client.status === "ready") dropConnection(this.#connection.client, why);
  }

  /** Drops the connection and ends every wait. */
  close(): void {
    this.#closing.abort(new Error("the reader is closed"));
    this.leaveAll();
    this.#resume?.();
    this.#discard();
  }

  /** Ends every wait: there may be something to see. */
  leaveAll(): void {
    for (const waiter of this.#waiters) waiter.leave();
  }

  #discard(): void {
    this.#watchdog?.stop();
    this.#connection?.client.disconnect();
    this.#connection = this.#watchdog = this.#clientId = undefined;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiters.size > 0 && !this.#closed) {
      try {
        await this.#read();
        this.#failures = 0;
      } catch (error) {
        await this.#failed(error);
      }
    }
    this.#running = false;
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#closed) return;
    if (this.#interrupted) {
      this.#interrupted = false;
      return;
    }
    if (isReply(error)) {
      // The stream has moved to another node of a cluster.
      if (/^(MOVED|ASK|CLUSTERDOWN)/.test(error.message)) this.#discard();
      // Nothing but this read is refused, so nobody else would tell.
      if (/NOPERM|unknown command/.test(error.message)) {
        this.#options.warn(
          "xread",
          `XREAD is refused (${error.message}): what is new is seen after up to ${BLOCK_MS} ms`,
        );
      }
    } else if (this.#connection?.client.status === "end") {
      this.#discard();
    }
    const ms = Math.min(PAUSE_MS.first * 2 ** this.#failures++, PAUSE_MS.longest);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    await delay(ms, undefined, undefined, promise);
    this.#resume = undefined;
    // The looks that follow meet a server that is down too, and tell of it.
    this.leaveAll();
  }

  async #connected(): Promise<RedisClient> {
    if (this.#connection === undefined) {
      const connection = await abortable(this.#options.open(), this.#closing.signal);
      this.#connection = connection;
      const { client } = connection;
      this.#watchdog = new Watchdog(client, this.#options.replyWaitMs);
      client.on("error", (error) => void refuseDatabase(client, error));
      client.on("close", () => {
        if (this.#connection === connection) this.#clientId = undefined;
      });
      client.on("ready", () => {
        if (this.#connection === connection) this.#resume?.();
      });
    }
    const { client } = this.#connection;
    const watchdog = this.#watchdog!;
    watchdog.add();
    try {
      if (client.status !== "ready") await abortable(connected(client), this.#closing.signal);
      if (this.#clientId === undefined && !this.#anonymous) await this.#identify(client);
    } finally {
      watchdog.remove();
    }
    return client;
  }

  async #identify(client: RedisClient): Promise<void> {
    try {
      this.#clientId = String(await client.call("CLIENT", ["ID"]));
    } catch (error) {
      if (!isReply(error)) throw error;
      this.#anonymous = true;
      this.#options.warn(
        "client",
        `CLIENT ID is refused (${error.message}): each further queue that is waited for costs a new connection`,
      );
    }
  }

  async #read(): Promise<void> {
    const client = await this.#connected();
    const streams = new Map<string, string>();
    for (const waiter of this.#waiters) {
      for (const [name, id] of waiter.streams) {
        const known = streams.get(name);
        if (known === undefined || isBefore(id, known)) streams.set(name, id);
      }
    }
    if (streams.size === 0) return;
    const args = ["COUNT", "1", "BLOCK", String(BLOCK_MS), "STREAMS", ...streams.keys(), ...streams.values()];
    const overdue = setTimeout(() => this.reconnect(new Error("a read is overdue")), BLOCK_MS + GRACE_MS);
    this.#blocked = streams;
    try {
      const grown = namesOf(await client.call("XREAD", args) as unknown[] | null);
      for (const waiter of this.#waiters) if (waiter.streams.some(([name]) => grown.has(name))) waiter.leave();
    } finally {
      clearTimeout(overdue);
      this.#blocked = undefined;
    }
  }

  /** Ends the read that is under way, so that one for all who wait now can begin. */
  async #interrupt(): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const blocked = this.#blocked;
    try {
      // The read may be on its way still, and then there is nothing to end yet.
      while (this.#blocked === blocked && !this.#closed) {
        if (this.#clientId === undefined) throw new Error("the connection is not known by an id");
        if (await this.#connection!.unblock(this.#clientId) === 1) break;
        await delay(UNBLOCK_MS);
      }
    } catch {
      // Not every user of a server may end another's read; a new connection does it too.
      if (this.#blocked === blocked) {
        this.#interrupted = true;
        this.reconnect(new Error("a read for further queues begins"));
      }
    } finally {
      this.#ending = false;
    }
  }
}

/** Resolves when a client is connected. Rejects when it has given up. */
function connected(client: RedisClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: Error) => {
      client.off("ready", onReady);
      client.off("end", onEnd);
      if (error) reject(error);
      else resolve();
    };
    const onReady = () => end();
    const onEnd = () => end(new Error("the connection has ended"));
    client.on("ready", onReady);
    client.on("end", onEnd);
    // The error event reports a failure, and the client connects again by itself.
    if (client.status === "wait") client.connect().catch(() => undefined);
    else if (client.status === "end") onEnd();
  });
}
