/**
 * The streams engine's way to Upstash: each operation one request, and a subscription in place of a blocking read.
 *
 * @module
 */
import type { Clock } from "../../core/util/clock.ts";
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import { type GroupKeys, queueKeys } from "../streams/keys.ts";
import { keysFor, type Script } from "../streams/script.ts";
import { HEALTH } from "../streams/scripts.ts";
import type { StreamsTransport, WaitState } from "../streams/transport.ts";
import { Listener, type Subscribe } from "./listener.ts";

/** A database, however it is reached. */
export interface UpstashConnection {
  /** See `QueueDriver.connect`. */
  connect(signal: AbortSignal): Promise<void> | undefined;
  /** Runs a script in one request. */
  run(script: Script, keys: readonly string[], args: readonly string[], signal: AbortSignal): Promise<unknown>;
  /** Listens to a channel. */
  readonly subscribe: Subscribe;
}

/** The listeners that are kept while nobody waits. */
const MAX_LISTENERS = 1_000;

/** Runs scripts over HTTP. */
export class UpstashTransport implements StreamsTransport {
  readonly secrets: readonly string[];
  readonly #connection: UpstashConnection;
  readonly #clock: Clock;
  readonly #listeners: Map<string, Listener> = new Map();

  /** Over this connection. */
  constructor(connection: UpstashConnection, clock: Clock, secrets: readonly string[]) {
    this.#connection = connection;
    this.#clock = clock;
    this.secrets = secrets;
  }

  connect(signal: AbortSignal): Promise<void> | undefined {
    return this.#connection.connect(signal);
  }

  run(script: Script, keys: readonly string[], args: readonly string[], signal: AbortSignal): Promise<unknown> {
    return this.#connection.run(script, keys, args, signal);
  }

  async ping(key: string, signal: AbortSignal): Promise<readonly string[]> {
    await this.run(HEALTH, keysFor(HEALTH, queueKeys(key)), [], signal);
    return [];
  }

  version(keys: GroupKeys): number {
    return this.#listener(keys).mark();
  }

  unchanged(keys: GroupKeys, version: unknown): boolean {
    return this.#listener(keys).unchanged(version as number);
  }

  async wait({ keys, version }: WaitState, ms: number, signal: AbortSignal): Promise<void> {
    await this.#listener(keys).wait(version as number, ms, signal);
  }

  /** One for each group that waits: what one group finds says nothing about another. */
  #listener({ channel, leases }: GroupKeys): Listener {
    let listener = this.#listeners.get(leases);
    if (listener === undefined) {
      for (const [name, other] of this.#listeners) {
        if (this.#listeners.size < MAX_LISTENERS) break;
        if (!other.idle) continue;
        other.close();
        this.#listeners.delete(name);
      }
      listener = new Listener(channel, this.#connection.subscribe, this.#clock);
      this.#listeners.set(leases, listener);
    }
    return listener;
  }

  close(): Promise<void> {
    for (const listener of this.#listeners.values()) listener.close();
    return Promise.resolve();
  }

  classify(error: unknown): ErrorCode {
    return error instanceof QueueError ? error.code : "internal";
  }

  retryAfterMs(error: unknown): number | undefined {
    return error instanceof QueueError ? error.retryAfterMs : undefined;
  }
}
