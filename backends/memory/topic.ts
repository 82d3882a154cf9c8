/**
 * One key of the broker: a log of messages that all groups read, kept until every group has settled it.
 *
 * The log is a linked list and every group points into it. Messages that all groups have passed are freed, and no operation
 * costs more with a million waiting messages than with ten.
 *
 * @module
 */
import { Group, type Log } from "./group.ts";
import { TimeHeap } from "./heap.ts";
import { type Kept, Node, STALE } from "./node.ts";

/** A key's log and its groups. */
export class Topic implements Log {
  readonly groups: Map<string, Group> = new Map();
  /** The number of messages that some group, or the first one to come, has not settled; delayed ones included. */
  length = 0;
  /** The place before the oldest message that is kept. */
  readonly #start: Node = new Node({
    id: "",
    orderingKey: undefined,
    payload: undefined,
    headers: undefined,
  });
  #last: Node = this.#start;
  #seq = 0;
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
      group = new Group(this, this.#start);
      for (let node = this.#start.next; node; node = node.next) {
        if (node.removed) continue;
        node.pending += 1;
        group.added(node);
      }
      this.groups.set(name, group);
    }
    return group;
  }

  /** Adds a message, visible at `visibleAt`. */
  add(node: Node, visibleAt: number, now: number): void {
    this.length += 1;
    if (node.expiresAt !== undefined) this.#expiring.push(node.expiresAt, node);
    if (visibleAt > now) {
      this.#delayed.push(visibleAt, node);
      for (const group of this.groups.values()) group.wake(); // to wait no longer than until it is due
    } else {
      this.#append(node, now);
    }
  }

  /** Creates a place outside the log, for a message that one group alone sees again. */
  place(message: Kept, now: number): Node {
    const node = new Node(message, message.publishedAt);
    if (node.orderingKey !== undefined) node.visibleAt = now;
    node.seq = ++this.#seq;
    node.pending = 1;
    this.length += 1;
    return node;
  }

  /** Returns how many messages would wait behind their ordering key in a group that does not exist yet. */
  blockedForNewGroup(): number {
    const keys = new Set<string>();
    let blocked = 0;
    for (let node = this.#start.next; node; node = node.next) {
      if (node.removed || node.orderingKey === undefined) continue;
      if (keys.has(node.orderingKey)) blocked += 1;
      keys.add(node.orderingKey);
    }
    return blocked;
  }

  /** The oldest message that is kept and visible. */
  get first(): Node | undefined {
    return this.#start.next;
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
      else this.#append(node, now);
    }
    for (let node = this.#expiring.popDue(now); node; node = this.#expiring.popDue(now)) {
      if (node.removed) this.#expiringGone -= 1;
      else this.remove(node);
    }
  }

  /** Notes that one group has settled a message. */
  settled(node: Node): void {
    node.pending -= 1;
    if (node.pending > 0 || node.removed) return;
    node.removed = true;
    this.#leave(node);
    this.#forget(node);
  }

  /** Removes a message for all groups: it has expired, or is dropped for a newer one. */
  remove(node: Node): void {
    if (node.removed) return;
    node.removed = true;
    if (node.seq === 0) this.#delayedGone += 1;
    else for (const group of this.groups.values()) group.removed(node);
    this.#leave(node);
  }

  /** Drops the oldest message. */
  dropOldest(): void {
    for (let node = this.#start.next; node; node = node.next) {
      if (node.removed) continue;
      this.remove(node);
      return this.#forget(node);
    }
    for (let node = this.#delayed.popDue(Infinity); node; node = this.#delayed.popDue(Infinity)) {
      if (node.removed) {
        this.#delayedGone -= 1;
        continue;
      }
      node.removed = true;
      this.#forget(node);
      return this.#leave(node);
    }
  }

  #append(node: Node, now: number): void {
    node.seq = ++this.#seq;
    if (node.orderingKey !== undefined) node.visibleAt = now;
    node.pending = this.groups.size;
    const last = this.#last;
    node.before = last;
    this.#last = last.next = node;
    if (last.removed) this.#unlink(last);
    for (const group of this.groups.values()) group.added(node);
  }

  #leave(node: Node): void {
    this.length -= 1;
    if (node.before && node !== this.#last) this.#unlink(node);
  }

  /**
   * Removes a place from the log. The last one stays: a group whose cursor is there finds the next message from it. The
   * place points nowhere afterwards, or a dead letter that refers to it would keep every later message in memory.
   */
  #unlink(node: Node): void {
    for (const group of this.groups.values()) group.unlinked(node);
    node.before!.next = node.next;
    node.next!.before = node.before;
    node.before = node.next = undefined;
  }

  /** Removes settled messages from the heap of expiring ones, now and then: they would stay there until their time. */
  #forget(node: Node): void {
    if (node.expiresAt === undefined) return;
    this.#expiringGone += 1;
    if (this.#expiringGone < STALE || this.#expiringGone * 2 < this.#expiring.size) return;
    this.#expiring.keep(({ removed }) => !removed);
    this.#expiringGone = 0;
  }
}
