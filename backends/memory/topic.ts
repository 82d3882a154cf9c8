/**
 * One key of the broker: a log of messages that all groups read, kept until every group has settled it.
 *
 * Every group knows the place that it has reached. Messages that all groups have settled are freed, and no operation
 * costs more with a million waiting messages than with ten.
 *
 * @module
 */
import { isFirst, KeyedNode, OrderingKey } from "./conversation.ts";
import { Dedup } from "./dedup.ts";
import { Group, type Log } from "./group.ts";
import { TimeHeap } from "./heap.ts";
import { type Details, Node, STALE } from "./node.ts";
import { Segments } from "./segments.ts";

/** A key's log and its groups. */
export class Topic extends Segments implements Log {
  readonly groups: Map<string, Group> = new Map();
  readonly dedup: Dedup = new Dedup();
  readonly orderingKeys: Map<string, OrderingKey> = new Map();
  /** The groups, for what is done once or twice a message: the iterator of a map costs more than a place in an array. */
  readonly #all: Group[] = [];
  /** The number of messages that some group, or the first one to come, has not settled; delayed ones included. */
  length = 0;
  /** The number of delayed messages that were removed before they were due. */
  #delayedGone = 0;
  readonly #delayed: TimeHeap<Node> = new TimeHeap();
  readonly #expiring: TimeHeap<Node> = new TimeHeap();
  /** The number of expiring messages that were removed before their time. */
  #expiringGone = 0;

  /** Returns the group of a name. A new one starts at the oldest message kept. */
  group(name: string): Group {
    let group = this.groups.get(name);
    if (group === undefined) {
      const { first } = this;
      group = new Group(this, this.#all.length, first ? first.seq - 1 : this.last);
      for (let node = first; node; node = this.after(node.seq)) {
        node.pending += 1;
        group.added(node);
      }
      this.groups.set(name, group);
      this.#all.push(group);
    }
    return group;
  }

  /** Creates a message, to be added. */
  create(id: string, payload: Node["payload"], details: Details, orderingKey: string | undefined): Node {
    if (orderingKey === undefined) return new Node(id, payload, details);
    const ordering = this.orderingKeys.get(orderingKey) ?? new OrderingKey(orderingKey, this);
    return new KeyedNode(id, payload, details, ordering);
  }

  /** Adds a message. */
  add(node: Node, now: number): void {
    this.length += 1;
    const { expiresAt, visibleAt } = node.details;
    if (expiresAt !== undefined) this.#expiring.push(expiresAt, node);
    if (visibleAt > now) {
      this.#delayed.push(visibleAt, node);
      for (const group of this.#all) group.wake(); // to wait no longer than until it is due
    } else {
      this.#append(node);
    }
  }

  /** Creates a place outside the log, for a message that one group alone sees again. */
  place({ id, payload, details, orderingKey }: Node, now: number): Node {
    const node = this.create(id, payload, { ...details, expiresAt: undefined, visibleAt: now }, orderingKey);
    node.seq = ++this.last;
    node.pending = 1;
    this.length += 1;
    return node;
  }

  /** The number of messages that would wait behind their ordering key in a group that does not exist yet. */
  get blocked(): number {
    let blocked = 0;
    for (let node = this.first; node; node = this.after(node.seq)) if (!isFirst(node)) blocked += 1;
    return blocked;
  }

  /** The messages that are published and not yet visible; removed ones may be among them. */
  get scheduled(): Iterable<Node> {
    return this.#delayed;
  }

  /** The number of messages that are published and not yet visible. */
  get delayed(): number {
    return this.#delayed.size - this.#delayedGone;
  }

  /** The time at which the next delayed message becomes visible. */
  get nextAt(): number {
    return this.#delayed.nextAt;
  }

  /** Makes due messages visible, and removes expired ones. */
  advance(now: number): void {
    for (let node = this.#delayed.popDue(now); node; node = this.#delayed.popDue(now)) {
      if (node.removed) this.#delayedGone -= 1;
      else this.#append(node);
    }
    for (let node = this.#expiring.popDue(now); node; node = this.#expiring.popDue(now)) {
      if (node.removed) this.#expiringGone -= 1;
      else this.remove(node);
    }
  }

  /** Notes that one group has settled a message. */
  settled(node: Node): void {
    if (!node.removed && --node.pending === 0) this.#settle(node);
  }

  /** Removes a message for all groups: it has expired, or is dropped for a newer one. */
  remove(node: Node): void {
    if (node.removed) return;
    node.remove();
    if (node.seq === 0) this.#delayedGone += 1;
    else for (const group of this.#all) group.removed(node);
    this.#leave(node);
  }

  /** Drops the oldest message. */
  dropOldest(): void {
    const { first } = this;
    if (first) {
      this.remove(first);
      return this.#forget(first);
    }
    for (let node = this.#delayed.popDue(Infinity); node; node = this.#delayed.popDue(Infinity)) {
      if (!node.removed) return this.#settle(node);
      this.#delayedGone -= 1;
    }
  }

  #append(node: Node): void {
    this.put(node);
    if (node instanceof KeyedNode) node.ordering.append(node);
    node.pending = this.#all.length;
    for (const group of this.#all) group.added(node);
  }

  #settle(node: Node): void {
    node.remove();
    this.#leave(node);
    this.#forget(node);
  }

  #leave(node: Node): void {
    this.length -= 1;
    this.clear(node);
    if (node instanceof KeyedNode) node.ordering.remove(node);
  }

  /** Removes settled messages from the heap of expiring ones, now and then: they would stay there until their time. */
  #forget(node: Node): void {
    if (node.details.expiresAt === undefined) return;
    this.#expiringGone += 1;
    if (this.#expiringGone < STALE || this.#expiringGone * 2 < this.#expiring.size) return;
    this.#expiring.keep(({ removed }) => !removed);
    this.#expiringGone = 0;
  }
}
