/**
 * The smallest backend that a webhook can be tried with: it keeps what is published, and answers as it is told.
 *
 * @module
 */
import type { JsonObject, PublishOptions, PublishReceipt, QueueBackend } from "../../core/protocol.ts";

/** What was published. */
export interface Published {
  readonly key: string;
  readonly payload: JsonObject;
  readonly options: PublishOptions;
}

/** Keeps every publish in `published`; `answer` says what becomes of it. */
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
