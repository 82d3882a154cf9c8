/**
 * The driver over JetStream.
 *
 * @module
 */
import type { Capabilities, ErrorCode } from "@slack-mcp/queue";
import {
  type Clock,
  type ConnectionListener,
  type DriverDeadLetters,
  type DriverMessage,
  type DriverReceiveOptions,
  type QueueDriver,
  type RawDelivery,
  type SendResult,
  type Settlement,
  systemClock,
} from "@slack-mcp/queue/driver";
import type { Msg } from "@nats-io/transport-node";
import { unlessAborted } from "./abort.ts";
import { type Link, Links } from "./connection.ts";
import { bury, deadLettersOf } from "./dead_letters.ts";
import { classify } from "./errors.ts";
import { type Lease, Leases } from "./leases.ts";
import { fromHeaders, parseReply, toHeaders } from "./message.ts";
import { CONSUMER, type StreamNames } from "./names.ts";
import type { NatsOptions } from "./options.ts";
import { pull } from "./pull.ts";

const CAPABILITIES: Capabilities = {
  durable: true,
  delay: false, // a retry could wait, a publish could not
  ttl: false,
  dedup: true,
  groups: false, // a work queue has one consumer
  deadLetters: true,
  replay: true,
  fencing: false, // the server accepts an acknowledgement on an old reply subject
  extend: true,
  release: false, // the server counts every delivery
  attempts: false, // the server's count, but a crash of the server may lose the newest deliveries from it
  headers: true,
  maxLength: true,
  depth: false, // the server does not tell a message that waits to be delivered again from one in flight
  orderingKeys: false,
  order: "fifo",
  consume: "pull",
  maxPayloadBytes: 1_000_000,
  idleCostPerHour: 300,
  costPerMessage: 3,
};

/** The most milliseconds to wait for a message that is in the stream, where nobody wants to wait for one. */
const UNSEEN_MS = 10_000;

/** Moves messages to and from JetStream. */
export class NatsDriver implements QueueDriver {
  readonly name = "nats";
  readonly capabilities: Capabilities;
  readonly secrets: readonly string[];
  readonly deadLetters: DriverDeadLetters;
  readonly #links: Links;
  readonly #leases: Leases;
  readonly #clock: Clock;

  /** Connects at the first use. */
  constructor(options: NatsOptions = {}) {
    this.capabilities = { ...CAPABILITIES, durable: options.durable ?? true };
    this.secrets = options.password ? [options.password] : [];
    this.#clock = systemClock; // leases end by the server's clock, whatever clock the portable layer has
    this.#links = new Links(options);
    this.#leases = new Leases(this.#clock, this.#links.ackWaitMs, (lease) => void this.#answer(lease, "+WPI", false));
    this.deadLetters = deadLettersOf(this.#links);
  }

  /** Tells when the connection is lost and when it is back: the client says so by itself. */
  observeConnection(listener: ConnectionListener): void {
    this.#links.listen(listener);
  }

  /** Waits for the connection and the streams of a key. */
  async connect(key: string, signal: AbortSignal): Promise<void> {
    await this.#ready(key, signal);
  }

  /** Publishes; the server confirms each message. */
  async send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    const { client, subject } = await this.#ready(key, signal); // nothing has left while this waits, and its error says so
    const sent = messages.map(async (message): Promise<SendResult> => {
      const headers = toHeaders(message);
      const { duplicate } = await client.publish(subject, message.body, {
        headers,
        msgID: encodeURIComponent(message.id),
      });
      return { outcome: duplicate ? "duplicate" : "added" };
    });
    const results = await this.#links.answered(Promise.allSettled(sent));
    const failed = results.flatMap((result) => result.status === "rejected" ? [result.reason] : []);
    const ofCode = (code: ErrorCode) => failed.filter((reason) => classify(reason) === code);
    const [doubtful] = ofCode("unknown-outcome");
    // One may be in the queue, or none could be added: the whole batch is sent again with its ids.
    if (doubtful || ofCode("unavailable").length === results.length) throw doubtful ?? failed[0];
    return results.map((result) => result.status === "fulfilled" ? result.value : { error: result.reason });
  }

  /** Pulls what is ready; waits for one message where nothing is. */
  async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const { max, leaseMs, waitMs } = options;
    const { connection, stream } = await this.#ready(key, options.signal);
    const signal = AbortSignal.any([options.signal, this.#links.reconnected]);
    if (signal.aborted) return [];
    const ask = (count: number, ms: number) => pull(connection, { stream, max: count, waitMs: ms, signal });
    let found = await ask(max, 0);
    if (found.length === 0 && !signal.aborted) {
      const ms = waitMs || await this.#unseenMs(stream);
      if (ms > 0) found = await ask(1, ms);
      if (found.length > 0 && max > 1 && !signal.aborted) found.push(...await ask(max - 1, 0));
    }
    return found.map((message) => this.#lease(key, message, leaseMs));
  }

  /** Acknowledges, gives back or buries, each by its own reply subject, all at once. */
  async settle(_key: string, group: string, settlements: readonly Settlement[]): Promise<boolean[]> {
    await this.#links.open();
    return await Promise.all(settlements.map(async (settlement) => {
      const lease = settlement.lease as Lease;
      if (!this.#leases.has(lease)) return false;
      if (settlement.kind === "dead") await bury(this.#links, group, lease, settlement.cause);
      const again = settlement.kind === "retry" || settlement.kind === "release";
      await this.#answer(lease, again ? "-NAK" : "+ACK", true);
      this.#leases.remove(lease);
      return true;
    }));
  }

  /** Tells the server that the work goes on, and moves the ends of leases by this clock. */
  async extend(_key: string, _group: string, leases: readonly unknown[], leaseMs: number): Promise<boolean[]> {
    await this.#links.open();
    return await Promise.all((leases as readonly Lease[]).map(async (lease) => {
      if (!this.#leases.has(lease)) return false;
      const now = this.#clock.now();
      await this.#answer(lease, "+WPI", true);
      lease.touchedAt = now;
      lease.until = now + leaseMs;
      return true;
    }));
  }

  /** Publishes a body as a foreign producer would, to the subject of a key. */
  async inject(key: string, body: string): Promise<void> {
    const { client } = await this.#links.open();
    const { subject } = await this.#links.prepare(key);
    await client.publish(subject, body);
  }

  /** Asks the server for an answer. */
  async ping(signal: AbortSignal): Promise<void> {
    const { connection } = await inTime(this.#links.open(), signal);
    await connection.flush();
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    this.#leases.clear();
    await this.#links.close();
  }

  /** Names an error. */
  classify(error: unknown): ErrorCode {
    return classify(error);
  }

  /**
   * Milliseconds to wait for a message of which the consumer has not heard: the server tells it a moment after it has
   * confirmed the message to the publisher.
   */
  async #unseenMs(stream: string): Promise<number> {
    const { streams } = await this.#links.open();
    const { state } = await this.#links.answered(streams.streams.info(stream));
    if (state.messages === 0) return 0;
    const { delivered } = await this.#links.answered(streams.consumers.info(stream, CONSUMER));
    return delivered.stream_seq < state.last_seq ? UNSEEN_MS : 0;
  }

  /** The connection, and the names of a key's streams, when both are there. */
  #ready(key: string, signal: AbortSignal): Promise<Link & StreamNames> {
    const ready = async () => {
      const names = await this.#links.prepare(key);
      return { ...names, ...await this.#links.open() };
    };
    return inTime(ready(), signal);
  }

  #lease(key: string, message: Msg, leaseMs: number): RawDelivery {
    const { delivered: attempts, sequence, publishedAt } = parseReply(message.reply!);
    const { id, headers } = fromHeaders(message.headers, String(sequence));
    const now = this.#clock.now();
    const { reply, data: body } = message;
    const about = { id, headers, attempts, publishedAt };
    const lease: Lease = { ...about, reply: reply!, key, sequence, body, until: now + leaseMs, touchedAt: now };
    this.#leases.add(lease);
    return { ...about, lease, body: new TextDecoder().decode(body) };
  }

  /** Answers a delivery. The server confirms where it is asked to. */
  async #answer(lease: Lease, what: "+ACK" | "-NAK" | "+WPI", confirmed: boolean): Promise<void> {
    const { connection } = await this.#links.open();
    const { answerMs: timeout } = this.#links;
    if (confirmed) await this.#links.answered(connection.request(lease.reply, what, { timeout }));
    else connection.publish(lease.reply, what);
  }
}

/** Waits for what needs a connection as long as a signal lets it. */
function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const toError = () => new Error("connection refused or not ready in time", { cause: signal.reason });
  return unlessAborted(work, signal, toError);
}
