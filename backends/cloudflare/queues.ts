/**
 * Which queue carries a key: ids, looked up once where a name is given.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import type { CloudflareClient } from "./client.ts";
import { type ByKey, lookUp, type QueueAddress } from "./options.ts";

/** The part of the API's description of a queue that is used. */
interface Described {
  readonly queue_id?: string | undefined;
  readonly consumers?: readonly { readonly type?: string; readonly dead_letter_queue?: string }[];
  readonly settings?: { readonly delivery_paused?: boolean; readonly message_retention_period?: number };
}

/** A key's queue. */
export interface DescribedQueue extends Described {
  /** Its name or id. */
  readonly queue: string;
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

  /**
   * The key's queue as the API describes it now, with its name or id.
   *
   * @throws {QueueError} `"not-found"`.
   */
  async describe(key: string, signal: AbortSignal): Promise<DescribedQueue> {
    const { queue, deadLetters } = this.#address(key);
    this.#described.delete(queue);
    await this.#id(queue, signal);
    const described = await this.#describe(queue, signal);
    const [first = {}, ...rest] = described.consumers ?? [];
    if (deadLetters === undefined) return { ...described, queue };
    return { ...described, queue, consumers: [{ ...first, dead_letter_queue: deadLetters }, ...rest] };
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
      // Ask again after a failure, or for a queue that is not there yet.
      const forget = () => this.#described.delete(queue);
      described.then(({ queue_id }) => queue_id || forget(), forget);
    }
    return described;
  }
}

function isId(queue: string): boolean {
  return /^[0-9a-f]{32}$/.test(queue);
}
