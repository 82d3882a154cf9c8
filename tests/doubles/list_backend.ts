/** The smallest plugin: publish, consume, close. No leases, no driver. */
import { QueueError } from "../../core/errors.ts";
import type { JsonObject, PublishOptions, PublishReceipt, QueueBackend } from "../../core/protocol.ts";

/** Lists in memory that several backends share. */
export type Lists = Map<string, string[]>;

export class ListBackend implements QueueBackend {
  readonly #lists: Lists;
  readonly #inHand = new Map<symbol, { readonly list: string[]; readonly text: string }>();
  #closed = false;

  constructor(lists: Lists) {
    this.#lists = lists;
  }

  #list(key: string): string[] {
    return this.#lists.get(key) ?? this.#lists.set(key, []).get(key)!;
  }

  // deno-lint-ignore require-await -- so that what is thrown rejects
  async publish(key: string, payload: JsonObject, options: PublishOptions = {}): Promise<PublishReceipt> {
    if (this.#closed) throw new QueueError("closed", "Cannot publish: the backend is closed");
    if (key === "") throw new TypeError("key must be a non-empty, well-formed string, found an empty string");
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      throw new TypeError("payload must be a JSON object");
    }
    this.#list(key).push(JSON.stringify(payload));
    return { id: options.id ?? crypto.randomUUID(), outcome: "added" };
  }

  async *consume(key: string): AsyncGenerator<JsonObject, undefined> {
    const turn = Symbol(key);
    const list = this.#list(key);
    try {
      while (!this.#closed) {
        const text = list.shift();
        if (text !== undefined) {
          this.#inHand.set(turn, { list, text });
          yield JSON.parse(text);
          this.#inHand.delete(turn); // asking for the next acknowledges this one
        } else {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
    } finally {
      this.#giveBack(turn);
    }
  }

  #giveBack(turn: symbol): void {
    const held = this.#inHand.get(turn);
    if (this.#inHand.delete(turn)) held!.list.unshift(held!.text);
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const turn of this.#inHand.keys()) this.#giveBack(turn);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
