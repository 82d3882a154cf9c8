/**
 * The connection, and the streams that it has seen to.
 *
 * @module
 */
import {
  AckPolicy,
  DiscardPolicy,
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { connect, nanos, type NatsConnection } from "@nats-io/transport-node";
import type { ConnectionListener } from "@slack-mcp/queue/driver";
import { CONSUMER, namesOf, type StreamNames } from "./names.ts";
import type { NatsOptions } from "./options.ts";

/** Milliseconds for which the server knows an id again. */
const DEDUP_WINDOW_MS = 10 * 60_000;

/** How long a server may take to answer, where the caller's signal says nothing. */
const ANSWER_MS = 5_000;

/** An open connection and its clients. */
export interface Link {
  readonly connection: NatsConnection;
  readonly streams: JetStreamManager;
  readonly client: JetStreamClient;
}

/** Opens one connection at the first use, and creates streams when they are first needed. */
export class Links {
  readonly #options: NatsOptions;
  readonly #prepared: Map<string, Promise<StreamNames>> = new Map();
  readonly #preparedDead: Map<string, Promise<StreamNames>> = new Map();
  #link: Promise<Link> | undefined;
  #listener: ConnectionListener | undefined;
  #reconnected = new AbortController();
  #closed = false;

  constructor(options: NatsOptions) {
    this.#options = options;
  }

  /** Tells the listener when the connection is lost and when it is back. */
  listen(listener: ConnectionListener): void {
    this.#listener = listener;
  }

  /** Aborts when the connection is another one than now. */
  get reconnected(): AbortSignal {
    return this.#reconnected.signal;
  }

  /** Milliseconds after which the server delivers again. */
  get ackWaitMs(): number {
    return this.#options.ackWaitMs ?? 30_000;
  }

  /** The connection; opened where there is none. */
  open(): Promise<Link> {
    if (!this.#link) {
      const link = this.#connect();
      this.#link = link;
      link.catch(() => {
        if (this.#link === link) this.#link = undefined; // the next call tries again
      });
    }
    return this.#link;
  }

  /** Creates the stream and the consumer of a key, where they do not exist. */
  prepare(key: string): Promise<StreamNames> {
    return once(this.#prepared, key, () => this.#create(key));
  }

  /** Creates the stream of a key's dead letters, where it does not exist. */
  prepareDead(key: string): Promise<StreamNames> {
    return once(this.#preparedDead, key, () => this.#createDead(key));
  }

  /** Closes the connection, if it was opened. */
  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#link?.catch(() => undefined);
    await link?.connection.close();
  }

  async #connect(): Promise<Link> {
    const { url = "nats://127.0.0.1:4222", username, password, ssl = url.startsWith("tls:"), timeoutMs } =
      this.#options;
    const connection = await connect({
      servers: new URL(url).host,
      ...username !== undefined && { user: username },
      ...password !== undefined && { pass: password },
      ...ssl && { tls: {} },
      timeout: timeoutMs ?? ANSWER_MS,
      maxReconnectAttempts: -1, // the portable layer says when to give up
      reconnectTimeWait: 200,
      noAsyncTraces: true,
    });
    if (this.#closed) await connection.close();
    this.#listener?.back();
    void this.#watch(connection);
    const streams = await jetstreamManager(connection, { timeout: ANSWER_MS, checkAPI: false });
    return { connection, streams, client: jetstream(connection, { timeout: ANSWER_MS }) };
  }

  /** The client connects again by itself: what it says is all that can be known. */
  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === "disconnect" && !this.#closed) this.#listener?.lost(new Error("the connection to the server broke"));
      else if (type === "reconnect") {
        this.#listener?.back();
        // Requests that were on their way are lost: whoever waits for an answer asks again.
        this.#reconnected.abort();
        this.#reconnected = new AbortController();
      }
    }
  }

  async #create(key: string): Promise<StreamNames> {
    const names = await namesOf(key);
    const { streams } = await this.open();
    const { maxLength } = this.#options;
    await ensure(streams, {
      ...this.#config(key, names.stream, names.subject),
      retention: RetentionPolicy.Workqueue, // a message leaves when it is acknowledged
      ...maxLength !== undefined && { max_msgs: maxLength },
    });
    await streams.consumers.add(names.stream, {
      durable_name: CONSUMER,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(this.ackWaitMs),
      max_ack_pending: -1,
      max_deliver: -1, // the consumer of the portable layer gives messages up, whole, with their cause
    });
    return names;
  }

  async #createDead(key: string): Promise<StreamNames> {
    const names = await namesOf(key);
    const { streams } = await this.open();
    await ensure(streams, { ...this.#config(key, names.dead, names.deadSubject), retention: RetentionPolicy.Limits });
    return names;
  }

  #config(key: string, name: string, subject: string) {
    return {
      name,
      subjects: [subject],
      description: key,
      storage: this.#options.durable ?? true ? StorageType.File : StorageType.Memory,
      discard: DiscardPolicy.New,
      duplicate_window: nanos(DEDUP_WINDOW_MS),
    };
  }
}

/** Does something once for each key; what failed is done again. */
function once<T>(done: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let made = done.get(key);
  if (!made) {
    done.set(key, made = make());
    made.catch(() => done.delete(key));
  }
  return made;
}

/** Creates a stream, unless it is there, as it is. */
async function ensure(
  streams: JetStreamManager,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<void> {
  try {
    await streams.streams.add(config);
  } catch (error) {
    // Another process may have made it with other options: those stay.
    await streams.streams.info(config.name).catch(() => {
      throw error;
    });
  }
}
