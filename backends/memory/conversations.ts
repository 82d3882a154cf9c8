/**
 * The ordering keys of one group: of each key one turn may be out, the others wait behind it in their order.
 *
 * @module
 */
import type { Node } from "./node.ts";

/** A message that the group has come to before, and may deliver later. */
export interface Parked {
  readonly node: Node;
  /** The deliveries that counted so far. */
  readonly attempts: number;
}

/** One call that takes messages. */
export interface Taking {
  /** Names the call. */
  readonly call: number;
  /** The most messages of one ordering key that it leases together, as one turn. */
  readonly maxPerOrderingKey: number;
}

/** The messages of one ordering key that the group has not settled. */
class Conversation {
  readonly orderingKey: string;
  /** The first message that is leased now, and others of the same turn. */
  out: Node | undefined;
  more: Set<Node> | undefined;
  /** The number of messages that are leased now. */
  outCount = 0;
  /** The call that leased them. */
  call = 0;
  /** May be delivered, and stands among what the group delivers again. */
  promoted: Node | undefined;
  /** Passed by the cursor, in their order; from {@link first} on, removed ones among them. */
  waiting: Parked[] = [];
  first = 0;
  /** Those of {@link waiting} that are not removed. */
  waitingCount = 0;
  /** The places of messages that wait for a delayed retry. */
  scheduled: Set<number> | undefined;
  /** Not yet reached by the cursor. */
  unread = 0;
  /** Monotonic milliseconds at which the turn before was done. */
  freedAt = 0;

  constructor(orderingKey: string) {
    this.orderingKey = orderingKey;
  }

  /** True where the next message that the cursor reaches may be delivered. */
  get idle(): boolean {
    return this.outCount === 0 && this.promoted === undefined && this.waitingCount === 0 &&
      (this.scheduled === undefined || this.scheduled.size === 0);
  }

  /** Whether a message is leased now. */
  isOut(node: Node): boolean {
    return this.out === node || this.more?.has(node) === true;
  }

  /** Notes that a message is leased. */
  lease(node: Node): void {
    this.outCount += 1;
    if (this.out === undefined) this.out = node;
    else (this.more ??= new Set()).add(node);
  }

  /** Notes that a lease has ended. */
  unlease(node: Node): void {
    this.outCount -= 1;
    if (this.out === node) this.out = undefined;
    else this.more?.delete(node);
  }

  /** Whether a message that waits for its retry stands before a place. */
  isHeldBefore(seq: number): boolean {
    if (this.scheduled !== undefined) { for (const place of this.scheduled) if (place < seq) return true; }
    return false;
  }

  /** Puts a message back to its place. */
  insert(parked: Parked): void {
    let at = this.waiting.length;
    while (at > this.first && this.waiting[at - 1]!.node.seq > parked.node.seq) at--;
    if (at === this.waiting.length) this.waiting.push(parked);
    else this.waiting.splice(at, 0, parked);
    this.waitingCount += 1;
  }

  /** Takes the first message that waits, unless one before it waits for its retry. */
  shift(): Parked | undefined {
    const { waiting } = this;
    while (this.first < waiting.length && waiting[this.first]!.node.removed) this.first += 1;
    const next = waiting[this.first];
    if (next !== undefined && this.isHeldBefore(next.node.seq)) return undefined;
    if (next !== undefined) {
      this.first += 1;
      this.waitingCount -= 1;
    }
    if (this.first * 2 > waiting.length) {
      waiting.splice(0, this.first);
      this.first = 0;
    }
    return next;
  }

  /** Takes what may be delivered now, where no lease is out. */
  promote(): Parked | undefined {
    if (this.outCount > 0 || this.promoted !== undefined || this.waitingCount === 0) return undefined;
    const next = this.shift();
    this.promoted = next?.node;
    return next;
  }

  /** Whether an unread message joins the turn of the call that has just leased those before it. */
  isJoinedBy(node: Node, { call, maxPerOrderingKey }: Taking): boolean {
    return this.outCount > 0 && this.outCount < maxPerOrderingKey && this.call === call && this.waitingCount === 0 &&
      !this.isHeldBefore(node.seq);
  }
}

/**
 * Decides which messages with an ordering key may be delivered. Costs nothing for messages without one, and keeps
 * nothing of a key whose messages are all settled.
 */
export class Conversations {
  readonly #conversations: Map<string, Conversation> = new Map();
  /** Messages of all keys that the cursor has not reached. */
  #unread = 0;
  /** Keys whose next unread message may be delivered. */
  #open = 0;
  /** Messages that the cursor has passed and that wait behind another of their ordering key. */
  waiting = 0;

  /** Visible messages that wait behind another of their ordering key. */
  get blocked(): number {
    return this.waiting + this.#unread - this.#open;
  }

  /** Yields the messages that wait behind another of their ordering key and that the cursor has passed. */
  *parked(): Iterable<Parked> {
    for (const { waiting, first } of this.#conversations.values()) {
      for (let i = first; i < waiting.length; i++) if (!waiting[i]!.node.removed) yield waiting[i]!;
    }
  }

  /** Whether the next message of an ordering key may be delivered: this one, or the first that is not leased. */
  isFree(node: Node): boolean {
    const conversation = node.orderingKey === undefined ? undefined : this.#conversations.get(node.orderingKey);
    return conversation === undefined || conversation.promoted === node || conversation.idle;
  }

  /** Notes a message that became visible and that the cursor has not reached. */
  add(node: Node): void {
    if (node.orderingKey === undefined) return;
    let conversation = this.#conversations.get(node.orderingKey);
    if (conversation === undefined) {
      this.#conversations.set(node.orderingKey, conversation = new Conversation(node.orderingKey));
    }
    this.#leave(conversation);
    conversation.unread += 1;
    this.#enter(conversation);
  }

  /**
   * Decides whether a message that the group has come to may be leased now. If not, it waits.
   *
   * @returns True where it counts as leased now.
   */
  take(node: Node, attempts: number, taking: Taking): boolean {
    if (node.orderingKey === undefined) return true;
    const conversation = this.#conversations.get(node.orderingKey)!;
    this.#leave(conversation);
    let free = true;
    if (conversation.promoted === node) {
      conversation.promoted = undefined;
    } else {
      free = conversation.idle || conversation.isJoinedBy(node, taking);
      conversation.unread -= 1;
    }
    if (free) {
      conversation.lease(node);
      conversation.call = taking.call;
    } else {
      conversation.insert({ node, attempts });
    }
    this.#enter(conversation);
    return free;
  }

  /** Returns the messages that join the turn of one that was leased by this call: the next of its ordering key. */
  join(node: Node, taking: Taking, max: number): Parked[] {
    const joined: Parked[] = [];
    if (node.orderingKey === undefined || taking.maxPerOrderingKey === 1) return joined;
    const conversation = this.#conversations.get(node.orderingKey)!;
    this.#leave(conversation);
    while (joined.length < max && conversation.outCount < taking.maxPerOrderingKey) {
      const next = conversation.shift();
      if (next === undefined) break;
      conversation.lease(next.node);
      joined.push(next);
    }
    this.#enter(conversation);
    return joined;
  }

  /** Returns the milliseconds that a message waited behind others; undefined where it waited behind none. */
  blockedMs(node: Node): number | undefined {
    const { orderingKey, visibleAt } = node;
    if (orderingKey === undefined || visibleAt === undefined) return undefined;
    const { freedAt } = this.#conversations.get(orderingKey)!;
    return freedAt > visibleAt ? freedAt - visibleAt : undefined;
  }

  /** A lease ended, and its message keeps its place. Returns what may be delivered now. */
  giveBack(node: Node, attempts: number, now: number): Parked | undefined {
    return this.#end(node, now, { node, attempts });
  }

  /** A lease ended, and its message comes again later. Returns what may be delivered now. */
  schedule(node: Node, now: number): Parked | undefined {
    (this.#conversations.get(node.orderingKey!)!.scheduled ??= new Set()).add(node.seq);
    return this.#end(node, now);
  }

  /** A lease ended because its message is done. Returns what may be delivered now. */
  finish(node: Node, now: number): Parked | undefined {
    return this.#end(node, now);
  }

  /** The time of a message's retry has come. Returns what may be delivered now. */
  due(node: Node, attempts: number): Parked | undefined {
    const conversation = this.#conversations.get(node.orderingKey!)!;
    this.#leave(conversation);
    conversation.scheduled?.delete(node.seq);
    conversation.insert({ node, attempts });
    const next = conversation.promote();
    this.#enter(conversation);
    return next;
  }

  /**
   * A message left the log without being settled by this group: it expired or was dropped. One that is leased counts
   * until its lease ends, since its handler still runs.
   *
   * @param passed True where the cursor has passed it.
   * @returns What may be delivered now.
   */
  remove(node: Node, passed: boolean): Parked | undefined {
    if (node.orderingKey === undefined) return undefined;
    const conversation = this.#conversations.get(node.orderingKey)!;
    if (conversation.isOut(node)) return undefined;
    this.#leave(conversation);
    if (!passed) conversation.unread -= 1;
    else if (conversation.promoted === node) conversation.promoted = undefined;
    else if (!conversation.scheduled?.delete(node.seq)) conversation.waitingCount -= 1;
    const next = conversation.promote();
    this.#enter(conversation);
    return next;
  }

  #end(node: Node, now: number, back?: Parked): Parked | undefined {
    const conversation = this.#conversations.get(node.orderingKey!)!;
    this.#leave(conversation);
    conversation.unlease(node);
    if (back) conversation.insert(back);
    if (conversation.outCount === 0) conversation.freedAt = now;
    const next = conversation.promote();
    this.#enter(conversation);
    return next;
  }

  /** Takes a conversation out of the counts, to change it. */
  #leave(conversation: Conversation): void {
    this.waiting -= conversation.waitingCount;
    this.#unread -= conversation.unread;
    if (conversation.unread > 0 && conversation.idle) this.#open -= 1;
  }

  /** Brings a changed conversation into the counts; forgets one that holds nothing any more. */
  #enter(conversation: Conversation): void {
    this.waiting += conversation.waitingCount;
    this.#unread += conversation.unread;
    if (!conversation.idle) return;
    if (conversation.unread > 0) this.#open += 1;
    else this.#conversations.delete(conversation.orderingKey);
  }
}
