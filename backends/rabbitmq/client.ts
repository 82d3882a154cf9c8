/**
 * The part of an AMQP client that is used, and how one is opened: amqplib behind two small interfaces.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { connect } from "amqplib";
import { QueueError } from "../../core/errors.ts";

/** A header of a message, as the client reads and writes it. */
export type AmqpHeaders = Readonly<Record<string, unknown>>;

/** The properties of a message that came. */
export interface AmqpProperties {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly headers?: AmqpHeaders | undefined;
  readonly correlationId?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly messageId?: string | undefined;
  /** Seconds since the epoch. */
  readonly timestamp?: number | undefined;
  readonly type?: string | undefined;
  readonly appId?: string | undefined;
}

/** A message that came. */
export interface AmqpMessage {
  readonly content: Buffer;
  readonly fields: {
    readonly deliveryTag: number;
    readonly redelivered: boolean;
    readonly routingKey: string;
    /** Messages behind it, where it was asked for. */
    readonly messageCount?: number | undefined;
  };
  readonly properties: AmqpProperties;
}

/** The properties of a message on its way out. */
export interface AmqpPublishOptions extends AmqpProperties {
  /** Ask for the message back where no queue takes it. */
  readonly mandatory?: boolean;
  /** Keep it on disk. */
  readonly persistent?: boolean;
  /** Milliseconds after which it leaves the queue. */
  readonly expiration?: string;
}

/** The reply to a declaration. */
export interface AmqpQueueState {
  /** Messages that can be delivered. */
  readonly messageCount: number;
  /** Consumers that take from it. */
  readonly consumerCount: number;
}

/** Arguments of a queue. */
export interface AmqpQueueOptions {
  readonly durable: boolean;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** A channel in confirm mode, or a plain one, on which `publish` is not used. */
export interface AmqpChannel {
  assertExchange(name: string, type: string, options: { readonly durable: boolean }): Promise<unknown>;
  checkExchange(name: string): Promise<unknown>;
  assertQueue(name: string, options: AmqpQueueOptions): Promise<AmqpQueueState>;
  checkQueue(name: string): Promise<AmqpQueueState>;
  bindQueue(queue: string, exchange: string, pattern: string): Promise<unknown>;
  purgeQueue(name: string): Promise<{ readonly messageCount: number }>;
  /** Removes a queue; one that is not there is removed already. */
  deleteQueue(name: string): Promise<unknown>;
  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    options: AmqpPublishOptions,
    confirmed: (error: unknown) => void,
  ): boolean;
  prefetch(count: number): Promise<unknown>;
  consume(
    queue: string,
    onMessage: (message: AmqpMessage | null) => void,
    options: { readonly noAck: boolean },
  ): Promise<{ readonly consumerTag: string }>;
  /** Asks for one message; `false`: the queue is empty. */
  get(queue: string, options: { readonly noAck: boolean }): Promise<AmqpMessage | false>;
  cancel(consumerTag: string): Promise<unknown>;
  /** Says who gets the messages of a consumer. amqplib forgets it at `cancel`, though the broker may still send some. */
  registerConsumer?(consumerTag: string, onMessage: (message: AmqpMessage | null) => void): void;
  ack(message: AmqpMessage, allUpTo?: boolean): void;
  reject(message: AmqpMessage, requeue: boolean): void;
  close(): Promise<void>;
  /** Listens. The end of a channel comes with its reason, where that is known. */
  on(event: "error" | "close" | "return", listener: (about: unknown) => void): unknown;
}

/**
 * A connection: what amqplib's `connect` resolves with is one.
 *
 * @example
 * ```ts
 * import { connect } from "amqplib";
 * import { RabbitMQBackend } from "@slack-mcp/queue/rabbitmq";
 *
 * const backend = new RabbitMQBackend({ connect: () => connect("amqp://broker-1", { timeout: 2_000 }) });
 * await backend.close(); // it has never connected
 * ```
 */
export interface AmqpConnection {
  /** Opens a channel. */
  createChannel(): Promise<unknown>;
  /** Opens a channel on which the broker confirms what is published. */
  createConfirmChannel(): Promise<unknown>;
  /** Says goodbye to the broker. */
  close(): Promise<void>;
  /** Listens. */
  on(event: "error" | "close" | "blocked" | "unblocked", listener: (about: unknown) => void): unknown;
}

/** Where a broker is, and who we are there. */
export interface RabbitMQAddress {
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  /** Options of `tls.connect`; `undefined`: plain TCP. */
  readonly tls: Readonly<Record<string, unknown>> | undefined;
}

/** Opens a connection with amqplib. `timeoutMs` limits how long the broker may be silent until the connection is open. */
export async function openConnection(
  { hostname, port, username, password, vhost, tls }: RabbitMQAddress,
  { heartbeatSeconds, timeoutMs }: { readonly heartbeatSeconds: number; readonly timeoutMs: number },
): Promise<AmqpConnection> {
  const connecting = connect({
    protocol: tls ? "amqps" : "amqp",
    hostname,
    port,
    username,
    password,
    vhost: encodeURIComponent(vhost), // the client decodes it
    heartbeat: heartbeatSeconds,
  }, {
    ...tls,
    noDelay: true,
    timeout: timeoutMs,
    clientProperties: { connection_name: "slack-mcp-queue" },
  });
  try {
    return await connecting as AmqpConnection;
  } catch (error) {
    // The client does not tell what the broker said.
    if (!(error instanceof Error && error.message.includes("Expected ConnectionOpenOk"))) throw error;
    const reason = `the virtual host ${JSON.stringify(vhost)} does not exist, or the user may not use it`;
    throw new QueueError("not-found", `no connection: ${reason}`, { cause: error });
  }
}
