/**
 * The backend: publish, consume and close, and no more.
 *
 * @module
 */
import {
  type JsonObject,
  type PublishOptions,
  type PublishReceipt,
  type QueueBackend,
  QueueError,
} from "@slack-mcp/queue";
import type { MyQueueOptions } from "./options.ts";

// ---- Your client goes here --------------------------------------------------------------------------------------
// As generated, messages are lists in the memory of the process, which all backends share. Replace the lists by your
// broker's client, and each use of them below by a command.
const shared: Lists = new Map();

/** Texts of messages, by their key. */
export type Lists = Map<string, string[]>;
// ------------------------------------------------------------------------------------------------------------------

/** How long an empty list is left alone, in milliseconds. */
const POLL_MS = 10;

interface InHand {
  readonly list: string[];
  readonly text: string;
}

/** A backend for `@slack-mcp/queue`: asking for the next message acknowledges the one before. */
export class MyQueueBackend implements QueueBackend {
  /** The name that errors and logs show. */
  readonly name = "my_queue";
  readonly #lists: Lists;
  readonly #inHand: Set<InHand> = new Set();
  #closed = false;

  /** Opens the backend. */
  constructor(options: MyQueueOptions = {}) {
    this.#lists = options.lists ?? shared;
  }

  /** Resolves when the message is in the queue. */
  // deno-lint-ignore require-await -- so that errors reject
  async publish(key: string, payload: JsonObject, options: PublishOptions = {}): Promise<PublishReceipt> {
    options.signal?.throwIfAborted();
    if (this.#closed) throw new QueueError("closed", `Cannot publish to "${key}": the backend is closed`);
    if (typeof key !== "string" || key === "") throw new TypeError("key must be non-empty text");
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      throw new TypeError("payload must be a JSON object");
    }
    for (const name of ["delayMs", "ttlMs", "headers", "orderingKey"] as const) {
      if (options[name] !== undefined) throw new QueueError("unsupported", `my_queue does not support ${name}`);
    }
    this.#list(key).push(JSON.stringify(payload));
    return { id: options.id ?? crypto.randomUUID(), outcome: "added" };
  }

  /** Yields payloads; leaving the loop gives back the one in hand. */
  async *consume(
    key: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<JsonObject, undefined> {
    const list = this.#list(key);
    while (!this.#closed && !signal?.aborted) {
      const text = list.shift();
      if (text === undefined) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        continue;
      }
      const inHand: InHand = { list, text };
      this.#inHand.add(inHand);
      let done = false;
      try {
        yield JSON.parse(text);
        done = true;
      } finally {
        if (done) this.#inHand.delete(inHand);
        else this.#giveBack(inHand);
      }
    }
  }

  /** Gives back what is in hand. */
  close(): Promise<void> {
    this.#closed = true;
    for (const inHand of this.#inHand) this.#giveBack(inHand);
    return Promise.resolve();
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #list(key: string): string[] {
    let list = this.#lists.get(key);
    if (!list) this.#lists.set(key, list = []);
    return list;
  }

  #giveBack(inHand: InHand): void {
    if (this.#inHand.delete(inHand)) inHand.list.unshift(inHand.text);
  }
}
