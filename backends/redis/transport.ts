/**
 * Runs the scripts of the streams engine over ioredis: one connection sends, another one waits.
 *
 * @module
 */
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import { keysFor, type Script } from "../streams/script.ts";
import { HEALTH } from "../streams/scripts.ts";
import { helperPrefix, queueKeys } from "../streams/keys.ts";
import { classifyReply, type StreamsTransport, type WaitState } from "../streams/transport.ts";
import type { Finding } from "../../core/protocol.ts";
import { databaseOf, primariesOf, type RedisClient, waitingConnection } from "./client.ts";
import { isReply, RedisConnection } from "./connection.ts";
import { diagnoseServer } from "./diagnose.ts";
import { numberOf, WriteGuard } from "./durability.ts";
import { BlockingReader } from "./reader.ts";

/** How a transport behaves. */
export interface RedisTransportOptions {
  /** Opened by somebody else, who closes it. */
  readonly injected: boolean;
  /** Milliseconds to wait for a connection before a command counts as not sent. */
  readonly connectWaitMs: number;
  /** Milliseconds without a byte after which a command that was sent counts as lost, and its connection as broken. */
  readonly replyWaitMs: number;
  /** The most connections that are kept. */
  readonly maxConnections: number;
  /** Whether what was published must be out of the server's hands before it counts as confirmed. */
  readonly durable: boolean;
  /** The number of replicas that must have what was published before it counts as confirmed. */
  readonly replicas: number;
  /** Texts that must never be seen. */
  readonly secrets: readonly string[];
  /** Called once for each thing about the server that works and is not as safe or as cheap as documented. */
  warn?(sentence: string, key: string): void;
}

/** Runs scripts over ioredis. */
export class RedisTransport implements StreamsTransport {
  readonly secrets: readonly string[];
  readonly #client: RedisClient;
  readonly #options: RedisTransportOptions;
  readonly #connection: RedisConnection;
  readonly #readers: Map<string, BlockingReader> = new Map();
  readonly #guard: WriteGuard | undefined;
  readonly #warnings: Map<string, string> = new Map();
  /** The key of the latest call, for warnings. */
  #key = "";

  /** A transport over a client. */
  constructor(client: RedisClient, options: RedisTransportOptions) {
    this.#client = client;
    this.#options = options;
    this.secrets = options.secrets;
    // A cluster answers from any of its nodes, which says nothing about the one that was written to.
    if (!client.isCluster) {
      const { durable, replicas, connectWaitMs: replicaWaitMs } = options;
      const call = (command: string, args: string[]) => this.#connection.call(command, args, true);
      this.#guard = new WriteGuard(call, { durable, replicas, replicaWaitMs });
    }
    this.#connection = new RedisConnection(client, {
      ...options,
      prepare: () => this.#prepare(),
      onLost: () => {
        this.#guard?.reset();
        // A waiting connection that was not made yet would not notice, so the reader that waits looks and reports it.
        for (const reader of this.#readers.values()) reader.leaveAll();
      },
      // The same failure may have silenced a connection that waits, where silence is normal.
      onGivenUp: () => this.#renewReaders("the connection that sends was silent"),
    });
  }

  connect(signal: AbortSignal): Promise<void> | undefined {
    return this.#connection.isReady ? undefined : this.#connection.ready(signal);
  }

  run(script: Script, keys: readonly string[], args: readonly string[], signal: AbortSignal): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    // Send in this very turn of the event loop where the connection is ready.
    if (this.#connection.isReady && !signal.aborted && (!script.publishes || (this.#guard?.idle ?? true))) {
      return this.#evaluate(script, rest);
    }
    return this.#runSlowly(script, keys[0] ?? this.#key, rest, signal);
  }

  async #runSlowly(script: Script, key: string, rest: readonly string[], signal: AbortSignal): Promise<unknown> {
    this.#key = key;
    await this.#connection.ready(signal);
    const guard = script.publishes && !this.#guard?.idle ? this.#guard : undefined;
    const connection = guard?.connection ?? 0;
    const answer = await this.#evaluate(script, rest);
    await guard?.written(connection, `${helperPrefix(key)}probe`, signal);
    return answer;
  }

  #evaluate(script: Script, rest: readonly string[]): Promise<unknown> {
    return this.#connection.call("EVALSHA", [script.sha, ...rest], script.repeatable, (error) => {
      if (!error.message.includes("NOSCRIPT")) throw this.#demoted(error);
      return this.#connection.call("EVAL", [script.source, ...rest], script.repeatable, (error) => {
        throw this.#demoted(error);
      });
    });
  }

  /**
   * Leaves a server that is a read-only replica. A name, a proxy or a Sentinel that led to it, because it was the primary
   * or because it does not know better yet, leads a new connection to the one that took its place.
   */
  #demoted(error: Error): Error {
    if (this.#client.isCluster || !error.message.includes("READONLY")) return error;
    this.#connection.reconnect();
    this.#renewReaders("the server is a read-only replica");
    return new QueueError("unavailable", "the server is a read-only replica", { cause: error });
  }

  #renewReaders(why: string): void {
    for (const reader of this.#readers.values()) reader.reconnect(new Error(why));
  }

  /** Asks a new connection what must be known before anything is sent over it. */
  async #prepare(): Promise<void> {
    const database = databaseOf(this.#client);
    // Nobody has heard whether the client's own SELECT was refused.
    if (this.#options.injected && database > 0) await this.#connection.select(database);
    const asked = this.#guard && this.#options.durable;
    const [memory, persistence] = await Promise.all([this.#info("memory"), asked ? this.#info("persistence") : ""]);
    this.#checkEviction(memory);
    await this.#guard?.prepare(persistence);
  }

  /** Reads a section of INFO. `undefined`: this user may not. */
  async #info(section: string): Promise<string | undefined> {
    const answer = await this.#connection.call("INFO", [section], true, (error) => {
      this.#warn(
        "info",
        `INFO is refused (${error.message}): a publish counts as confirmed when the server has answered, whatever ` +
          "its append-only file and its eviction policy are",
      );
      return undefined;
    });
    return answer === undefined ? undefined : String(answer);
  }

  #checkEviction(memory: string | undefined): void {
    const policy = /^maxmemory_policy:(allkeys-\w+)/m.exec(memory ?? "")?.[1];
    if (policy !== undefined && numberOf(memory!, "maxmemory") > 0) {
      this.#warn(
        "evicts",
        `the server evicts keys when its memory is full (maxmemory-policy ${policy}), whole queues with all that was ` +
          "confirmed: set it to noeviction",
      );
    } else if (memory !== undefined) {
      this.#warnings.delete("evicts");
    }
  }

  #warn(about: string, sentence: string): void {
    const known = this.#warnings.has(about);
    this.#warnings.set(about, sentence);
    if (!known) this.#options.warn?.(sentence, this.#key);
  }

  async runOn(place: number, script: Script, args: readonly string[], signal: AbortSignal): Promise<unknown> {
    if (!this.#client.isCluster) return place === 0 ? await this.run(script, [], args, signal) : undefined;
    await this.#connection.ready(signal);
    return await primariesOf(this.#client)[place]?.call("EVAL", [script.source, "0", ...args]);
  }

  async ping(key: string, signal: AbortSignal): Promise<readonly string[]> {
    this.#key = key;
    await this.#connection.ready(signal);
    const keys = keysFor(HEALTH, queueKeys(key));
    const [memory] = await Promise.all([
      this.#info("memory"),
      this.#evaluate(HEALTH, [String(keys.length), ...keys]),
    ]);
    this.#checkEviction(memory);
    return [...this.#warnings.values()];
  }

  async diagnose(signal: AbortSignal): Promise<readonly Finding[]> {
    await this.#connection.ready(signal);
    const ask = (command: string, args: string[]) => this.#connection.call(command, args, true, () => undefined);
    return await diagnoseServer(ask, this.#options);
  }

  async wait({ keys, streamId, wakeId }: WaitState, ms: number, signal: AbortSignal): Promise<void> {
    // The nodes of a cluster have different streams, so there each queue has a connection of its own.
    const lane = this.#client.isCluster ? keys.stream : "";
    let reader = this.#readers.get(lane);
    if (reader === undefined) {
      for (const [name, other] of this.#readers) {
        if (this.#readers.size < this.#options.maxConnections - 1) break;
        if (!other.idle) continue;
        other.close();
        this.#readers.delete(name);
      }
      reader = new BlockingReader({
        open: () => waitingConnection(this.#client, keys.stream),
        replyWaitMs: this.#options.replyWaitMs,
        warn: (about, sentence) => this.#warn(about, sentence),
      });
      this.#readers.set(lane, reader);
    }
    await reader.wait([[keys.stream, streamId], [keys.wake, wakeId]], ms, signal);
  }

  close(): Promise<void> {
    for (const reader of this.#readers.values()) reader.close();
    this.#connection.close();
    return Promise.resolve();
  }

  classify(error: unknown): ErrorCode {
    if (isReply(error)) return classifyReply(error.message);
    return "internal";
  }
}
