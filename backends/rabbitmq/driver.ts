/**
 * The driver of the RabbitMQ backend.
 *
 * @module
 */
import type {
  DriverDepth,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
  SettleResult,
} from "../../core/driver.ts";
import { DEFAULT_GROUP, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT_MS } from "../../core/defaults.ts";
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import type { Capabilities, Finding } from "../../core/protocol.ts";
import { abortable, withDeadline } from "../../core/util/async.ts";
import { systemClock } from "../../core/util/clock.ts";
import { checkOptions } from "../../core/util/validate.ts";
import { openConnection } from "./client.ts";
import { type Connection, Link } from "./connection.ts";
import { Consumers } from "./consumers.ts";
import { RabbitMQDeadLetters } from "./dead_letters.ts";
import { nextStop } from "./delays.ts";
import { countDepth } from "./depth.ts";
import { diagnoseQueue, dropQueues } from "./diagnose.ts";
import { classifyError } from "./errors.ts";
import { headerProblem, headersOf } from "./headers.ts";
import type { Held } from "./held.ts";
import { attemptsOf, bodyOf, idOf, publishedAtOf, toAmqp } from "./messages.ts";
import { addressOf, DEFAULT_EXCHANGE, DEFAULT_HEARTBEAT_MS, RABBITMQ_CHECKS, type RabbitMQOptions } from "./options.ts";
import { type Confirmation, type Outgoing, Publisher } from "./publisher.ts";
import { DelayScheduler } from "./scheduler.ts";
import { Settler } from "./settlements.ts";
import { Topology, type TopologySettings } from "./topology.ts";

/** Bytes of the largest payload: what RabbitMQ 4 takes by default. */
const MAX_PAYLOAD = 16 * 1024 * 1024;

/** Milliseconds of the longest wait for a message. It costs nothing: the broker pushes. */
const MAX_WAIT_MS = 30_000;

/** Milliseconds that the broker has at most to answer a goodbye. */
const MAX_CLOSE_MS = 1_000;

/** The most milliseconds that closing waits for what is being moved: what is not confirmed by then arrives twice. */
const MAX_MOVE_MS = 5_000;

/** Queues on RabbitMQ. */
export class RabbitMQDriver implements QueueDriver {
  readonly name = "rabbitmq";
  readonly capabilities: Capabilities;
  readonly maxBatchBytes = MAX_PAYLOAD;
  readonly maxWaitMs = MAX_WAIT_MS;
  readonly secrets: readonly string[];
  readonly deadLetters: RabbitMQDeadLetters;
  readonly #publishing: Link;
  readonly #consuming: Link;
  /** For what the broker may end a whole connection for: to read a quorum queue that is being declared (3.10). */
  readonly #reading: Link;
  readonly #publisher: Publisher;
  readonly #scheduler: DelayScheduler;
  readonly #settler: Settler;
  readonly #topology: Topology;
  readonly #persistent: boolean;
  readonly #timeoutMs: number;
  readonly #consumers: Consumers;

  /**
   * A driver that connects when it is first used.
   *
   * @param options The backend's options.
   * @param settings For tests that kill no broker: `registeredMs` 0 lets them use a new queue at once.
   * @throws {TypeError | RangeError} An option that is not as described.
   * @throws {ConfigError} A URL that is not of RabbitMQ.
   */
  constructor(options: RabbitMQOptions, { registeredMs }: Pick<TopologySettings, "registeredMs"> = {}) {
    checkOptions("rabbitmq options", options, RABBITMQ_CHECKS);
    const { timeoutMs = DEFAULT_TIMEOUT_MS, maxRetries = DEFAULT_MAX_RETRIES } = options;
    const { heartbeatMs = DEFAULT_HEARTBEAT_MS, queueType = "quorum", durable = true } = options;
    const { groups = [DEFAULT_GROUP], exchange = DEFAULT_EXCHANGE, queue, declare = "active" } = options;
    const address = options.connect ? undefined : addressOf(options);
    // So that every try has its part of the time in which a publish must be confirmed.
    const connectMs = Math.max(timeoutMs / (maxRetries + 2), 1_000);
    const connect = options.connect ??
      (() => openConnection(address!, { heartbeatSeconds: Math.ceil(heartbeatMs / 1_000), timeoutMs: connectMs }));
    this.#publishing = new Link(connect, connectMs);
    this.#consuming = new Link(connect, connectMs);
    this.#reading = new Link(connect, connectMs);
    this.#publisher = new Publisher(this.#publishing);
    this.#topology = new Topology({
      exchange,
      template: queue,
      queueType,
      declare,
      groupsOf: typeof groups === "function" ? groups : () => groups,
      registeredMs,
    });
    this.#persistent = durable;
    this.#timeoutMs = timeoutMs;
    const parts = { publisher: this.#publisher, topology: this.#topology, persistent: durable, timeoutMs };
    this.#scheduler = new DelayScheduler({ ...parts, link: this.#consuming });
    this.#settler = new Settler({ ...parts, scheduler: this.#scheduler });
    this.#consumers = new Consumers({
      link: this.#consuming,
      topology: this.#topology,
      scheduler: this.#scheduler,
      settler: this.#settler,
    });
    this.deadLetters = new RabbitMQDeadLetters({ ...parts, link: this.#reading });
    const password = address?.password;
    this.secrets = password === undefined || password === "guest" ? [] : [password, encodeURIComponent(password)];
    this.capabilities = {
      durable: durable || queueType === "quorum",
      delay: true,
      ttl: true,
      dedup: false,
      groups: true,
      deadLetters: true,
      replay: true,
      fencing: true,
      extend: true,
      release: true,
      attempts: queueType === "quorum",
      headers: true,
      maxLength: false,
      depth: true,
      order: "best-effort",
      orderingKeys: false,
      consume: "pull",
      maxPayloadBytes: MAX_PAYLOAD,
      idleCostPerHour: 0,
    };
  }

  /** Connects, and declares what a publisher of the key needs. */
  connect(key: string, signal: AbortSignal): Promise<void> | undefined {
    if (this.#publisher.ready && this.#publishing.current?.ready.has(key)) return undefined;
    return this.#prepare(key, signal).then(() => undefined);
  }

  async send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    const connection = await this.#prepare(key, signal);
    const schedule = this.#topology.scheduleOf(key);
    const stops = messages.map(({ delayMs }) => delayMs > 0 ? nextStop(delayMs) : undefined);
    await this.#scheduler.declareStops(connection, { name: schedule, stops, signal });
    if (stops.some((stop) => stop !== undefined)) {
      // There may be no consumer that moves what has waited.
      await abortable(this.#scheduler.move(await this.#consuming.open(signal)), signal);
    }
    const to = { name: schedule, ...this.#topology.addressOf(key) };
    const problems = messages.map(headerProblem);
    const now = Date.now();
    const outgoing = messages.map((message, i): Outgoing => {
      const stop = stops[i];
      return {
        ...toAmqp(message, { now, persistent: this.#persistent, delayed: stop && { to, waitMs: stop.restMs } }),
        ...stop ? this.#topology.stopOf(schedule, stop.level) : this.#topology.addressOf(key),
      };
    });
    const confirmations = await this.#publisher.publish(
      outgoing.filter((_, i) => problems[i] === undefined),
      signal,
    );
    this.#checkSent(connection, key, confirmations);
    let next = 0;
    return problems.map((problem): SendResult => {
      if (problem !== undefined) return { error: new QueueError("too-large", problem) };
      const confirmation = confirmations[next++]!;
      if (confirmation === "confirmed") return { outcome: "added" };
      if (confirmation === "unroutable") return { error: new QueueError("not-found", this.#noQueue(key)) };
      return { error: confirmation };
    });
  }

  async receive(
    key: string,
    { group, max, prefetch, leaseMs, waitMs, signal, consumer: of = signal }: DriverReceiveOptions,
  ): Promise<RawDelivery[]> {
    if (signal.aborted || of.aborted) return [];
    const held = await this.#consumers.receive(of, { key, group, max, prefetch, leaseMs, waitMs, signal });
    return held.map(toDelivery);
  }

  async unsubscribe(of: AbortSignal): Promise<void> {
    await this.#consumers.unsubscribe(of);
  }

  async settle(
    key: string,
    group: string,
    settlements: readonly Settlement[],
    signal: AbortSignal,
  ): Promise<SettleResult[]> {
    return await this.#settler.settle(key, group, settlements, signal);
  }

  extend(_key: string, _group: string, leases: readonly unknown[], leaseMs: number): Promise<boolean[]> {
    return Promise.resolve((leases as readonly Held[]).map((held) => held.consumer.extend(held, leaseMs)));
  }

  async depth(key: string, group: string, signal: AbortSignal): Promise<DriverDepth> {
    const connection = await this.#consuming.open(signal);
    const queue = this.#topology.queueOf(key, group);
    const parts = { topology: this.#topology, scheduler: this.#scheduler, consumers: this.#consumers.of(queue) };
    return await countDepth(connection, { ...parts, queue, schedule: this.#topology.scheduleOf(key) }, signal);
  }

  async ping(signal: AbortSignal): Promise<void> {
    const connection = await this.#publisher.connection(signal);
    await abortable(connection.withChannel(() => Promise.resolve()), signal);
  }

  async diagnose(key: string, group: string, signal: AbortSignal): Promise<readonly Finding[]> {
    const connection = await this.#publisher.connection(signal);
    return await abortable(diagnoseQueue(connection, { topology: this.#topology, key, group }), signal);
  }

  async dropQueue(key: string, group: string, signal: AbortSignal): Promise<void> {
    const connection = await this.#consuming.open(signal);
    await abortable(dropQueues(connection, { topology: this.#topology, key, group }), signal);
    for (const { current } of [this.#publishing, this.#consuming]) if (current) this.#topology.forget(current, key);
  }

  async close(): Promise<void> {
    await this.#consumers.close();
    const late = () => new QueueError("timeout", "what was due was not moved in time");
    await withDeadline(
      systemClock,
      Math.min(this.#timeoutMs / 4, MAX_MOVE_MS),
      late,
      undefined,
      ({ signal }) => abortable(this.#scheduler.close(), signal),
    )
      .catch(() => undefined); // it comes again
    const closeMs = Math.min(this.#timeoutMs / 4, MAX_CLOSE_MS);
    await Promise.all([this.#publishing, this.#consuming, this.#reading].map((link) => link.close(closeMs)));
  }

  classify(error: unknown): ErrorCode {
    return classifyError(error);
  }

  async #prepare(key: string, signal: AbortSignal): Promise<Connection> {
    const connection = await this.#publisher.connection(signal);
    try {
      await abortable(Promise.all([this.#topology.key(connection, key), this.#publisher.prepare(connection)]), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new QueueError("timeout", "the broker did not answer the declaration of a queue in time");
    }
    return connection;
  }

  /** Rejects a batch of which nothing can be on a queue, or of which nothing is known. */
  #checkSent(connection: Connection, key: string, confirmations: readonly Confirmation[]): void {
    const [first] = confirmations;
    if (first === undefined) return;
    if (first === "unroutable" && confirmations.every((one) => one === first)) {
      if (!this.#topology.active) return;
      const queues = this.#topology.forget(connection, key);
      // The broker tells consumers too, unless the queue is there again by then.
      for (const queue of queues) for (const consumer of this.#consumers.of(queue)) consumer.gone();
      throw new QueueError("unavailable", this.#noQueue(key));
    }
    if (typeof first === "string") return;
    if (confirmations.every((one) => typeof one !== "string" && one.code === first.code)) throw first;
  }

  #noQueue(key: string): string {
    return `no queue is bound to the exchange ${this.#topology.exchange} for the key ${JSON.stringify(key)}`;
  }
}

function toDelivery(held: Held): RawDelivery {
  const { message } = held;
  const headers = headersOf(message);
  const publishedAt = publishedAtOf(message);
  return {
    id: idOf(message),
    lease: held,
    body: bodyOf(message),
    attempts: attemptsOf(message),
    ...headers && { headers },
    ...publishedAt !== undefined && { publishedAt },
  };
}

/** A driver as the options describe it. */
export function createDriver(options: RabbitMQOptions): RabbitMQDriver {
  return new RabbitMQDriver(options);
}
