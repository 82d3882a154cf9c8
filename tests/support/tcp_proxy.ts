/**
 * A TCP proxy for tests, which behaves as networks do: it loses answers, holds them back, cuts connections, and is
 * sometimes not there.
 *
 * ```ts
 * await using proxy = await startProxy(redis.port);
 * proxy.loseNextReply(); // the next request reaches the server; its answer does not come back, and the connection breaks
 * ```
 *
 * @module
 */
import { CommandCounter } from "./resp.ts";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A request that a fault is meant for: every one, unless the bytes must hold a text. */
interface Fault {
  readonly kind: "reply" | "request";
  readonly matching: readonly string[];
  readonly done: () => void;
}

/** One client and its connection to the server. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** The answer that comes next is to be lost. */
  losing: Fault | undefined;
  readonly counter: CommandCounter;
}

/** A running proxy. */
export class TcpProxy implements AsyncDisposable {
  /** Milliseconds by which each piece of an answer is held back. */
  delayMs = 0;
  readonly #target: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #faults: Fault[] = [];
  #gone = 0;
  #refusing = false;

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Opens the port. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", () => resolve());
    });
  }

  /** The loopback port to connect to. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** Open connections. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Commands that clients have sent. */
  get commands(): number {
    return [...this.#pairs].reduce((sum, { counter }) => sum + counter.count, this.#gone);
  }

  /** Lets the next request that holds one of the texts through and loses its answer; resolves when that has happened. */
  loseNextReply(...matching: readonly string[]): Promise<void> {
    return new Promise((done) => this.#faults.push({ kind: "reply", matching, done }));
  }

  /** Loses the next request that holds one of the texts; resolves when that has happened. */
  loseNextRequest(...matching: readonly string[]): Promise<void> {
    return new Promise((done) => this.#faults.push({ kind: "request", matching, done }));
  }

  /** Cuts every connection. */
  dropConnections(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** Refuses new connections, or takes them again. */
  refuse(refusing = true): void {
    this.#refusing = refusing;
    if (refusing) this.dropConnections();
  }

  #accept(client: Socket): void {
    if (this.#refusing) return void client.destroy();
    const server = connect({ port: this.#target, host: "127.0.0.1" });
    const pair: Pair = { client, server, losing: undefined, counter: new CommandCounter() };
    this.#pairs.add(pair);
    const end = () => {
      if (this.#pairs.delete(pair)) this.#gone += pair.counter.count;
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    client.on("data", (chunk: Uint8Array) => this.#onRequest(pair, chunk));
    server.on("data", (chunk: Uint8Array) => this.#onReply(pair, chunk));
  }

  #onRequest(pair: Pair, chunk: Uint8Array): void {
    pair.counter.add(chunk);
    const text = this.#faults.length > 0 ? new TextDecoder().decode(chunk) : "";
    const at = this.#faults.findIndex(({ matching }) => matching.some((part) => text.includes(part)));
    const fault = at < 0 ? undefined : this.#faults.splice(at, 1)[0];
    if (fault?.kind === "request") {
      pair.client.destroy();
      return fault.done();
    }
    if (fault) pair.losing = fault;
    pair.server.write(chunk);
  }

  #onReply(pair: Pair, chunk: Uint8Array): void {
    if (pair.losing) {
      pair.client.destroy();
      return pair.losing.done();
    }
    if (this.delayMs === 0) return void pair.client.write(chunk);
    setTimeout(() => pair.client.destroyed || pair.client.write(chunk), this.delayMs);
  }

  /** Closes the port and every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.dropConnections();
    await closed;
  }
}

/** Starts one in front of a loopback port. */
export async function startProxy(target: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(target);
  await proxy.listen();
  return proxy;
}
