/**
 * A channel whose calls end with it, whatever its client does.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { AmqpChannel, AmqpMessage, AmqpPublishOptions, AmqpQueueOptions, AmqpQueueState } from "./client.ts";
import { PendingCalls } from "./pending_calls.ts";

/**
 * A channel of the client. amqplib 2.3.1 never settles a close, or a `get`, whose reply is lost with the connection. Here
 * every call settles, and a listener that is added after the end of the channel is called at once.
 */
export class GuardedChannel implements AmqpChannel {
  readonly #channel: AmqpChannel;
  readonly #calls = new PendingCalls();
  readonly #onClose: Set<(about: unknown) => void> = new Set();
  #error: unknown;
  #over = false;

  /** Over a channel that was just opened. Its errors are no unhandled ones: callers that wait for the channel get them. */
  constructor(channel: AmqpChannel) {
    this.#channel = channel;
    channel.on("error", (error) => this.#error = error);
    channel.on("close", () => this.end(new Error("channel closed")));
  }

  /** The channel is gone, or the connection that carried it. */
  end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#error ??= error;
    this.#calls.end(this.#error);
    for (const listener of this.#onClose) listener(this.#error);
    this.#onClose.clear();
  }

  on(event: "error" | "close" | "return", listener: (about: unknown) => void): void {
    if (event !== "close") this.#channel.on(event, listener);
    else if (this.#over) listener(this.#error);
    else this.#onClose.add(listener);
  }

  assertExchange(name: string, type: string, options: { readonly durable: boolean }): Promise<unknown> {
    return this.#calls.follow(this.#channel.assertExchange(name, type, options));
  }

  checkExchange(name: string): Promise<unknown> {
    return this.#calls.follow(this.#channel.checkExchange(name));
  }

  assertQueue(name: string, options: AmqpQueueOptions): Promise<AmqpQueueState> {
    return this.#calls.follow(this.#channel.assertQueue(name, options));
  }

  checkQueue(name: string): Promise<AmqpQueueState> {
    return this.#calls.follow(this.#channel.checkQueue(name));
  }

  bindQueue(queue: string, exchange: string, pattern: string): Promise<unknown> {
    return this.#calls.follow(this.#channel.bindQueue(queue, exchange, pattern));
  }

  purgeQueue(name: string): Promise<{ readonly messageCount: number }> {
    return this.#calls.follow(this.#channel.purgeQueue(name));
  }

  deleteQueue(name: string): Promise<unknown> {
    return this.#calls.follow(this.#channel.deleteQueue(name));
  }

  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    options: AmqpPublishOptions,
    confirmed: (error: unknown) => void,
  ): boolean {
    if (this.#over) throw this.#error;
    return this.#channel.publish(exchange, routingKey, content, options, confirmed);
  }

  prefetch(count: number): Promise<unknown> {
    return this.#calls.follow(this.#channel.prefetch(count));
  }

  consume(
    queue: string,
    onMessage: (message: AmqpMessage | null) => void,
    options: { readonly noAck: boolean },
  ): Promise<{ readonly consumerTag: string }> {
    return this.#calls.follow(this.#channel.consume(queue, onMessage, options));
  }

  get(queue: string, options: { readonly noAck: boolean }): Promise<AmqpMessage | false> {
    return this.#calls.follow(this.#channel.get(queue, options));
  }

  cancel(consumerTag: string): Promise<unknown> {
    return this.#calls.follow(this.#channel.cancel(consumerTag));
  }

  registerConsumer(consumerTag: string, onMessage: (message: AmqpMessage | null) => void): void {
    this.#channel.registerConsumer?.(consumerTag, onMessage);
  }

  ack(message: AmqpMessage, allUpTo?: boolean): void {
    this.#channel.ack(message, allUpTo);
  }

  reject(message: AmqpMessage, requeue: boolean): void {
    this.#channel.reject(message, requeue);
  }

  /** Closes it. Resolves when the broker has said so, or when it is gone: no error is left to tell. */
  async close(): Promise<void> {
    if (this.#over) return;
    await this.#calls.follow(Promise.resolve().then(() => this.#channel.close())).catch(() => undefined);
  }
}
