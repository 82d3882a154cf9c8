/**
 * The messages of a key by their places in the order.
 *
 * @module
 */
import type { Node } from "./node.ts";

/** The number of places of a segment: few, since one is made anew where a message comes to an empty log. */
const LENGTH = 32;

/**
 * Finds messages by their places. A message names a neighbour by its place and does not point to it: V8's collector copies
 * what is reachable in the order of the pointers, so a backlog with many ordering keys would lie key by key in memory, and
 * each message that is read in the order of the log would miss the cache of the processor.
 */
export class Segments {
  /** The last place that was given. */
  protected last = 0;
  /** Those that hold a message, by their numbers, in their order. The last place of each is not empty. */
  readonly #all: Map<number, (Node | undefined)[]> = new Map();

  /** Puts a message at the next place. */
  protected put(node: Node): void {
    const seq = node.seq = ++this.last;
    const n = Math.floor(seq / LENGTH);
    let segment = this.#all.get(n);
    if (!segment) this.#all.set(n, segment = []);
    segment[seq % LENGTH] = node;
  }

  /** Empties the place of a message, unless that stands outside the log. */
  protected clear(node: Node): void {
    const { seq } = node;
    const n = Math.floor(seq / LENGTH);
    const segment = this.#all.get(n);
    if (segment?.[seq % LENGTH] !== node) return;
    segment[seq % LENGTH] = undefined;
    while (segment.length > 0 && !segment.at(-1)) segment.pop();
    if (segment.length === 0) this.#all.delete(n);
  }

  /** Returns the message at a place; undefined where there is none. */
  at(seq: number): Node | undefined {
    return this.#all.get(Math.floor(seq / LENGTH))?.[seq % LENGTH];
  }

  /** Returns the first message behind a place. */
  after(seq: number): Node | undefined {
    while (++seq <= this.last) {
      const segment = this.#all.get(Math.floor(seq / LENGTH));
      const node = segment?.[seq % LENGTH];
      if (node) return node;
      if (!segment) seq += LENGTH - 1 - seq % LENGTH;
    }
    return undefined;
  }

  /** The oldest message. */
  get first(): Node | undefined {
    const [segment] = this.#all.values();
    return segment?.find((node) => node);
  }
}
