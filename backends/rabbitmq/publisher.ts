/**
 * Publishing with confirms: each message is settled by the broker's own answer to it.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { QueueError } from "../../core/errors.ts";
import { abortable, delay } from "../../core/util/async.ts";
import type { AmqpChannel, AmqpMessage, AmqpPublishOptions } from "./client.ts";
import type { Connection, Link } from "./connection.ts";
import { sizeLimitOf } from "./errors.ts";

/** One message and where it goes. */
export interface Outgoing {
  /** The exchange; empty: `routingKey` names a queue. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  readonly options: AmqpPublishOptions;
}

/** The outcome of one message: on a queue, or the reason why not. */
export type Confirmation = "confirmed" | "unroutable" | QueueError;

/** A confirm channel of one connection. */
interface ConfirmChannel {
  readonly connection: Connection;
  readonly channel: AmqpChannel;
  /** Why it was closed. */
  closed?: unknown;
  /** Messages that came back, by their ids, until the confirmation that follows each. */
  readonly returned: Map<string, number>;
  /** Ends the wait for confirmations. */
  readonly waiting: Set<() => void>;
}

function returnKeyOf({ routingKey, options }: Outgoing): string {
  return `${routingKey} ${options.messageId ?? ""}`;
}

/** Milliseconds until a caller hears that the broker takes no messages. */
const BLOCKED_MS = 5;

/** Publishes over a link, on one channel for all. */
export class Publisher {
  readonly #link: Link;
  #opening: Promise<ConfirmChannel> | undefined;
  #current: ConfirmChannel | undefined;

  /** Over this link, which nothing else publishes on. */
  constructor(link: Link) {
    this.#link = link;
  }

  /**
   * The connection to declare over before publishing.
   *
   * @throws {QueueError} `"queue-full"`: the broker is low on memory or disk and takes nothing at the moment.
   */
  async connection(signal: AbortSignal): Promise<Connection> {
    const connection = await this.#link.open(signal);
    // The news that it takes them again comes over the socket, which a caller that asks again at once would leave unread.
    if (connection.blocked !== undefined) await delay(BLOCKED_MS);
    if (connection.blocked !== undefined) {
      throw new QueueError("queue-full", `the broker takes no messages at the moment: ${connection.blocked}`);
    }
    return connection;
  }

  /** The connection, where there is one now. */
  get current(): Connection | undefined {
    return this.#link.current;
  }

  /** Whether a message could leave at once. */
  get ready(): boolean {
    const { current } = this.#link;
    return current !== undefined && current.blocked === undefined && this.#current?.connection === current &&
      this.#current.closed === undefined;
  }

  /** Opens the channel, so that a message could leave at once. */
  async prepare(connection: Connection): Promise<void> {
    await this.#channel(connection);
  }

  /**
   * Publishes in order; resolves when each has its answer.
   *
   * @throws Whatever kept all of them from being sent, among it the signal's reason.
   */
  async publish(messages: readonly Outgoing[], signal: AbortSignal): Promise<Confirmation[]> {
    const connection = await this.connection(signal);
    const confirming = await abortable(this.#channel(connection), signal);
    signal.throwIfAborted();
    return await new Promise<Confirmation[]>((resolve) => this.#publishNow(confirming, messages, resolve));
  }

  #publishNow(confirming: ConfirmChannel, messages: readonly Outgoing[], resolve: (all: Confirmation[]) => void): void {
    const confirmations = new Array<Confirmation | undefined>(messages.length).fill(undefined);
    let left = messages.length;
    const done = () => {
      confirming.waiting.delete(done);
      resolve(explained(confirmations, messages, confirming));
    };
    if (left === 0) return done();
    confirming.waiting.add(done);
    for (const [i, message] of messages.entries()) {
      const confirmed = (error: unknown) => {
        confirmations[i] = error === null || error === undefined ? outcomeOf(confirming, message) : refusal(error);
        if (--left === 0) done();
      };
      try {
        const { exchange, routingKey, content, options } = message;
        confirming.channel.publish(exchange, routingKey, content, options, confirmed);
      } catch (error) {
        // Nothing of it left: the channel was closed before, or its properties cannot be written.
        const { closed, connection } = confirming;
        const gone = connection.lost ?? closed !== undefined;
        const code = gone ? "connection" : "invalid";
        confirmations[i] = new QueueError(code, `it was not sent: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
        if (--left === 0) return done();
      }
    }
  }

  async #channel(connection: Connection): Promise<ConfirmChannel> {
    const current = this.#current;
    if (current?.connection === connection && current.closed === undefined) return current;
    return await (this.#opening ??= this.#openChannel(connection).finally(() => this.#opening = undefined));
  }

  async #openChannel(connection: Connection): Promise<ConfirmChannel> {
    const channel = await connection.openChannel(true);
    const confirming: ConfirmChannel = { connection, channel, returned: new Map(), waiting: new Set() };
    channel.on("error", (error) => confirming.closed = error);
    channel.on("close", (error) => {
      confirming.closed ??= connection.lost ?? error;
      for (const done of confirming.waiting) done(); // with what is known: nothing more comes
    });
    channel.on("return", (message) => {
      const { fields, properties } = message as AmqpMessage;
      const key = `${fields.routingKey} ${properties.messageId ?? ""}`;
      confirming.returned.set(key, (confirming.returned.get(key) ?? 0) + 1);
    });
    return this.#current = confirming;
  }
}

/** A message that came back is confirmed too, right after. */
function outcomeOf({ returned }: ConfirmChannel, message: Outgoing): Confirmation {
  if (returned.size === 0) return "confirmed";
  const key = returnKeyOf(message);
  const count = returned.get(key);
  if (count === undefined) return "confirmed";
  if (count === 1) returned.delete(key);
  else returned.set(key, count - 1);
  return "unroutable";
}

/** The client's word for a message that the broker refused, and for one that has no answer because the channel is gone. */
function refusal(error: unknown): QueueError | undefined {
  const nacked = error instanceof Error && /nacked/.test(error.message);
  return nacked
    ? new QueueError("queue-full", "the broker refused it: the queue is full", { cause: error })
    : undefined;
}

/** Says of each that has no answer what can be said. */
function explained(
  confirmations: readonly (Confirmation | undefined)[],
  messages: readonly Outgoing[],
  { connection, closed }: ConfirmChannel,
): Confirmation[] {
  const limit = sizeLimitOf(closed);
  const culprit = limit === undefined
    ? -1
    : messages.findIndex(({ content }, i) => confirmations[i] === undefined && content.length > limit);
  return confirmations.map((confirmation, i) => {
    if (confirmation !== undefined) return confirmation;
    if (i === culprit) {
      const bytes = messages[i]!.content.length;
      return new QueueError(
        "too-large",
        `the broker takes messages of at most ${limit} bytes, and this one has ${bytes}`,
      );
    }
    const cause = connection.lost ?? closed;
    const reason = cause instanceof Error ? cause.message : "the channel was closed";
    return culprit >= 0 && i > culprit
      ? new QueueError("unavailable", `it was not sent: ${reason}`, { cause })
      : new QueueError("unknown-outcome", `no confirmation came: ${reason}`, { cause });
  });
}
