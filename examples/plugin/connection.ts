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
import { connect, headers, nanos, type NatsConnection } from "@nats-io/transport-node";
import { setTimeout as delay } from "node:timers/promises";
import { QueueError } from "@slack-mcp/queue";
import type { ConnectionListener } from "@slack-mcp/queue/driver";
import { unlessAborted } from "./abort.ts";
import { classify, repeatable } from "./errors.ts";
import { CONSUMER, namesOf, type StreamNames } from "./names.ts";
import type { NatsOptions } from "./options.ts";

/** Milliseconds for which the server knows an id again. */
const DEDUP_WINDOW_MS = 10 * 60_000;

/** How long a server may take to answer, where the options do not say. */
const ANSWER_MS = 5_000;

/**
 * By how much the server waits longer than a lease: a process that was busy when a delivery came counts the lease from
 * a later moment than the server, and must not hold it when the message is delivered again.
 */
const BUSY_MS = 1_000;

/** Milliseconds between two looks for a stream that another process creates. */
const LOOK_MS = 5;

/** How many streams are created at once: the server creates one after the other, and each must be answered in time. */
const CREATED_AT_ONCE = 16;

/** An open connection and its clients. */
export interface Link {
  readonly connection: NatsConnection;
  readonly streams: JetStreamManager;
  readonly client: JetStreamClient;
}

/** A stream that may have to be created. */
type StreamToMake = Partial<StreamConfig> & { readonly name: string; readonly subjects: string[] };

/** Opens one connection at the first use, and creates streams when they are first needed. */
export class Links {
  readonly #options: NatsOptions;
  readonly #prepared: Map<string, Promise<StreamNames>> = new Map();
  readonly #preparedDead: Map<string, Promise<StreamNames>> = new Map();
  readonly #creations: Promise<unknown>[] = Array.from({ length: CREATED_AT_ONCE }, () => Promise.resolve());
  #created = 0;
  #link: Promise<Link> | undefined;
  #listener: ConnectionListener | undefined;
  #reconnected = new AbortController();
  /** While the connection is lost. */
  #away: PromiseWithResolvers<void> | undefined;
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

  /**
   * Waits for answers that only the connection of now can bring: the client would wait for them until they are late.
   *
   * @throws {QueueError} `"unknown-outcome"` where the connection was another one before they came.
   */
  answered<T>(work: Promise<T>): Promise<T> {
    const toError = () => new QueueError("unknown-outcome", "the connection was lost before the answer came");
    return unlessAborted(work, this.#reconnected.signal, toError);
  }

  /** Milliseconds in which the server must answer one request. */
  get answerMs(): number {
    return this.#options.timeoutMs ?? ANSWER_MS;
  }

  /** Milliseconds without a word from the consumer that a lease on the server is good for. */
  get ackWaitMs(): number {
    return this.#options.ackWaitMs ?? 30_000;
  }

  /**
   * The connection; opened where there is none. While it is lost this waits: the client would take a message, send it when
   * the connection is back, and nobody could tell whether it had been sent before that.
   */
  async open(): Promise<Link> {
    if (!this.#link) {
      const link = this.#connect();
      this.#link = link;
      link.catch(() => {
        if (this.#link === link) this.#link = undefined; // the next call tries again
      });
    }
    const link = await this.#link;
    while (this.#away) await this.#away.promise;
    return link;
  }

  /** Creates the stream and the consumer of a key, where they do not exist. */
  prepare(key: string): Promise<StreamNames> {
    return once(this.#prepared, key, () => this.#inTurn(() => this.#create(key)));
  }

  /** Creates the stream of a key's dead letters, where it does not exist. */
  prepareDead(key: string): Promise<StreamNames> {
    return once(this.#preparedDead, key, () => this.#inTurn(() => this.#createDead(key)));
  }

  /** Closes the connection, if it was opened. */
  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#link?.catch(() => undefined);
    await link?.connection.close();
  }

  async #connect(): Promise<Link> {
    const { url = "nats://127.0.0.1:4222", username, password, ssl = url.startsWith("tls:") } = this.#options;
    const connection = await connect({
      servers: new URL(url).host,
      ...username !== undefined && { user: username },
      ...password !== undefined && { pass: password },
      ...ssl && { tls: {} },
      timeout: this.answerMs,
      maxReconnectAttempts: -1, // the portable layer says when to give up
      reconnectTimeWait: 200,
      noAsyncTraces: true,
    });
    if (this.#closed) await connection.close();
    this.#listener?.back();
    void this.#watch(connection);
    const streams = await jetstreamManager(connection, { timeout: this.answerMs, checkAPI: false });
    return { connection, streams, client: jetstream(connection, { timeout: this.answerMs }) };
  }

  /** The client connects again by itself: what it says is all that can be known. */
  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === "disconnect" && !this.#closed) {
        this.#away ??= Promise.withResolvers();
        this.#listener?.lost(new Error("the connection to the server broke"));
      } else if (type === "reconnect") {
        this.#listener?.back();
        // Requests that were on their way are lost: each caller that waits for one asks again.
        this.#reconnected.abort();
        this.#reconnected = new AbortController();
        this.#present();
      }
    }
    this.#present(); // closed: the client refuses whatever it is asked
  }

  #present(): void {
    this.#away?.resolve();
    this.#away = undefined;
  }

  /** Creates when one of those before it has ended. */
  #inTurn(create: () => Promise<StreamNames>): Promise<StreamNames> {
    const lane = this.#created++ % CREATED_AT_ONCE;
    const creation = this.#creations[lane]!.then(() => repeatable(this.answered(create())));
    this.#creations[lane] = creation.catch(() => undefined); // the next one tries for itself
    return creation;
  }

  async #create(key: string): Promise<StreamNames> {
    const names = await namesOf(key);
    const link = await this.open();
    const { maxLength } = this.#options;
    await this.#ensure(link, {
      ...this.#config(key, names.stream, names.subject),
      retention: RetentionPolicy.Workqueue, // a message leaves when it is acknowledged
      ...maxLength !== undefined && { max_msgs: maxLength },
    });
    await link.streams.consumers.add(names.stream, {
      durable_name: CONSUMER,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(this.ackWaitMs + BUSY_MS),
      max_ack_pending: -1,
      max_deliver: -1, // the consumer of the portable layer gives messages up, whole, with their cause
    });
    return names;
  }

  async #createDead(key: string): Promise<StreamNames> {
    const names = await namesOf(key);
    const link = await this.open();
    const config = this.#config(key, names.dead, names.deadSubject);
    await this.#ensure(link, { ...config, retention: RetentionPolicy.Limits });
    return names;
  }

  /**
   * Creates a stream, unless it is there, as it is; resolves when it works. Of two processes that create one at the same
   * moment, the server tells the second that all is there before it is: it would have no responders for a publish, and a
   * consumer that is made now would answer nobody, ever (seen on 2.9.10).
   */
  async #ensure({ connection, streams }: Link, config: StreamToMake) {
    try {
      await streams.streams.add(config);
    } catch (error) {
      // Another process may have made it with other options: those stay.
      await streams.streams.info(config.name).catch(() => {
        throw error;
      });
    }
    const expected = headers();
    expected.set("Nats-Expected-Stream", "none"); // it answers, and takes nothing
    const timeout = this.answerMs;
    for (const until = Date.now() + timeout;; await delay(LOOK_MS)) {
      try {
        await connection.request(config.subjects[0]!, "", { headers: expected, timeout });
        return;
      } catch (error) {
        if (classify(error) !== "unavailable" || Date.now() >= until) throw error;
      }
    }
  }

  #config(key: string, name: string, subject: string): StreamToMake {
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
