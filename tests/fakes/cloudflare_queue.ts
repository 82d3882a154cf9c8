/**
 * One queue as Cloudflare documents it, for the HTTP API test server: visibility timeouts, attempts, delays, a dead
 * letter queue. Time comes from a clock that is only asked, so a test can turn it by hand.
 */
import type { Clock } from "../../core/util/clock.ts";

export type ContentType = "json" | "text" | "bytes" | "v8";

/** What was published, in the form in which the broker keeps it. */
export interface Content {
  readonly type: ContentType;
  /** JSON text, text, or the bytes in base64. */
  readonly text: string;
}

export interface QueueSettings {
  /** Deliveries after the first one. The platform's default is 3. */
  readonly maxRetries?: number;
  /** Where exhausted messages go; without one they are deleted, as on the platform. */
  readonly deadLetterQueue?: string;
  /** Seconds before a retried message comes again where the retry names none. */
  readonly retryDelay?: number;
  /** Seconds before a published message comes where the publisher names none. */
  readonly deliveryDelay?: number;
  /** Whether a lease that is over can still acknowledge. The platform's pages say both. */
  readonly lateAcks?: "accepted" | "refused";
}

export interface StoredMessage {
  readonly id: string;
  readonly content: Content;
  readonly timestamp: number;
  readonly source: string;
  attempts: number;
  visibleAt: number;
  lease: string | undefined;
}

/** The platform counts about 100 bytes of its own for each message. */
export const METADATA_BYTES = 100;

export function contentBytes({ type, text }: Content): number {
  return type === "bytes" || type === "v8" ? atob(text).length : new TextEncoder().encode(text).length;
}

export class StoredQueue {
  readonly id: string;
  readonly name: string;
  readonly settings: QueueSettings;
  readonly #clock: Clock;
  readonly #bury: (message: StoredMessage, deadLetterQueue: string) => void;
  /** In the order in which they can be taken. */
  readonly #messages = new Map<string, StoredMessage>();
  /** Every lease ever given, by its id: a late one still names its message. */
  readonly #leases = new Map<string, string>();
  #bytes = 0;

  constructor(
    id: string,
    name: string,
    settings: QueueSettings,
    clock: Clock,
    bury: (message: StoredMessage, deadLetterQueue: string) => void,
  ) {
    this.id = id;
    this.name = name;
    this.settings = settings;
    this.#clock = clock;
    this.#bury = bury;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** Bytes of bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Epoch milliseconds of the message that has been here longest, 0 where there is none. */
  get oldest(): number {
    for (const { timestamp } of this.#messages.values()) return timestamp;
    return 0;
  }

  get messages(): readonly StoredMessage[] {
    return [...this.#messages.values()];
  }

  add(content: Content, delaySeconds: number | undefined, source: string): void {
    const now = this.#clock.now();
    const id = hex(16);
    const delay = delaySeconds ?? this.settings.deliveryDelay ?? 0;
    this.#put({ id, content, timestamp: now, source, attempts: 0, visibleAt: now + delay * 1000, lease: undefined });
  }

  /** Takes a message from another queue: its id and its time stay, its attempts begin again. */
  adopt(message: StoredMessage): void {
    this.#put({ ...message, attempts: 0, visibleAt: this.#clock.now(), lease: undefined });
  }

  /** A short poll. */
  pull(batchSize: number, visibilityTimeoutMs: number): StoredMessage[] {
    const now = this.#clock.now();
    const taken: StoredMessage[] = [];
    for (const message of this.#messages.values()) {
      if (taken.length === batchSize) break;
      if (message.visibleAt > now) continue;
      if (message.attempts > (this.settings.maxRetries ?? 3)) {
        this.#exhaust(message);
        continue;
      }
      message.attempts++;
      message.visibleAt = now + visibilityTimeoutMs;
      message.lease = `lease.${hex(24)}`;
      this.#leases.set(message.lease, message.id);
      taken.push({ ...message });
    }
    return taken;
  }

  /** What could be pulled now, without taking it. */
  peek(batchSize: number): StoredMessage[] {
    const now = this.#clock.now();
    const seen: StoredMessage[] = [];
    for (const message of this.#messages.values()) {
      if (seen.length === batchSize) break;
      if (message.visibleAt <= now) seen.push({ ...message });
    }
    return seen;
  }

  /** Answers a warning where the lease does nothing. */
  ack(lease: string): string | undefined {
    const message = this.#leased(lease);
    if (typeof message === "string") return message;
    this.remove(message.id);
  }

  retry(lease: string, delaySeconds: number | undefined): string | undefined {
    const message = this.#leased(lease);
    if (typeof message === "string") return message;
    message.lease = undefined;
    const delay = delaySeconds ?? this.settings.retryDelay ?? 0;
    message.visibleAt = this.#clock.now() + delay * 1000;
    if (message.attempts > (this.settings.maxRetries ?? 3)) this.#exhaust(message);
  }

  remove(id: string): boolean {
    const message = this.#messages.get(id);
    if (message) this.#bytes -= contentBytes(message.content);
    return this.#messages.delete(id);
  }

  clear(): void {
    this.#messages.clear();
    this.#bytes = 0;
  }

  #put(message: StoredMessage): void {
    this.#messages.set(message.id, message);
    this.#bytes += contentBytes(message.content);
  }

  #leased(lease: string): StoredMessage | string {
    const id = this.#leases.get(lease);
    const message = id === undefined ? undefined : this.#messages.get(id);
    if (!message) return "lease is unknown or its message is gone";
    const over = message.lease !== lease || message.visibleAt <= this.#clock.now();
    return over && this.settings.lateAcks === "refused" ? "lease has expired" : message;
  }

  #exhaust(message: StoredMessage): void {
    this.remove(message.id);
    if (this.settings.deadLetterQueue !== undefined) this.#bury(message, this.settings.deadLetterQueue);
  }
}

export function hex(bytes: number): string {
  let digits = "";
  while (digits.length < 2 * bytes) digits += crypto.randomUUID().replaceAll("-", ""); // the quickest, by ten times on Deno
  return digits.slice(0, 2 * bytes);
}
