/**
 * The driver: it sends messages to the platform, which pushes them to a consumer, and names errors.
 *
 * @module
 */
import { type Capabilities, type ErrorCode, QueueError } from "@slack-mcp/queue";
import { type DriverMessage, type QueueDriver, type SendResult, systemClock } from "@slack-mcp/queue/driver";
import type { MyQueueOptions } from "./options.ts";
import { Platform } from "./platform.ts";

// ---- Your client goes here --------------------------------------------------------------------------------------
// As generated, all drivers of the process share a platform in its memory. Replace `Platform` by your platform's
// client. Then correct `capabilities`: the conformance kit holds the driver to them.
let shared: Platform | undefined;

/** Returns the platform that the process shares: connect its pushes to a consumer's `handleBatch`. */
export function sharedPlatform(): Platform {
  return shared ??= new Platform(systemClock);
}
// ------------------------------------------------------------------------------------------------------------------

const CAPABILITIES: Capabilities = {
  durable: false,
  delay: true,
  ttl: false,
  dedup: false,
  groups: false,
  deadLetters: false,
  replay: false,
  fencing: false,
  extend: false,
  release: false,
  attempts: true,
  headers: false,
  maxLength: false,
  depth: false,
  orderingKeys: false,
  order: "best-effort",
  consume: "push",
  maxPayloadBytes: 128_000,
  idleCostPerHour: 0,
};

/** Sends messages to the platform. */
export class MyQueueDriver implements QueueDriver {
  /** The name that errors and logs show. */
  readonly name = "my_queue";
  /** The capabilities, which the conformance kit proves. */
  readonly capabilities: Capabilities = CAPABILITIES;
  /** The portable layer takes these texts out of every error. */
  readonly secrets: readonly string[];
  readonly #client: Platform;

  /** Connects with these options. */
  constructor(options: MyQueueOptions = {}) {
    this.#client = options.client ?? sharedPlatform();
    this.secrets = options.password ? [options.password] : [];
  }

  /** Sends a batch; resolves when the platform has confirmed it. */
  async send(key: string, messages: readonly DriverMessage[], _signal: AbortSignal): Promise<SendResult[]> {
    await this.#client.add(key, messages.map(({ id, payload: body, delayMs }) => ({ id, body, delayMs })));
    return messages.map(() => ({ outcome: "added" }));
  }

  /** Asks whether the platform answers. */
  ping(): Promise<void> {
    return Promise.resolve();
  }

  /** Closes what the driver opened. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Names an error of the client. `"unknown-outcome"`: a send whose bytes left and whose reply did not come. */
  classify(error: unknown): ErrorCode {
    if (error instanceof QueueError) return error.code;
    return "internal";
  }
}
