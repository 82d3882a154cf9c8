/**
 * Which queue carries a key: ids, looked up once where a name is given.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import type { CloudflareClient } from "./client.ts";
import { type ByKey, lookUp, type QueueAddress } from "./options.ts";

interface Described {
  readonly queue_id?: string | undefined;
  readonly consumers?: readonly { readonly dead_letter_queue?: string }[];
}

/** The queue's name for a key where none is given. */
export function queueName(key: string): string {
  return key.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

/** The queues of an account, by key. */
export class Queues {
  readonly #client: CloudflareClient;
  readonly #byKey: ByKey<string | QueueAddress> | undefined;
  readonly #described = new Map<string, Promise<Described>>();

  /** Nothing is asked before it is needed. */
  constructor(client: CloudflareClient, byKey: ByKey<string | QueueAddress> | undefined) {
    this.#client = client;
    this.#byKey = byKey;
  }

  /** The path of the key's queue. */
  async path(key: string, signal: AbortSignal): Promise<string> {
    return `/${await this.#id(this.#address(key).queue, signal)}`;
  }

  /** The path of the key's dead letter queue; `undefined` where it has none. */
  async deadLetters(key: string, signal: AbortSignal): Promise<string | undefined> {
    const { queue, deadLetters } = this.#address(key);
    const name = deadLetters ??
      (await this.#describe(queue, signal)).consumers?.find((consumer) => consumer.dead_letter_queue)
        ?.dead_letter_queue;
    return name && `/${await this.#id(name, signal)}`;
  }

  #address(key: string): QueueAddress {
    const found = lookUp(this.#byKey, key) ?? queueName(key);
    return typeof found === "string" ? { queue: found } : found;
  }

  async #id(queue: string, signal: AbortSignal): Promise<string> {
    if (isId(queue)) return queue;
    const { queue_id } = await this.#describe(queue, signal);
    if (queue_id) return queue_id;
    throw new QueueError("not-found", `the account has no queue "${queue}": wrangler queues create ${queue}`);
  }

  #describe(queue: string, signal: AbortSignal): Promise<Described> {
    let described = this.#described.get(queue);
    if (!described) {
      described = isId(queue)
        ? this.#client.ask(`/${queue}`, signal) as Promise<Described>
        : this.#client.ask(`?name=${encodeURIComponent(queue)}`, signal).then((found) =>
          (found as (Described & { queue_name?: string })[]).find(({ queue_name }) => queue_name === queue) ?? {}
        );
      this.#described.set(queue, described);
      // What could not be told now is asked again: a failure, or a queue that is not there yet.
      const forget = () => this.#described.delete(queue);
      described.then(({ queue_id }) => queue_id || forget(), forget);
    }
    return described;
  }
}

function isId(queue: string): boolean {
  return /^[0-9a-f]{32}$/.test(queue);
}
