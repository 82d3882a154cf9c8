import { test } from "node:test";
import assert from "node:assert/strict";
import type { QueueError } from "../../../../core/errors.ts";
import { attempts, MemoryBench as Bench, message, neverAborts, ns } from "../../../doubles/memory_bench.ts";

test("MemoryBroker delivers no expired message, waiting, delayed, retried or leased", async () => {
  const bench = new Bench();
  const dying = (n: number, delayMs = 0) => message({ n }, { ttlMs: 500, delayMs });
  await bench.send(dying(1), dying(2), dying(3), dying(4), dying(5, 400), dying(6, 600), message({ n: 7 }));
  const [inFlight, retried, released] = await bench.take(3);
  await bench.settle("retry", [retried!], "g", 300);
  await bench.settle("release", [released!]);
  assert.deepEqual(await bench.depth(), { ready: 3, inFlight: 1, delayed: 3, blocked: 0, dead: 0 });
  await bench.clock.advance(500);
  assert.deepEqual(await bench.depth(), { ready: 1, inFlight: 1, delayed: 0, blocked: 0, dead: 0 });
  assert.deepEqual(ns(await bench.take()), [7]);
  assert.deepEqual(await bench.settle("ack", [inFlight!]), [true]); // its handler had it in time
  await bench.clock.advance(10_000);
  assert.deepEqual(ns(await bench.take()), [7]);
  assert.deepEqual(ns(await bench.take(100, "late")), [7]);
});

test("MemoryBroker does not redeliver a message that expired while it was leased", async () => {
  for (const how of ["lease", "retry", "release", "later"]) {
    const bench = new Bench();
    await bench.send(message({ n: 1 }, { ttlMs: 500 }));
    const taken = await bench.take();
    await bench.clock.advance(500);
    if (how === "retry" || how === "release") await bench.settle(how, taken);
    else if (how === "later") await bench.settle("retry", taken, "g", 100);
    await bench.clock.advance(1_000);
    assert.deepEqual(await bench.take(), [], how);
    assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 }, how);
  }
});

test("MemoryBroker reports a duplicate while it knows the id, also after settlement", async () => {
  const bench = new Bench({ dedupWindowMs: 1_000 });
  const send = async (id: string) => (await bench.send(message({}, { id })))[0];
  assert.deepEqual(await send("a"), { outcome: "added" });
  await bench.settle("ack", await bench.take());
  assert.deepEqual(await send("a"), { outcome: "duplicate" });
  await bench.clock.advance(999);
  assert.deepEqual(await send("a"), { outcome: "duplicate" });
  await bench.clock.advance(1);
  assert.deepEqual(await send("a"), { outcome: "added" });
  assert.deepEqual((await bench.take()).length, 1);
});

test("MemoryBroker takes an id twice in a batch for a duplicate, on another key not", async () => {
  const bench = new Bench();
  const results = await bench.send(message({ n: 1 }, { id: "a" }), message({ n: 2 }, { id: "a" }));
  assert.deepEqual(results.map((one) => "outcome" in one && one.outcome), ["added", "duplicate"]);
  assert.deepEqual(await bench.driver.send("other", [message({}, { id: "a" })]), [{ outcome: "added" }]);
  assert.deepEqual(ns(await bench.take()), [1]);
});

test("MemoryBroker adds nothing when a batch is sent again after a lost reply", async () => {
  const bench = new Bench({ maxLength: 2 });
  const batch = [message({ n: 1 }), message({ n: 2 }, { id: "mine" }), message({ n: 3 })];
  const before = await bench.send(...batch);
  const codes = before.map((one) => "error" in one ? (one.error as QueueError).code : one.outcome);
  assert.deepEqual(codes, ["added", "added", "queue-full"]);
  assert.deepEqual(await bench.send(...batch), before);
  assert.deepEqual(ns(await bench.take()), [1, 2]);
});

test("MemoryBroker remembers a batch through a thousand later ones", async () => {
  const bench = new Bench();
  const batches = Array.from({ length: 2_000 }, (_, n) => [message({ n })]);
  for (const [n, batch] of batches.entries()) {
    await bench.send(...batch);
    if (n >= 1_000) assert.deepEqual(await bench.send(...batches[n - 1_000]!), [{ outcome: "added" }]);
  }
  assert.equal((await bench.depth()).ready, 2_000);
});

test("MemoryBroker refuses the newest when full, and accepts again after a settlement", async () => {
  const bench = new Bench({ maxLength: 2 });
  const results = await bench.send(
    message({ n: 1 }),
    message({ n: 2 }, { delayMs: 1_000 }),
    message({ n: 3 }, { id: "x" }),
  );
  const { error } = results[2] as { error: QueueError };
  assert.deepEqual([error.code, error.key], ["queue-full", "k"]);
  await bench.settle("ack", await bench.take());
  // What was refused was not added, so its id is free.
  assert.deepEqual(await bench.send(message({ n: 3 }, { id: "x" })), [{ outcome: "added" }]);
});

test("MemoryBroker with drop-oldest drops the oldest wherever it is", async () => {
  const bench = new Bench({ maxLength: 3, overflow: "drop-oldest" });
  await bench.publish(1, 2, 3);
  const [inFlight] = await bench.take(1);
  await bench.publish(4, 5);
  assert.deepEqual(await bench.settle("ack", [inFlight!]), [true]);
  assert.deepEqual(ns(await bench.take()), [3, 4, 5]);
  await bench.clock.advance(1_000);
  assert.deepEqual(ns(await bench.take()), [3, 4, 5]);
});

test("MemoryBroker keeps the length with drop-oldest and only delayed messages", async () => {
  const bench = new Bench({ maxLength: 2, overflow: "drop-oldest" });
  for (let n = 1; n <= 6; n++) await bench.send(message({ n }, { delayMs: 1_000 }));
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 0, delayed: 2, blocked: 0, dead: 0 });
  await bench.clock.advance(1_000);
  assert.deepEqual(ns(await bench.take()), [5, 6]);
  assert.deepEqual(await bench.depth(), { ready: 0, inFlight: 2, delayed: 0, blocked: 0, dead: 0 });
});

test("MemoryBroker keeps everything of a dead letter, and the next message flows", async () => {
  const bench = new Bench();
  const publishedAt = bench.clock.now();
  await bench.send(message({ n: 1 }, { id: "mine", headers: { h: "1" } }), message({ n: 2 }));
  const [first] = await bench.take(1);
  await bench.clock.advance(500);
  assert.deepEqual(await bench.settle("dead", [first!]), [true]);
  const [letter] = await bench.dead();
  assert.deepEqual({ ...letter, id: "?" }, {
    id: "?",
    messageId: "mine",
    key: "k",
    group: "g",
    payload: undefined,
    body: `{"n":1}`,
    headers: { h: "1" },
    attempts: 1,
    cause: { name: "Error", message: "poison" },
    publishedAt: new Date(publishedAt),
    diedAt: new Date(publishedAt + 500),
  });
  assert.deepEqual(ns(await bench.take()), [2]);
  assert.deepEqual(await bench.dead("another"), []);
});

test("MemoryBroker replays a message whole, to its group, at zero attempts, at the end", async () => {
  const bench = new Bench();
  await bench.publish(1, 2);
  await bench.take(100, "other");
  await bench.settle("dead", await bench.take(1));
  assert.equal(await bench.replay("other"), 0);
  assert.equal(await bench.replay(), 1);
  assert.deepEqual(await bench.depth(), { ready: 2, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
  const taken = await bench.take();
  assert.deepEqual([ns(taken), attempts(taken)], [[2, 1], [1, 1]]);
  assert.deepEqual(await bench.settle("ack", taken), [true, true]);
  await bench.clock.advance(5_000);
  const others = await bench.take(100, "other"); // its own leases, and nothing of the replay
  assert.deepEqual(ns(others), [1, 2]);
  await bench.settle("ack", others, "other");
  assert.deepEqual(await bench.take(100, "late"), []);
});

test("MemoryBroker pages dead letters, and purging during a listing skips none", async () => {
  const bench = new Bench();
  await bench.publish(...Array.from({ length: 250 }, (_, n) => n));
  await bench.settle("dead", await bench.take(1_000));
  assert.deepEqual(
    (await bench.dead()).map(({ body }) => JSON.parse(body).n),
    Array.from({ length: 250 }, (_, n) => n),
  );
  let seen = 0;
  let cursor: string | undefined;
  do {
    const query = { group: "g", ids: undefined, limit: Infinity };
    const page = await bench.driver.deadLetters.list("k", query, cursor, neverAborts());
    seen += page.letters.length;
    const ids = page.letters.map(({ id }) => id);
    assert.equal(await bench.driver.deadLetters.purge("k", { ...query, ids }, neverAborts()), ids.length);
    cursor = page.cursor;
  } while (cursor !== undefined);
  assert.deepEqual([seen, (await bench.depth()).dead], [250, 0]);
});

test("MemoryBroker replays and purges named letters up to the limit, and counts", async () => {
  const bench = new Bench();
  await bench.publish(1, 2, 3, 4);
  await bench.settle("dead", await bench.take());
  const ids = (await bench.dead()).map(({ id }) => id);
  assert.equal(await bench.replay("g", [ids[1]!, "no such id"]), 1);
  const query = { group: "g", ids: undefined, limit: 2 };
  assert.equal(await bench.driver.deadLetters.purge("k", query, neverAborts()), 2);
  assert.deepEqual((await bench.dead()).map(({ id }) => id), [ids[3]]);
  assert.deepEqual(ns(await bench.take()), [2]);
  assert.equal(await bench.driver.deadLetters.purge("no such key", query, neverAborts()), 0);
});
