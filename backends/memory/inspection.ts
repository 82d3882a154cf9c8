/**
 * Looks into the queues of a broker.
 *
 * @module
 */
import type { DriverInspection } from "../../core/driver.ts";
import type { PeekedMessage } from "../../core/protocol.ts";
import type { MemoryBroker } from "./broker.ts";
import { isFirst } from "./conversation.ts";
import { contentOf, type Parked } from "./node.ts";

/** A message that is not settled. */
interface Found extends Parked {
  readonly state: PeekedMessage["state"];
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
    for (const { node } of this.#find(key, group, Infinity)) {
      oldest = Math.min(oldest, node.details.publishedAt ?? Infinity);
    }
    return Promise.resolve(oldest === Infinity ? undefined : oldest);
  }

  /** Reads the oldest messages, in their order; those that are not yet visible have no place and come last. */
  peek(key: string, { group, limit }: { readonly group: string; readonly limit: number }): Promise<PeekedMessage[]> {
    const found = this.#find(key, group, limit).sort((a, b) => placeOf(a) - placeOf(b));
    return Promise.resolve(found.slice(0, limit).map(peeked));
  }

  /** Finds what a group has not settled; of what it has not reached no more than `unread`. */
  #find(key: string, group: string, unread: number): Found[] {
    const { topic, now = 0 } = this.#broker.topic(key) ?? {};
    const own = topic?.groups.get(group)?.unsettled(now);
    const found: Found[] = [];
    const add = ({ node, attempts }: Parked, state?: Found["state"]) => {
      const free = own ? own.conversations.isFree(node) : isFirst(node);
      found.push({ node, attempts, state: state ?? (free ? "ready" : "blocked") });
    };
    for (const lease of own?.leased ?? []) add(lease, "inFlight");
    for (const parked of own?.redeliverable ?? []) if (!parked.node.removed) add(parked);
    for (const parked of own?.conversations.parked() ?? []) add(parked);
    for (const parked of own?.scheduled ?? []) if (!parked.node.removed) add(parked, "delayed");
    const most = found.length + unread;
    for (let node = topic?.after(own?.reached ?? 0); node && found.length < most; node = topic!.after(node.seq)) {
      if (own?.conversations.isUnread(node) !== false) add({ node, attempts: 0 });
    }
    for (const node of topic?.scheduled ?? []) if (!node.removed) add({ node, attempts: 0 }, "delayed");
    return found;
  }
}

function peeked({ node, attempts, state }: Found): PeekedMessage {
  const { id, orderingKey } = node;
  return { ...contentOf(node), id, state, attempts, orderingKey };
}
