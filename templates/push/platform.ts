/**
 * A platform that pushes, in this process. It stands where your platform's client goes.
 *
 * @module
 */
import type { Consumer, PushMessage } from "@slack-mcp/queue";
import type { Clock } from "@slack-mcp/queue/driver";

/** One message of the platform. */
interface Item {
  readonly id: string;
  readonly body: unknown;
  readonly publishedAt: number;
  /** How often it was pushed. */
  attempts: number;
  /** Epoch milliseconds before which it is not pushed. */
  readyAt: number;
}

/** One message as it is sent. */
export interface Outgoing {
  /** Names the message. */
  readonly id: string;
  /** The JSON value to push. */
  readonly body: unknown;
  /** Milliseconds before which it is not pushed. */
  readonly delayMs: number;
}

/** The most messages of one batch. */
const BATCH = 10;

/** Lists of messages, one for each key, which are pushed to whatever consumer is connected. */
export class Platform {
  readonly #clock: Clock;
  readonly #lists: Map<string, Item[]> = new Map();
  readonly #waiting: Set<() => void> = new Set();

  /** Makes a platform without messages that goes by this clock. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds messages in their order. */
  add(key: string, messages: readonly Outgoing[]): Promise<void> {
    const publishedAt = this.#clock.now();
    for (const { id, body, delayMs } of messages) {
      this.#list(key).push({ id, body, publishedAt, attempts: 0, readyAt: publishedAt + delayMs });
    }
    for (const resolve of this.#waiting) resolve();
    return Promise.resolve();
  }

  /** Pushes messages of a key into a consumer until the returned function is called. */
  connect(key: string, consumer: Pick<Consumer, "handleBatch">): () => Promise<void> {
    const stop = new AbortController();
    const pushing = this.#push(key, consumer, stop.signal);
    return async () => {
      stop.abort();
      await pushing;
    };
  }

  async #push(key: string, consumer: Pick<Consumer, "handleBatch">, signal: AbortSignal): Promise<void> {
    const list = this.#list(key);
    while (!signal.aborted) {
      const now = this.#clock.now();
      const batch = list.filter(({ readyAt }) => readyAt <= now).slice(0, BATCH);
      if (batch.length === 0) {
        await this.#changed(Math.min(...list.map(({ readyAt }) => readyAt - now), 30_000), signal);
        continue;
      }
      const retries = new Map<Item, number>();
      for (const item of batch) item.attempts += 1;
      await consumer.handleBatch({ queue: key, messages: batch.map((item) => toMessage(item, retries)) });
      for (const item of batch) {
        const delayMs = retries.get(item);
        if (delayMs === undefined) list.splice(list.indexOf(item), 1);
        else item.readyAt = this.#clock.now() + delayMs;
      }
    }
  }

  #list(key: string): Item[] {
    let list = this.#lists.get(key);
    if (!list) this.#lists.set(key, list = []);
    return list;
  }

  async #changed(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimeout(resolve, ms);
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#clock.clearTimeout(timer);
    this.#waiting.delete(resolve);
  }
}

/** The message as a consumer sees it: the first of `ack` and `retry` wins. */
function toMessage(item: Item, retries: Map<Item, number>): PushMessage {
  let settled = false;
  const settle = (delayMs: number | undefined) => {
    if (!settled && delayMs !== undefined) retries.set(item, delayMs);
    settled = true;
  };
  return {
    id: item.id,
    timestamp: new Date(item.publishedAt),
    body: item.body,
    attempts: item.attempts,
    ack: () => settle(undefined),
    retry: ({ delaySeconds = 0 } = {}) => settle(delaySeconds * 1_000),
  };
}
