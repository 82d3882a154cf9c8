/**
 * A binary heap, the earliest item first. A push or pop costs the logarithm of its size.
 *
 * @module
 */

interface Entry {
  readonly at: number;
  readonly order: number;
}

/** Items ordered by a time. Items of the same time come in the order they were pushed. */
export class TimeHeap<T> {
  #items: (Entry & { readonly item: T })[] = [];
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
    this.#items = this.#items.filter(({ item }) => wanted(item)).sort(compare);
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
      if (compare(entry, items[above]!) > 0) break;
      items[i] = items[above]!;
      i = above;
    }
    items[i] = entry;
  }

  /** Removes and returns the earliest item, where its time has come. */
  popDue(now: number): T | undefined {
    const items = this.#items;
    const first = items[0];
    if (!first || first.at > now) return undefined;
    const last = items.pop()!;
    if (items.length > 0) {
      let i = 0;
      for (;;) {
        let below = 2 * i + 1;
        if (below >= items.length) break;
        if (below + 1 < items.length && compare(items[below + 1]!, items[below]!) < 0) below += 1;
        if (compare(items[below]!, last) > 0) break;
        items[i] = items[below]!;
        i = below;
      }
      items[i] = last;
    }
    return first.item;
  }
}

/** Negative where the first comes first. No two are equal. */
function compare(a: Entry, b: Entry): number {
  return a.at - b.at || a.order - b.order;
}
