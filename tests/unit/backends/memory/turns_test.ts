// Turns: several messages of one ordering key that are leased together.
import { test } from "node:test";
import assert from "node:assert/strict";
import type { RawDelivery } from "../../../../core/driver.ts";
import { MemoryBench, message, ns } from "../../../doubles/memory_bench.ts";

/** Publishes `{ n }` under an ordering key for each n. */
async function publish(bench: MemoryBench, orderingKey: string | undefined, ...numbers: number[]): Promise<void> {
  await bench.send(...numbers.map((n) => message({ n }, { orderingKey })));
}

/** Takes turns of up to `max` messages of an ordering key. */
function takeTurns(bench: MemoryBench, maxPerOrderingKey: number, max = 100): Promise<RawDelivery[]> {
  const signal = new AbortController().signal;
  return bench.driver.receive("k", { group: "g", max, leaseMs: 1_000, waitMs: 0, signal, maxPerOrderingKey });
}

test("MemoryBroker leases a whole turn of an ordering key and no more until settled", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1, 2, 3, 4);
  await publish(bench, "b", 5);
  const turn = await takeTurns(bench, 3);
  assert.deepEqual(ns(turn), [1, 2, 3, 5]);
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 4, delayed: 0, blocked: 1, dead: 0 });
  await bench.settle("ack", turn.slice(0, 2));
  assert.deepEqual(ns(await takeTurns(bench, 3)), []);
  await bench.settle("ack", turn.slice(2));
  assert.deepEqual(ns(await takeTurns(bench, 3)), [4]);
});

test("MemoryBroker fills a turn with waiting messages in order, then with new ones", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1, 2);
  const head = await bench.take();
  assert.deepEqual(ns(await bench.take()), [], "2 waits now");
  await publish(bench, "a", 3, 4);
  await bench.settle("release", head);
  assert.deepEqual(ns(await takeTurns(bench, 10)), [1, 2, 3, 4]);
  await bench.clock.advance(1_000);
  const again = await takeTurns(bench, 10);
  assert.deepEqual([ns(again), again.map(({ attempts }) => attempts)], [[1, 2, 3, 4], [2, 2, 2, 2]]);
});

test("MemoryBroker holds a turn back behind a message that waits for its retry", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1, 2, 3);
  const turn = await takeTurns(bench, 3);
  await bench.settle("retry", turn.slice(1, 2), "g", 5_000);
  await bench.settle("release", [turn[0]!, turn[2]!]);
  const first = await takeTurns(bench, 3);
  assert.deepEqual(ns(first), [1], "3 stands behind 2");
  await bench.settle("ack", first);
  assert.deepEqual(ns(await takeTurns(bench, 3)), []);
  await bench.clock.advance(5_000);
  assert.deepEqual(ns(await takeTurns(bench, 3)), [2, 3]);
  assert.deepEqual(ns(await takeTurns(bench, 3, 0)), []);
});

test("MemoryBroker shows each message of a turn once, wherever its cursor is", async () => {
  const bench = new MemoryBench();
  await publish(bench, "a", 1);
  await publish(bench, "b", 2);
  await publish(bench, "a", 3, 4, 5);
  const peek = async () => {
    const found = await bench.driver.inspect.peek!("k", { group: "g", limit: 10 }, new AbortController().signal);
    return found.map(({ body, state }) => [JSON.parse(body).n, state]);
  };
  const turn = await takeTurns(bench, 3, 3);
  assert.deepEqual(ns(turn), [1, 3, 4]);
  assert.deepEqual(await peek(), [[1, "inFlight"], [2, "ready"], [3, "inFlight"], [4, "inFlight"], [5, "blocked"]]);
  await bench.settle("ack", turn.slice(0, 2));
  await bench.settle("release", turn.slice(2));
  assert.deepEqual(await peek(), [[2, "ready"], [4, "ready"], [5, "blocked"]]);
  assert.deepEqual(await bench.depth(), { ready: 2, inFlight: 0, delayed: 0, blocked: 1, dead: 0 });
  assert.deepEqual(ns(await takeTurns(bench, 3)), [2, 4, 5]);
});
