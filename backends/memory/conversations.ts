/**
 * The ordering keys of one group: of each key one message, its head, may be delivered; the others wait behind it.
 *
 * @module
 */
import { type Node, STALE } from "./node.ts";

/** A message that waits behind the head of its ordering key. */
export interface Parked {
  readonly node: Node;
  /** The deliveries that counted so far: none, or those of a replayed dead letter's earlier life. */
  readonly attempts: number;
}

/** The messages of one ordering key that the group has not settled. */
class Conversation {
  /** The one message that may be delivered. Undefined: the next of the key that the group's cursor reaches. */
  head: Node | undefined;
  /** True while a consumer holds the head. */
  leased = false;
  /** Messages that are not the head: {@link parked}, and those that the cursor has yet to reach. */
  behind = 0;
  /** Monotonic milliseconds at which the head before was done. */
  freedAt = 0;
  /** Messages that the cursor has passed, in their order; from {@link first} on. */
  parked: Parked[] = [];
  first = 0;
  /** Removed messages among the parked. */
  stale = 0;
}

/**
 * Decides which messages with an ordering key may be delivered. Costs nothing for messages without one, a constant for
 * each step of the others, and keeps nothing of a key whose messages are all settled.
 */
export class Conversations {
  readonly #conversations: Map<string, Conversation> = new Map();
  /** Messages that wait behind the head of their ordering key. */
  blocked = 0;
  /** Those among the blocked that the cursor has passed. */
  parked = 0;

  /** A message became visible. */
  add(node: Node): void {
    const key = node.orderingKey;
    if (key === undefined) return;
    const conversation = this.#conversations.get(key);
    if (conversation !== undefined) {
      conversation.behind += 1;
      this.blocked += 1;
      return;
    }
    const made = new Conversation();
    made.head = node;
    this.#conversations.set(key, made);
  }

  /**
   * Decides whether a message that the group has come to may be delivered now; if not, parks it behind its head.
   *
   * @returns True where it may be, and now counts as leased.
   */
  take(node: Node, attempts: number): boolean {
    if (node.orderingKey === undefined) return true;
    const conversation = this.#conversations.get(node.orderingKey)!;
    if (conversation.head !== undefined && conversation.head !== node) {
      conversation.parked.push({ node, attempts });
      this.parked += 1;
      return false;
    }
    conversation.head = node;
    conversation.leased = true;
    return true;
  }

  /** Returns the milliseconds that a leased head waited behind others, or undefined where it waited behind none. */
  blockedMs(node: Node): number | undefined {
    if (node.orderingKey === undefined) return undefined;
    const { freedAt } = this.#conversations.get(node.orderingKey)!;
    return freedAt > node.visibleAt ? freedAt - node.visibleAt : undefined;
  }

  /** The lease of a head ended without settling it for good: it keeps its place. */
  giveBack(node: Node): void {
    if (node.orderingKey !== undefined) this.#conversations.get(node.orderingKey)!.leased = false;
  }

  /**
   * A head is done: acknowledged, dead, expired or dropped.
   *
   * @param node The head.
   * @param now Monotonic milliseconds.
   * @returns The next message of its key where the cursor has passed it: it may be delivered now.
   */
  finish(node: Node, now: number): Parked | undefined {
    if (node.orderingKey === undefined) return undefined;
    const conversation = this.#conversations.get(node.orderingKey)!;
    conversation.head = undefined;
    conversation.leased = false;
    conversation.freedAt = now;
    if (conversation.behind === 0) {
      this.#conversations.delete(node.orderingKey);
      return undefined;
    }
    conversation.behind -= 1;
    this.blocked -= 1;
    const next = this.#unpark(conversation);
    conversation.head = next?.node;
    return next;
  }

  /**
   * A message left the log without being settled by this group: it expired or was dropped.
   *
   * @param node The message.
   * @param passed True where the cursor has passed it.
   * @param now Monotonic milliseconds.
   * @returns The next message of its key, where that may be delivered now.
   */
  remove(node: Node, passed: boolean, now: number): Parked | undefined {
    if (node.orderingKey === undefined) return undefined;
    const conversation = this.#conversations.get(node.orderingKey)!;
    // The lease of a head that is out must end first: its handler still runs.
    if (conversation.head === node) return conversation.leased ? undefined : this.finish(node, now);
    if (conversation.behind === 0) { // it was to be the head that the cursor would have come to
      this.#conversations.delete(node.orderingKey);
      return undefined;
    }
    conversation.behind -= 1;
    this.blocked -= 1;
    if (!passed) return undefined;
    this.parked -= 1;
    conversation.stale += 1;
    if (conversation.stale >= STALE && conversation.stale * 2 >= conversation.parked.length - conversation.first) {
      conversation.parked = conversation.parked.slice(conversation.first).filter(({ node }) => !node.removed);
      conversation.first = conversation.stale = 0;
    }
    return undefined;
  }

  #unpark(conversation: Conversation): Parked | undefined {
    const { parked } = conversation;
    while (conversation.first < parked.length) {
      const next = parked[conversation.first++]!;
      if (conversation.first * 2 > parked.length) {
        parked.splice(0, conversation.first);
        conversation.first = 0;
      }
      if (next.node.removed) {
        conversation.stale -= 1;
        continue;
      }
      this.parked -= 1;
      return next;
    }
    return undefined;
  }
}
