/**
 * A publish that travels by itself: of a driver whose publishes must be `separate`.
 *
 * @module
 */
import type { DriverMessage } from "./driver.ts";
import type { QueueError } from "./errors.ts";
import { Flight } from "./flight.ts";
import type { Host } from "./host.ts";
import { bytesOf } from "./json.ts";
import { within } from "./limit.ts";
import { Parcel } from "./parcel.ts";
import type { PublishReceipt } from "./protocol.ts";

/** How long, and as long as what, somebody waits. */
export interface SendOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What brings messages of a key to the driver. */
export interface Sender {
  /** Resolves when the broker has confirmed every message. */
  add(messages: readonly DriverMessage[], options: SendOptions): Promise<PublishReceipt[]>;
  /** Resolves when there is nothing left to send. */
  idle(): Promise<unknown>;
  /** Gives up all that is not confirmed. */
  abandon(reason: QueueError): void;
}

/** Sends for one call. */
export class Direct implements Sender {
  readonly #host: Host;
  readonly #key: string;
  readonly #onIdle: () => void;
  #limit: AbortController | undefined;
  #sending: Promise<unknown> | undefined;

  /** Nothing is sent yet; `onIdle` is called when all is. */
  constructor(host: Host, key: string, onIdle: () => void) {
    this.#host = host;
    this.#key = key;
    this.#onIdle = onIdle;
  }

  add(messages: readonly DriverMessage[], options: SendOptions): Promise<PublishReceipt[]> {
    const sending = this.#send(new Parcel(this.#host, this.#key, messages), options).finally(this.#onIdle);
    this.#sending = Promise.allSettled([sending]);
    return sending;
  }

  idle(): Promise<unknown> {
    return this.#sending ?? Promise.resolve();
  }

  abandon(reason: QueueError): void {
    this.#limit?.abort(reason);
  }

  async #send(parcel: Parcel, { timeoutMs, signal: outer }: SendOptions): Promise<PublishReceipt[]> {
    const host = this.#host;
    await within(host.clock, timeoutMs, () => host.lateError("timeout"), outer, async (limit) => {
      this.#limit = limit;
      let flight: Flight | undefined;
      try {
        while (!parcel.answered) {
          const fits = roomOf(host);
          const rest = parcel.messages.slice(parcel.taken);
          const end = rest.findIndex((message) => !fits(message));
          const batch = end < 0 ? rest : rest.slice(0, end);
          parcel.taken += batch.length;
          flight = new Flight(host, this.#key, limit.signal);
          for (const outcome of await flight.send(batch)) parcel.answer(outcome);
        }
      } catch {
        // A flight that does not answer was ended by the limit.
        parcel.giveUp(limit.signal.reason, outer?.aborted === true, flight);
      }
    });
    return parcel.receipts();
  }
}

/** Answers of one message after the other whether it still fits into a batch of the driver's; the first always does. */
export function roomOf({ driver }: Host): (message: DriverMessage) => boolean {
  const { maxBatchMessages = 1_000, maxBatchBytes = Infinity } = driver;
  let count = 0;
  let bytes = 0;
  let most = 0;
  const uncounted: string[] = [];
  return (message) => {
    count += 1;
    if (maxBatchBytes < Infinity) {
      const { body } = message; // a structured driver's is made when it is asked for
      uncounted.push(body);
      // Three bytes is the most that UTF-8 needs for one unit of a JavaScript string: where even that fits, nobody counts.
      most += body.length * 3;
      if (most > maxBatchBytes) most = bytes = uncounted.splice(0).reduce((sum, text) => sum + bytesOf(text), bytes);
    }
    return count === 1 || count <= maxBatchMessages && most <= maxBatchBytes;
  };
}
