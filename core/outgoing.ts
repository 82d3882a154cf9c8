/**
 * Messages on their way out: checked, copied, given an id.
 *
 * @module
 */
import type { DriverMessage } from "./driver.ts";
import type { Host } from "./host.ts";
import { bytesOf, copyPayload } from "./json.ts";
import type { JsonObject, OutgoingMessage } from "./protocol.ts";

/** A message that was found good. */
export class Outgoing implements DriverMessage {
  readonly id: string;
  readonly explicitId: boolean;
  readonly payload: JsonObject;
  readonly delayMs: number;
  readonly ttlMs: number | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  #body: string | undefined;

  /** A message with a body, or with none until it is asked for. */
  constructor(
    id: string,
    explicitId: boolean,
    payload: JsonObject,
    body: string | undefined,
    options: Omit<OutgoingMessage, "id" | "payload">,
    ttlMs: number | undefined,
  ) {
    this.id = id;
    this.explicitId = explicitId;
    this.payload = payload;
    this.delayMs = options.delayMs ?? 0;
    this.ttlMs = ttlMs;
    this.headers = options.headers;
    this.#body = body;
  }

  /** The payload as JSON text, made at most once. */
  get body(): string {
    return this.#body ??= JSON.stringify(this.payload);
  }
}

/** Makes messages for one backend. */
export class Composer {
  readonly #host: Host;
  #prefix: string | undefined;
  #made = 0;

  /** A composer for the backend's driver and options. */
  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Checks a payload and makes a message of it; whoever holds the payload may change it afterwards.
   *
   * @throws {TypeError} A payload that is not a plain JSON object.
   * @throws {RangeError} One that is over the backend's size, a delay over its longest.
   * @throws {QueueError} `"unsupported"`: an option that the backend does not offer.
   */
  compose(payload: unknown, options: Omit<OutgoingMessage, "payload">): Outgoing {
    const { driver, options: { messageTtlMs, maxPayloadBytes } } = this.#host;
    const copy = copyPayload(payload);
    const body = driver.structured && maxPayloadBytes === Infinity ? undefined : JSON.stringify(copy);
    // Three bytes is the most that UTF-8 needs for one unit of a JavaScript string.
    if (body !== undefined && body.length * 3 > maxPayloadBytes) {
      const bytes = bytesOf(body);
      if (bytes > maxPayloadBytes) {
        throw new RangeError(`payload must be at most ${maxPayloadBytes} bytes as JSON, found ${bytes}`);
      }
    }
    const { delayMs, ttlMs = messageTtlMs, headers, id } = options;
    if (delayMs || ttlMs !== undefined || headers !== undefined) this.#checkOffered(delayMs, options.ttlMs, headers);
    return new Outgoing(
      id ?? this.#newId(),
      id !== undefined,
      copy,
      body,
      headers === undefined ? options : { ...options, headers: Object.freeze({ ...headers }) },
      ttlMs,
    );
  }

  #checkOffered(delayMs: number = 0, ttlMs: number | undefined, headers: unknown): void {
    const { capabilities } = this.#host.driver;
    this.#host.checkDelay(delayMs);
    if (ttlMs !== undefined && !capabilities.ttl) throw this.#host.unsupported("ttlMs");
    if (headers !== undefined && !capabilities.headers) throw this.#host.unsupported("headers");
  }

  /** Unique to this backend object by its random part, to the message by the count. */
  #newId(): string {
    // Made at the first publish: a Worker may not ask for random numbers while it starts.
    this.#prefix ??= Array.from(
      crypto.getRandomValues(new Uint8Array(12)),
      (byte) => byte.toString(16).padStart(2, "0"),
    ).join("") + "-";
    return this.#prefix + (this.#made++).toString(36);
  }
}
