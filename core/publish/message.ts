/**
 * Messages on their way out: checked, copied, given an id.
 *
 * @module
 */
import type { DriverMessage } from "../driver.ts";
import type { BackendContext } from "../context.ts";
import { bytesOf, copyPayload } from "../util/json.ts";
import type { OutgoingMessage } from "../protocol.ts";

/** Makes messages for one backend. */
export class MessageFactory {
  readonly #context: BackendContext;
  #prefix: string | undefined;
  #made = 0;

  /** A composer for the backend's driver and options. */
  constructor(context: BackendContext) {
    this.#context = context;
  }

  /**
   * Checks a payload and makes a message of it; whoever holds the payload may change it afterwards.
   *
   * @throws {TypeError} A payload that is not a plain JSON object.
   * @throws {RangeError} One that is over the backend's size, a delay over its longest.
   * @throws {QueueError} `"unsupported"`: an option that the backend does not offer.
   */
  createDriverMessage(
    content: unknown,
    { id, orderingKey, delayMs = 0, ttlMs, headers }: Omit<OutgoingMessage, "payload">,
  ): DriverMessage {
    const { driver, options: { messageTtlMs, maxPayloadBytes } } = this.#context;
    const payload = copyPayload(content);
    const body = driver.structured && maxPayloadBytes === Infinity ? "" : JSON.stringify(payload);
    // Three bytes is the most that UTF-8 needs for one unit of a JavaScript string.
    if (body.length * 3 > maxPayloadBytes) {
      const bytes = bytesOf(body);
      if (bytes > maxPayloadBytes) {
        throw new RangeError(`payload must be at most ${maxPayloadBytes} bytes as JSON, found ${bytes}`);
      }
    }
    if (delayMs) this.#context.checkDelay(delayMs);
    if (ttlMs !== undefined && !driver.capabilities.ttl) throw this.#context.unsupported("ttlMs");
    if (orderingKey !== undefined && !driver.capabilities.orderingKeys) throw this.#context.unsupported("orderingKey");
    if (headers && !driver.capabilities.headers) throw this.#context.unsupported("headers");
    return {
      id: id ?? this.#newId(),
      explicitId: id !== undefined,
      payload,
      body,
      orderingKey,
      delayMs,
      ttlMs: ttlMs ?? messageTtlMs,
      headers: headers && Object.freeze({ ...headers }),
    };
  }

  /** Unique to this backend object by its random part, to the message by the count. */
  #newId(): string {
    // Made at the first publish: a Worker may not ask for random numbers while it starts.
    this.#prefix ??= crypto.randomUUID() + "-";
    return this.#prefix + (this.#made++).toString(36);
  }
}
