/**
 * The connection that waits: one blocking read for all queues that somebody waits for.
 *
 * It reads without a group, so that nothing is leased to a reader who may have gone. What it finds is thrown away: it
 * says that a queue is worth a look.
 *
 * @module
 */
import type { RedisClient } from "./client.ts";

/** Milliseconds for which one read blocks. */
const BLOCK_MS = 30_000;

/** Milliseconds after which a read that should have ended is given up, and its connection with it. */
const GRACE_MS = 5_000;

/** Milliseconds between a failed read and the next. */
const PAUSE_MS = 250;

/** Milliseconds between two attempts to end a read. */
const UNBLOCK_MS = 2;

interface Waiter {
  readonly streams: readonly (readonly [name: string, id: string])[];
  readonly leave: () => void;
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
  readonly #open: () => RedisClient;
  readonly #unblock: (clientId: string) => Promise<unknown>;
  readonly #waiters: Set<Waiter> = new Set();
  #client: RedisClient | undefined;
  #clientId: string | undefined;
  #blocked: Map<string, string> | undefined;
  #running = false;
  #ending = false;
  #closed = false;

  /** A reader on a connection of its own; `unblock` ends its read from another one. */
  constructor(open: () => RedisClient, unblock: (clientId: string) => Promise<unknown>) {
    this.#open = open;
    this.#unblock = unblock;
  }

  /** True where nobody waits. */
  get idle(): boolean {
    return this.#waiters.size === 0;
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

  /** Makes a new connection: this one leads to a server where nothing new comes. */
  reconnect(): void {
    this.#client?.disconnect(true);
  }

  /** Drops the connection and ends every wait. */
  close(): void {
    this.#closed = true;
    this.#leaveAll();
    this.#client?.disconnect();
  }

  #leaveAll(): void {
    for (const waiter of this.#waiters) waiter.leave();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiters.size > 0 && !this.#closed) {
      try {
        await this.#read();
      } catch {
        // Whatever it is, the look that follows meets it too and tells it.
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        this.#leaveAll();
      }
    }
    this.#running = false;
  }

  async #connected(): Promise<RedisClient> {
    if (this.#client === undefined) {
      this.#client = this.#open();
      // A connection that is lost fails the read; ioredis wants somebody to listen.
      this.#client.on("error", () => undefined);
      this.#client.on("ready", () => this.#clientId = undefined);
    }
    const client = this.#client;
    if (client.status === "wait") await client.connect();
    if (this.#clientId === undefined && !client.isCluster) this.#clientId = String(await client.call("CLIENT", ["ID"]));
    return client;
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
    const overdue = setTimeout(() => client.disconnect(true), BLOCK_MS + GRACE_MS);
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
        if (this.#clientId === undefined || await this.#unblock(this.#clientId) === 1) break;
        await new Promise((resolve) => setTimeout(resolve, UNBLOCK_MS));
      }
    } catch {
      // Not every user of a server may end another's read; a new connection does it too.
      if (this.#blocked === blocked) this.#client?.disconnect(true);
    } finally {
      this.#ending = false;
    }
  }
}
