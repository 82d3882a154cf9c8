/**
 * Looks into the queues of a broker.
 *
 * @module
 */
import type { DriverInspection } from "../../core/driver.ts";
import type { PeekedMessage } from "../../core/protocol.ts";
import { bodyOfBytes } from "../../core/util/bytes.ts";
import type { MemoryBroker } from "./broker.ts";
import type { Parked } from "./conversations.ts";
import type { Unsettled } from "./group.ts";
import type { Node } from "./node.ts";

/** A message that is not settled. Its state is open where its ordering key decides. */
interface Found extends Parked {
  readonly state?: PeekedMessage["state"];
}

function placeOf({ node }: Found): number {
  return node.seq || Number.MAX_SAFE_INTEGER;
}

/** The looks of the memory driver. */
export class MemoryInspection implements DriverInspection {
  readonly #broker: MemoryBroker;

  /** Looks into a broker. */
  constructor(broker: MemoryBroker) {
    this.#broker = broker;
  }

  /** Names the keys that have been used, on one page. */
  keys(): Promise<{ readonly keys: readonly string[]; readonly cursor: undefined }> {
    return Promise.resolve({ keys: this.#broker.keys, cursor: undefined });
  }

  /** Names the groups of a key. */
  groups(key: string): Promise<readonly string[]> {
    return Promise.resolve([...this.#broker.topic(key)?.topic.groups.keys() ?? []]);
  }

  /** Tells when the oldest message was published. */
  oldest(key: string, group: string): Promise<number | undefined> {
    let oldest = Infinity;
    for (const { node } of this.#find(key, group, Infinity)) oldest = Math.min(oldest, node.publishedAt ?? Infinity);
    return Promise.resolve(oldest === Infinity ? undefined : oldest);
  }

  /** Reads the oldest messages, in their order; those that are not yet visible have no place and come last. */
  peek(key: string, { group, limit }: { readonly group: string; readonly limit: number }): Promise<PeekedMessage[]> {
    const isFree = this.#unsettled(key, group)?.isFree ?? (() => true);
    const headed = new Set<string>();
    const found = this.#find(key, group, limit).sort((a, b) => placeOf(a) - placeOf(b));
    return Promise.resolve(
      found.slice(0, limit).map(({ node, attempts, state }) => {
        const { orderingKey } = node;
        const free = orderingKey === undefined || isFree(node) && !headed.has(orderingKey);
        if (orderingKey !== undefined) headed.add(orderingKey);
        return peeked(node, state ?? (free ? "ready" : "blocked"), attempts);
      }),
    );
  }

  #unsettled(key: string, group: string): Unsettled | undefined {
    const found = this.#broker.topic(key);
    return found?.topic.groups.get(group)?.unsettled(found.now);
  }

  /** Finds what a group has not settled; of what it has not reached no more than `unread`. */
  #find(key: string, group: string, unread: number): Found[] {
    const topic = this.#broker.topic(key)?.topic;
    const own = this.#unsettled(key, group);
    const found: Found[] = [];
    for (const { node, attempts } of own?.leased ?? []) found.push({ node, attempts, state: "inFlight" });
    for (const { node, attempts } of own?.redeliverable ?? []) if (!node.removed) found.push({ node, attempts });
    for (const { node, attempts } of own?.parked ?? []) found.push({ node, attempts, state: "blocked" });
    for (const { node, attempts } of own?.scheduled ?? []) {
      if (!node.removed) found.push({ node, attempts, state: "delayed" });
    }
    let left = unread;
    for (let node = own ? own.unread : topic?.first; node && left > 0; node = node.next) {
      if (node.removed) continue;
      found.push({ node, attempts: 0 });
      left -= 1;
    }
    for (const node of topic?.scheduled ?? []) {
      if (!node.removed) found.push({ node, attempts: 0, state: "delayed" });
    }
    return found;
  }
}

function peeked(
  { id, orderingKey, payload, headers, publishedAt }: Node,
  state: PeekedMessage["state"],
  attempts: number,
): PeekedMessage {
  return {
    id,
    state,
    attempts,
    orderingKey,
    headers: headers ?? {},
    publishedAt: publishedAt === undefined ? undefined : new Date(publishedAt),
    ...payload instanceof Uint8Array
      ? bodyOfBytes(payload)
      : { body: typeof payload === "object" ? JSON.stringify(payload) : payload ?? "" },
  };
}
