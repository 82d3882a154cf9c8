/**
 * The smallest backend for tests of a webhook: it keeps what is published, and resolves or rejects as a test asks.
 *
 * @module
 */
import type { JsonObject, PublishOptions, PublishReceipt, QueueBackend } from "../../core/protocol.ts";

/** One publish, with its arguments. */
export interface Published {
  readonly key: string;
  readonly payload: JsonObject;
  readonly options: PublishOptions;
}

/** Keeps every publish in `published`; `answer` gives its result. */
export class StubBackend implements QueueBackend {
  readonly published: Published[] = [];
  readonly #answer: (published: Published) => Promise<PublishReceipt> | PublishReceipt;

  constructor(
    answer: (published: Published) => Promise<PublishReceipt> | PublishReceipt = ({ options }) => ({
      id: options.id ?? "",
      outcome: "added",
    }),
  ) {
    this.#answer = answer;
  }

  async publish(key: string, payload: JsonObject, options: PublishOptions = {}): Promise<PublishReceipt> {
    const published = { key, payload, options };
    this.published.push(published);
    return await this.#answer(published);
  }

  consume(): AsyncIterableIterator<JsonObject> {
    throw new Error("nothing is consumed here");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
