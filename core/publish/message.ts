/**
 * Makes a driver's message of a payload and its options: checked, copied, with an id.
 *
 * @module
 */
import type { DriverMessage } from "../driver.ts";
import type { BackendContext } from "../context.ts";
import { bytesOf, copyPayload } from "../util/json.ts";
import type { OutgoingMessage } from "../protocol.ts";

/** Makes the messages of one backend. */
export class MessageFactory {
  readonly #context: BackendContext;
  #prefix: string | undefined;
  #made = 0;
  /** An id without its last digit: all that a backlog keeps for an id is this, shared by 36 messages, and one digit. */
  #stem = "";

  constructor(context: BackendContext) {
    this.#context = context;
  }

  /**
   * Checks a payload and copies it into a message. The caller may change the payload afterwards.
   *
   * @throws {TypeError} A payload that is not a plain JSON object.
   * @throws {RangeError} A payload over the backend's size, or a delay over its longest.
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

  /** Returns a new id: its random part is unique to this backend object, its count to the message. */
  #newId(): string {
    // Created at the first publish: a Worker may not ask for random numbers while it starts.
    this.#prefix ??= crypto.randomUUID() + "-";
    const digit = this.#made % 36;
    if (digit === 0) this.#stem = this.#prefix + (this.#made > 0 ? (this.#made / 36).toString(36) : "");
    this.#made += 1;
    return this.#stem + digit.toString(36);
  }
}
