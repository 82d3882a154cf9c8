import { test } from "node:test";
import assert from "node:assert/strict";
import { TimeHeap } from "../../../../backends/memory/heap.ts";

/** Numbers that look random and are the same each time. */
function* numbers(seed: number): Generator<number, never> {
  for (let n = seed;;) {
    n = (n * 1_103_515_245 + 12_345) % 2 ** 31;
    yield n;
  }
}

function drain<T>(heap: TimeHeap<T>, now = Infinity): T[] {
  const items: T[] = [];
  for (let item = heap.popDue(now); item !== undefined; item = heap.popDue(now)) items.push(item);
  return items;
}

test("Heap returns the earliest first, and those of one time in order of arrival", () => {
  const random = numbers(7);
  const heap = new TimeHeap<{ at: number; n: number }>();
  const all = Array.from({ length: 2_000 }, (_, n) => ({ at: random.next().value % 50, n }));
  for (const item of all) heap.push(item.at, item);
  assert.equal(heap.size, 2_000);
  assert.deepEqual(drain(heap), all.toSorted((a, b) => a.at - b.at || a.n - b.n));
  assert.deepEqual([heap.size, heap.nextAt], [0, Infinity]);
});

test("Heap returns nothing before its time", () => {
  const heap = new TimeHeap<string>();
  heap.push(20, "late");
  heap.push(10, "early");
  assert.equal(heap.nextAt, 10);
  assert.equal(heap.popDue(9.999), undefined);
  assert.deepEqual(drain(heap, 10), ["early"]);
  assert.equal(heap.nextAt, 20);
});

test("Heap keeps the order for any mixture of pushes and pops", () => {
  const random = numbers(11);
  const heap = new TimeHeap<number>();
  let model: number[] = [];
  for (let step = 0; step < 5_000; step++) {
    const n = random.next().value;
    if (n % 3 > 0) {
      heap.push(n % 1_000, n % 1_000);
      model.push(n % 1_000);
    } else {
      model.sort((a, b) => a - b);
      assert.equal(heap.popDue(Infinity), model.shift());
    }
    if (step % 1_000 === 999) {
      heap.keep((at) => at % 2 === 0);
      model = model.filter((at) => at % 2 === 0);
      assert.deepEqual([...heap].sort((a, b) => a - b), model.toSorted((a, b) => a - b));
    }
  }
  assert.deepEqual(drain(heap), model.toSorted((a, b) => a - b));
});
