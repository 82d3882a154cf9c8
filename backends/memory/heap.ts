/**
 * A binary heap, the earliest item first. A push or pop costs the logarithm of its size.
 *
 * @module
 */

/** Items ordered by a time. Items of the same time come in the order they were pushed. */
export class TimeHeap<T> {
  #items: { readonly at: number; readonly order: number; readonly item: T }[] = [];
  #pushed = 0;

  /** The number of items. */
  get size(): number {
    return this.#items.length;
  }

  /** The earliest time; `Infinity` where it is empty. */
  get nextAt(): number {
    return this.#items[0]?.at ?? Infinity;
  }

  /** Removes all other items. */
  keep(wanted: (item: T) => boolean): void {
    this.#items = this.#items.filter(({ item }) => wanted(item)).sort((a, b) => before(a, b) ? -1 : 1);
  }

  /** Yields all items, in no order. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const { item } of this.#items) yield item;
  }

  /** Adds an item. */
  push(at: number, item: T): void {
    const items = this.#items;
    const entry = { at, order: this.#pushed++, item };
    let i = items.length;
    items.push(entry);
    while (i > 0) {
      const above = (i - 1) >> 1;
      if (!before(entry, items[above]!)) break;
      items[i] = items[above]!;
      i = above;
    }
    items[i] = entry;
  }

  /** Removes and returns the earliest item, where its time has come. */
  popDue(now: number): T | undefined {
    const items = this.#items;
    const first = items[0];
    if (first === undefined || first.at > now) return undefined;
    const last = items.pop()!;
    if (items.length > 0) {
      let i = 0;
      for (;;) {
        let below = 2 * i + 1;
        if (below >= items.length) break;
        if (below + 1 < items.length && before(items[below + 1]!, items[below]!)) below += 1;
        if (!before(items[below]!, last)) break;
        items[i] = items[below]!;
        i = below;
      }
      items[i] = last;
    }
    return first.item;
  }
}

function before(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
  return a.at < b.at || a.at === b.at && a.order < b.order;
}
