/**
 * One batch on its way to the broker: tried again while that is of use and somebody waits for it.
 *
 * @module
 */
import { delay } from "./clock.ts";
import type { DriverMessage, SendResult } from "./driver.ts";
import { PublishError } from "./errors.ts";
import type { Host } from "./host.ts";
import { unlessAborted } from "./limit.ts";
import type { PublishReceipt } from "./protocol.ts";

/** What became of one message. */
export type Outcome = PublishReceipt | PublishError;

/** See the module. */
export class Flight {
  readonly #host: Host;
  readonly #key: string;
  readonly #signal: AbortSignal;
  /** What it carries may have reached the broker without an answer. */
  inDoubt = false;
  /** Why the last try failed. */
  lastError: PublishError | undefined;

  /** A flight of a key; nobody waits for it any more when the signal aborts. */
  constructor(host: Host, key: string, signal: AbortSignal) {
    this.#host = host;
    this.#key = key;
    this.#signal = signal;
  }

  /**
   * Sends until the broker has answered or it is of no use; answers what became of each message. `wanted` tells which
   * messages the next try is to carry.
   *
   * @throws Whatever, once the signal has aborted.
   */
  async send(messages: readonly DriverMessage[], wanted = () => messages): Promise<readonly Outcome[]> {
    const host = this.#host;
    const { driver, options } = host;
    for (let failures = 1, doubt = false;; failures++) {
      try {
        this.inDoubt = true;
        const sending = driver.send(this.#key, messages, this.#signal);
        const results = await unlessAborted(sending, this.#signal);
        return messages.map((message, i) => this.#outcome(message, results[i]));
      } catch (cause) {
        const error = this.#wrap(cause, messages);
        host.tellFailed("publish", this.#key, failures, error);
        if (this.#signal.aborted) throw error;
        const lost = error.code === "unknown-outcome";
        this.inDoubt = doubt ||= lost;
        this.lastError = error;
        if (failures > options.maxRetries || !(lost ? driver.capabilities.dedup : error.retryable)) {
          // Not sent the last time says nothing of the time before, whose answer was lost.
          const last = doubt && !lost ? unknownOutcome(host, this.#key, "no answer came", messages, error) : error;
          return messages.map(() => last);
        }
        await delay(host.backoffMs(failures, error), host.clock, this.#signal);
        // Whoever gave up before anything left was told that nothing was sent. A batch in doubt stays what it was: the
        // broker knows it again by its ids.
        if (!doubt) messages = wanted();
      }
    }
  }

  #outcome(message: DriverMessage, result: SendResult | undefined): Outcome {
    if (result && !("error" in result)) return { id: result.id ?? message.id, outcome: result.outcome };
    return this.#wrap(result ? result.error : "the driver answered fewer results than messages", [message]);
  }

  #wrap(error: unknown, messages: readonly DriverMessage[]): PublishError {
    return this.#host.wrap(PublishError, `Cannot publish to "${this.#key}"`, error, {
      key: this.#key,
      id: onlyId(messages),
      // As it is, and as it stands within a command or a request that is JSON itself.
      hide: messages.flatMap(({ body }) => [body, JSON.stringify(body).slice(1, -1)]),
    }) as PublishError;
  }
}

/** The id that an error tells: of the message, where it is about one. */
export function onlyId(messages: readonly DriverMessage[]): string | undefined {
  return messages.length === 1 ? messages[0]!.id : undefined;
}

/** An error that says that messages may be in the queue. */
export function unknownOutcome(
  { driver }: Host,
  key: string,
  why: string,
  messages: readonly DriverMessage[],
  cause: unknown,
): PublishError {
  const message = `Cannot tell whether the message reached "${key}": ${why} after it was sent`;
  return new PublishError("unknown-outcome", message, { backend: driver.name, key, id: onlyId(messages), cause });
}
