/**
 * The ordering keys of one group: of each key one turn may be out, the others wait behind it in their order.
 *
 * @module
 */
import { Conversation, KeyedNode, type OrderingKey, type Returned } from "./conversation.ts";
import { TimeHeap } from "./heap.ts";
import type { Node, Parked } from "./node.ts";

/**
 * Decides which messages with an ordering key may be delivered. Costs nothing for messages without one, and keeps
 * nothing of a key whose messages are all settled. What waits stands in the log alone: it costs its group nothing until its
 * turn comes.
 */
export class Conversations {
  /** The number of heads that the group's cursor comes to. */
  ahead = 0;
  /** The number of messages that may be delivered now: the head of each key without a lease. */
  free = 0;
  /** The number of visible messages that are not leased and wait for no retry. */
  #queued = 0;
  readonly #group: number;
  readonly #keys: ReadonlyMap<string, OrderingKey>;
  readonly #onFree: () => void;
  /** The place of the last message with an ordering key that the cursor has passed. */
  #passed = 0;
  /**
   * By the places of their heads, those that the cursor does not come to. A head that was removed since is found out in
   * its turn: there are never more of them than messages that the cursor had passed.
   */
  readonly #ready: TimeHeap<Conversation> = new TimeHeap();

  /**
   * @param group The number of the group.
   * @param keys The ordering keys of the log.
   * @param onFree Called when one more message may be delivered.
   */
  constructor(group: number, keys: ReadonlyMap<string, OrderingKey>, onFree: () => void) {
    this.#group = group;
    this.#keys = keys;
    this.#onFree = onFree;
  }

  /** Visible messages that wait behind another of their ordering key. */
  get blocked(): number {
    return this.#queued - this.free;
  }

  /** The place of the first head that the cursor does not come to; `Infinity` where there is none. */
  get nextAt(): number {
    return this.#ready.nextAt;
  }

  /** Yields the messages that the cursor does not come to and that are not leased and wait for no retry. */
  *parked(): Iterable<Parked> {
    for (const ordering of this.#keys.values()) {
      const conversation = ordering.conversations[this.#group];
      if (!conversation) continue;
      const { head, attempts, unread, returned } = conversation;
      if (head && head !== unread) yield { node: head, attempts };
      for (const parked of returned) if (!parked.delayed) yield parked;
      for (let node = unread; node && node.seq <= this.#passed; node = ordering.at(node.later)) {
        yield { node, attempts: 0 };
      }
    }
  }

  /** Whether a message that the cursor comes to was not leased: those of one turn are leased together. */
  isUnread(node: Node): boolean {
    return !(node instanceof KeyedNode) || node.seq >= (this.#of(node)?.unread?.seq ?? Infinity);
  }

  /** Whether nothing keeps a message that waits from being delivered. */
  isFree(node: Node): boolean {
    return !(node instanceof KeyedNode) || this.#of(node)?.head === node;
  }

  /** Notes that a message was added to the log. */
  append(node: KeyedNode): void {
    this.#queued += 1;
    const conversation = this.#open(node.ordering);
    if (conversation.unread) return;
    conversation.unread = node;
    this.#promote(conversation);
  }

  /** Adds a message from outside the log. */
  place(node: KeyedNode): void {
    this.#queued += 1;
    const conversation = this.#open(node.ordering);
    conversation.insert(node, 0, false);
    this.#promote(conversation);
  }

  /** Notes that the cursor has come to a message. Returns its conversation where it may be delivered. */
  reach(node: KeyedNode): Conversation | undefined {
    this.#passed = node.seq;
    const conversation = this.#of(node);
    return conversation?.head === node ? conversation : undefined;
  }

  /** Returns the conversation with the head at {@link nextAt}; undefined where that was removed. */
  shift(): Conversation | undefined {
    const at = this.#ready.nextAt;
    const conversation = this.#ready.popDue(at)!;
    return conversation.head?.seq === at ? conversation : undefined;
  }

  /** Leases the head of a conversation. Returns it. */
  lease(conversation: Conversation): KeyedNode {
    conversation.leased += 1;
    return this.#shift(conversation);
  }

  /** Leases the next message as one of the turn that is leased now. Returns it; undefined where there is none. */
  join(conversation: Conversation): KeyedNode | undefined {
    if (!conversation.advance()) return undefined;
    this.#queued -= 1;
    conversation.leased += 1;
    return conversation.shift();
  }

  /** A lease ended, and its message keeps its place. */
  giveBack(node: KeyedNode, attempts: number, now: number): void {
    this.#queued += 1;
    this.#of(node)!.insert(node, attempts, false);
    this.finish(node, now);
  }

  /** A lease ended, and its message comes again later. */
  schedule(node: KeyedNode, attempts: number, now: number): Returned {
    const returned = this.#of(node)!.insert(node, attempts, true);
    this.finish(node, now);
    return returned;
  }

  /** A lease ended. */
  finish(node: Node, now: number): void {
    if (!(node instanceof KeyedNode)) return;
    const conversation = this.#of(node)!;
    conversation.leased -= 1;
    if (conversation.leased === 0) conversation.freedAt = now;
    this.#promote(conversation);
  }

  /** The time of a message's retry has come. */
  due(returned: Returned): void {
    this.#queued += 1;
    returned.delayed = false;
    this.#promote(this.#of(returned.node)!);
  }

  /**
   * A message left the log: it expired or was dropped. One that is leased counts until its lease ends, since its handler
   * still runs.
   */
  remove(node: KeyedNode): void {
    const conversation = this.#of(node);
    if (!conversation) return;
    if (conversation.head === node) {
      this.#shift(conversation);
    } else if (this.isUnread(node)) {
      this.#queued -= 1;
      if (conversation.unread === node) conversation.unread = node.ordering.at(node.later);
    } else {
      const at = conversation.returned.findIndex((parked) => parked.node === node);
      if (at < 0) return; // it is leased, or this group has settled it
      if (!conversation.returned.splice(at, 1)[0]!.delayed) this.#queued -= 1;
    }
    this.#promote(conversation);
  }

  #of({ ordering }: KeyedNode): Conversation | undefined {
    return ordering.conversations[this.#group];
  }

  #open(ordering: OrderingKey): Conversation {
    return ordering.conversations[this.#group] ??= new Conversation(ordering);
  }

  /** Lets the next message be delivered, where no lease is out. Forgets a conversation that holds nothing any more. */
  #promote(conversation: Conversation): void {
    if (conversation.leased > 0 || conversation.head) return;
    const { ordering, returned } = conversation;
    if (conversation.advance()) {
      const { seq } = conversation.head!;
      this.free += 1;
      conversation.ahead = conversation.head === conversation.unread && seq > this.#passed;
      if (conversation.ahead) this.ahead += 1;
      else this.#ready.push(seq, conversation);
      this.#onFree();
    } else if (returned.length === 0) {
      ordering.conversations[this.#group] = undefined;
      ordering.release();
    }
  }

  /** Removes the head. Returns it. */
  #shift(conversation: Conversation): KeyedNode {
    this.#queued -= 1;
    this.free -= 1;
    if (conversation.ahead) this.ahead -= 1;
    return conversation.shift();
  }
}
