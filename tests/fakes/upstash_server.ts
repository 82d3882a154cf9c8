/**
 * Upstash's REST API in front of a real redis-server, for tests: `/`, `/{command}/{args}`, `/pipeline`,
 * `/multi-exec`, `/subscribe/{channel}`, bearer token, base64 on request. It refuses what Upstash
 * refuses, counts requests and commands, and can misbehave on demand.
 *
 * ```ts
 * await using upstash = await startUpstash();
 * upstash.failNext({ status: 429, headers: { "retry-after": "1" } });
 * upstash.loseNextReply(); // runs the command, then cuts the connection
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import type { RespClient } from "../servers/resp.ts";
import {
  answerFailure,
  type CountedRequest,
  cutConnection,
  type Failure,
  FaultQueue,
  type Matching,
  type SeenRequest,
} from "./upstash_faults.ts";
import { runCommands } from "./upstash_commands.ts";
import { readBody, readRequest, RestError } from "./upstash_rest.ts";

/** How the server is to be. */
export interface UpstashServerOptions {
  /** The redis-server behind it. Default: one of its own. */
  readonly redis?: RedisServer;
  /** The token that is asked for. Default: `"test-token"`. */
  readonly token?: string;
  /** Bytes of the largest request. Default: 10 MiB. */
  readonly maxRequestBytes?: number;
}

/** A running server. */
export class UpstashServer implements AsyncDisposable {
  readonly token: string;
  /** The redis-server behind it. */
  readonly redis: RedisServer;
  /** Every request since the start or `reset`, subscriptions included. */
  readonly seen: CountedRequest[] = [];
  /** Milliseconds by which each answer is held back. */
  latencyMs = 0;
  /** Bytes of an answer that pass in a second. */
  bytesPerSecond = Infinity;
  readonly #http: Server;
  readonly #ownRedis: boolean;
  readonly #maxRequestBytes: number;
  readonly #subscriptions = new Set<{ response: ServerResponse; client: RespClient }>();
  readonly #faults = new FaultQueue();
  readonly #latencies = new Map<string, number>();
  readonly #holds = new Map<string, PromiseWithResolvers<void>>();
  readonly #watchers = new Set<() => void>();
  #client: Promise<RespClient> | undefined;
  #noSubscriptions = false;
  #syncToken = 0;

  constructor(redis: RedisServer, ownRedis: boolean, options: UpstashServerOptions) {
    this.redis = redis;
    this.#ownRedis = ownRedis;
    this.token = options.token ?? "test-token";
    this.#maxRequestBytes = options.maxRequestBytes ?? 10 * 1024 * 1024;
    this.#http = createServer((request, response) => void this.#serve(request, response));
  }

  /** Opens the port. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(0, "127.0.0.1", () => resolve());
    });
  }

  /** `http://127.0.0.1:port` */
  get url(): string {
    const address = this.#http.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  /** HTTP requests so far. */
  get requests(): number {
    return this.seen.length;
  }

  /** Commands so far, as Upstash bills them: each one of a pipeline; a subscription is one. */
  get commands(): number {
    return this.seen.reduce((sum, { commands }) => sum + commands, 0);
  }

  /** Open subscriptions. */
  get subscriptions(): number {
    return this.#subscriptions.size;
  }

  /** Forgets what it has counted. */
  reset(): void {
    this.seen.length = 0;
  }

  /** Resolves as soon as the condition holds; looked at after every request and subscription. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const watcher = () => {
        if (!condition()) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** The next requests, subscriptions not counted, fail without running anything. */
  failNext(failure: Failure, matching?: Matching): void {
    this.#faults.add(failure, matching);
  }

  /** Runs the next request's commands, then cuts the connection. */
  loseNextReply(matching?: Matching): void {
    this.#faults.add("after", matching);
  }

  /** Cuts the connection of the next request without running anything. */
  cutNextRequest(matching?: Matching): void {
    this.#faults.add("before", matching);
  }

  /** Runs the next request's commands and cuts the connection in the middle of the answer. */
  truncateNextReply(matching?: Matching): void {
    this.#faults.add("half", matching);
  }

  /** From now on answers to this token come so much later. */
  delayFor(token: string, ms: number): void {
    this.#latencies.set(token, ms);
  }

  /** Holds this token's requests back from now on, before they run. */
  hold(token: string): void {
    if (!this.#holds.has(token)) this.#holds.set(token, Promise.withResolvers<void>());
  }

  /** Lets this token's held requests run. */
  letThrough(token: string): void {
    this.#holds.get(token)?.resolve();
    this.#holds.delete(token);
  }

  /** Cuts every connection, whatever it is doing. */
  dropConnections(): void {
    this.dropSubscriptions();
    this.#http.closeAllConnections();
  }

  /** From now on subscriptions are refused, or served again. */
  refuseSubscriptions(refuse = true): void {
    this.#noSubscriptions = refuse;
  }

  /** Cuts every open subscription. */
  dropSubscriptions(): void {
    for (const { response, client } of this.#subscriptions) {
      client.close();
      response.destroy();
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? "/", "http://127.0.0.1");
      const body = await readBody(request, this.#maxRequestBytes);
      const token = this.#authorize(request, url);
      if (request.method !== "POST" && request.method !== "GET") throw new RestError(405, "ERR method not allowed");
      const asked = readRequest(url, body);
      const base64 = request.headers["upstash-encoding"] === "base64";
      const commands = asked.kind === "subscribe"
        ? [["SUBSCRIBE", asked.channel]]
        : asked.kind === "command"
        ? [asked.command]
        : asked.commands;
      const seen: SeenRequest = { path: url.pathname, commands, token };
      this.seen.push({ ...seen, commands: commands.length });
      if (asked.kind === "subscribe") return await this.#subscribe(asked.channel, request, response);
      const fault = this.#faults.take(seen);
      if (typeof fault === "object") return answerFailure(response, fault);
      if (fault === "before") return cutConnection(response);
      await this.#holds.get(token)?.promise;
      const answer = await runCommands(await this.#connected(), asked.kind, commands, base64);
      const ms = this.#latencies.get(token) ?? this.latencyMs;
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      if (fault === "after") return cutConnection(response);
      this.#answer(response, answer.status, answer.body, fault === "half");
    } catch (error) {
      const status = error instanceof RestError ? error.status : 500;
      const message = error instanceof Error ? error.message : String(error);
      this.#answer(response, status, JSON.stringify({ error: message }));
    } finally {
      this.#changed();
    }
  }

  /** The token that came: the right one, or that with a name behind a dot, to tell one client from another. */
  #authorize(request: IncomingMessage, url: URL): string {
    const given = request.headers.authorization?.replace(/^Bearer /, "") ?? url.searchParams.get("_token") ?? "";
    if (given === this.token || given.startsWith(`${this.token}.`)) return given;
    throw new RestError(401, "WRONGPASS invalid or missing auth token");
  }

  #answer(response: ServerResponse, status: number, body: string, half = false): void {
    // The connection was cut meanwhile, or it is a subscription that has begun.
    if (response.destroyed || response.headersSent) return void response.destroy();
    const bytes = Buffer.from(body);
    response.writeHead(status, {
      "content-type": "application/json",
      "content-length": bytes.length,
      "upstash-sync-token": `token-${++this.#syncToken}`,
    });
    if (!half && this.bytesPerSecond < Infinity) return void this.#trickle(response, bytes);
    if (!half) return void response.end(bytes);
    response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
  }

  async #trickle(response: ServerResponse, bytes: Uint8Array): Promise<void> {
    const step = Math.ceil(this.bytesPerSecond / 20);
    for (let from = 0; from < bytes.length && !response.destroyed; from += step) {
      response.write(bytes.subarray(from, from + step));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    response.end();
  }

  async #connected(): Promise<RespClient> {
    this.#client ??= this.redis.connect().then((client) => {
      client.onClose = () => this.#client = undefined;
      return client;
    });
    try {
      return await this.#client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  async #subscribe(channel: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#noSubscriptions) throw new RestError(400, "ERR Command is not available: 'SUBSCRIBE'");
    const client = await this.redis.connect();
    const subscription = { response, client };
    const end = () => {
      this.#subscriptions.delete(subscription);
      client.close();
      response.end();
      this.#changed();
    };
    client.onClose = end;
    request.on("close", end);
    response.on("close", end);
    client.onMessage = ([, from, text]) => response.write(`data: message,${from},${text}\n\n`);
    await client.call("SUBSCRIBE", channel);
    if (response.destroyed) return client.close();
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    response.write(`data: subscribe,${channel},1\n\n`);
    this.#subscriptions.add(subscription);
  }

  /** Closes the port and, where it is its own, the redis-server. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dropSubscriptions();
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    await closed;
    await this.#client?.then((client) => client.close(), () => undefined);
    if (this.#ownRedis) await this.redis[Symbol.asyncDispose]();
  }
}

/** Starts one, with a redis-server of its own unless one is given. */
export async function startUpstash(options: UpstashServerOptions = {}): Promise<UpstashServer> {
  const redis = options.redis ?? await startRedis();
  const server = new UpstashServer(redis, options.redis === undefined, options);
  await server.listen();
  return server;
}
