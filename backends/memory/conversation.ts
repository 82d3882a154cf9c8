/**
 * The messages of one ordering key: in the log, and as one group has them.
 *
 * @module
 */
import { type Details, Node, type Parked } from "./node.ts";

/** A message with an ordering key. In the log, it knows the places of its neighbours of the same ordering key; 0: none. */
export class KeyedNode extends Node {
  readonly ordering: OrderingKey;
  /** Where it was the first, that one may have been removed since; negative: it is not in the log. */
  earlier = -1;
  later = 0;

  /** A message that is not in the log yet. */
  constructor(id: string, payload: Node["payload"], details: Details, ordering: OrderingKey) {
    super(id, payload, details);
    this.ordering = ordering;
    ordering.users += 1;
  }

  override get orderingKey(): string {
    return this.ordering.text;
  }
}

/** Whether no other message of its ordering key stands before a message of the log. */
export function isFirst(node: Node): boolean {
  return !(node instanceof KeyedNode) || node.earlier <= node.ordering.gone;
}

/** The log of an ordering key. */
export interface KeyedLog {
  /** The ordering keys that are in use. */
  readonly orderingKeys: Map<string, OrderingKey>;
  /** Returns the message at a place; undefined where there is none. */
  at(seq: number): Node | undefined;
}

/** An ordering key, for as long as a message of it is kept or leased. */
export class OrderingKey {
  readonly text: string;
  /** The part of each group, by the number of the group. */
  readonly conversations: (Conversation | undefined)[] = [undefined];
  /** The number of messages and conversations that refer to it. */
  users = 0;
  readonly #log: KeyedLog;
  /** No message up to this place is in the log any more. */
  gone = 0;
  #last: KeyedNode | undefined;

  /** Creates an ordering key of a log. */
  constructor(text: string, log: KeyedLog) {
    this.text = text;
    this.#log = log;
    log.orderingKeys.set(text, this);
  }

  /** Notes that a message or a conversation refers to it no more. */
  release(): void {
    this.users -= 1;
    if (this.users === 0) this.#log.orderingKeys.delete(this.text);
  }

  /** Adds a message of the log. */
  append(node: KeyedNode): void {
    node.earlier = this.#last?.seq ?? 0;
    if (this.#last) this.#last.later = node.seq;
    this.#last = node;
  }

  /** Returns the message at the place of a neighbour. */
  at(place: number): KeyedNode | undefined {
    return this.#log.at(place) as KeyedNode | undefined;
  }

  /** Removes a message. */
  remove(node: KeyedNode): void {
    const { earlier, later } = node;
    const before = earlier > this.gone ? this.at(earlier) : undefined;
    if (before) {
      before.later = later;
      const after = this.at(later);
      if (after) after.earlier = earlier;
    } else if (earlier >= 0) {
      this.gone = node.seq;
    }
    if (this.#last === node) this.#last = before;
    this.release();
  }
}

/** A message that was leased before, or that is outside the log. */
export interface Returned extends Parked {
  readonly node: KeyedNode;
  /** Whether it waits for its delayed retry. */
  delayed: boolean;
}

/** The messages of one ordering key that a group has not settled. */
export class Conversation {
  readonly ordering: OrderingKey;
  /** The message that may be delivered now; none while a lease is out. */
  head: KeyedNode | undefined;
  /** The deliveries of the head that counted so far. */
  attempts = 0;
  /** Whether the group's cursor comes to the head. */
  ahead = false;
  /** The first message of the log that was never leased: the head, or behind it. */
  unread: KeyedNode | undefined;
  /** In their order. */
  readonly returned: Returned[] = [];
  /** The number of messages that are leased now. */
  leased = 0;
  /** Monotonic milliseconds at which the turn before was done. */
  freedAt = 0;

  constructor(ordering: OrderingKey) {
    this.ordering = ordering;
    ordering.users += 1;
  }

  /** Puts a message back to its place, or one from outside the log to the end. */
  insert(node: KeyedNode, attempts: number, delayed: boolean): Returned {
    const { returned } = this;
    let at = returned.length;
    while (at > 0 && returned[at - 1]!.node.seq > node.seq) at--;
    const parked = { node, attempts, delayed };
    returned.splice(at, 0, parked);
    return parked;
  }

  /**
   * Makes the first message that is not leased the head.
   *
   * @returns False where there is none, or one before it waits for its retry.
   */
  advance(): boolean {
    const { returned, unread } = this;
    const back = returned.length > 0 ? returned[0] : undefined; // the place of nobody is slow to read
    if (!back || unread && unread.seq < back.node.seq) {
      this.head = unread;
      this.attempts = 0;
    } else if (!back.delayed) {
      this.head = back.node;
      this.attempts = back.attempts;
      returned.shift();
    }
    return this.head !== undefined;
  }

  /** Removes the head, which is leased or gone. Returns it. */
  shift(): KeyedNode {
    const head = this.head!;
    if (this.unread === head) this.unread = this.ordering.at(head.later);
    this.head = undefined;
    return head;
  }
}
