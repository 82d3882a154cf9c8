import { test } from "node:test";
import assert from "node:assert/strict";
import { Node } from "../../../../backends/memory/node.ts";
import { Segments } from "../../../../backends/memory/segments.ts";
import { seededRandom } from "../../../../testing/random.ts";

/** The log, with its writing side open, and a plain map that does the same. */
class Both extends Segments {
  readonly model: Map<number, Node> = new Map();

  /** @param last The last place that was given before. */
  constructor(last: number) {
    super();
    this.last = last;
  }

  append(): void {
    const node = new Node("", undefined, { publishedAt: undefined, visibleAt: 0 });
    this.put(node);
    this.model.set(node.seq, node);
  }

  remove(node: Node): void {
    this.clear(node);
    this.model.delete(node.seq);
  }

  drop(outside: Node): void {
    this.clear(outside);
  }

  /** Gives places to messages that stand outside the log. */
  skip(count: number): void {
    this.last += count;
  }

  check(seq: number): void {
    const kept = [...this.model.values()];
    assert.equal(this.at(seq), this.model.get(seq), `at ${seq}`);
    assert.equal(this.after(seq), kept.find((node) => node.seq > seq), `after ${seq}`);
    assert.equal(this.first, kept[0], "first");
  }
}

for (const start of [0, 2 ** 31 - 100]) {
  test(`Segments find the same as a map, removed in any order, after ${start} places`, () => {
    const random = seededRandom(20_261_126);
    const both = new Both(start);
    for (let step = 0; step < 5_000; step++) {
      const roll = random.next();
      const growing = step % 1_000 < 500;
      if (roll < (growing ? 0.6 : 0.1)) both.append();
      else if (roll > 0.99) both.skip(random.below(100));
      else if (both.model.size > 0) both.remove(random.pick([...both.model.values()]));
      both.check(start + random.below(1_500));
    }
    for (const node of both.model.values()) both.remove(node);
    both.check(start);
  });
}

test("Segments keep their messages where one outside the log is cleared", () => {
  const both = new Both(0);
  for (let n = 0; n < 40; n++) both.append();
  const outside = new Node("", undefined, { publishedAt: undefined, visibleAt: 0 });
  for (const seq of [0, 5, 40, 1_000]) both.drop(Object.assign(outside, { seq }));
  for (let seq = 0; seq <= 41; seq++) both.check(seq);
});
