// not on workerd: keeps its messages in a file
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend } from "../../backends/sqlite/mod.ts";
import type { QueueError } from "../../core/errors.ts";
import { Connection, Folder, LEASE_MS, message, NEVER, numbers, TestQueue } from "./support/sqlite.ts";

test("SqliteTransport waits for a lock by timers alone, then rejects as unavailable", async () => {
  await using queue = new TestQueue();
  await queue.send([message(0)]);
  const other = new DatabaseSync(queue.path);
  other.exec("begin immediate");
  const sending = queue.send([message(1)]).then(() => assert.fail("it must reject"), (error: QueueError) => error);
  assert.ok(queue.clock.waits().length > 0 || (await Promise.resolve(), true), "it waits by timers");
  await queue.clock.advance(60_000);
  const error = await sending;
  assert.equal(error.code, "unavailable");
  assert.equal(error.retryable, true);
  other.exec("rollback");
  other.close();
  assert.deepEqual(await queue.send([message(2)]), ["added"]);
  assert.deepEqual(await queue.take(), [0, 2]);
});

test("SqliteBackend never says unknown-outcome of a publish that a lock kept out", async () => {
  using folder = new Folder();
  const path = folder.file();
  await using backend = new SqliteBackend({ path });
  await backend.publish("orders", { n: 1 });
  const other = new DatabaseSync(path);
  other.exec("begin immediate");
  for (const timeoutMs of [1, 50, 400]) {
    await assert.rejects(
      backend.publish("orders", { n: 2 }, { timeoutMs }),
      { code: "unavailable" },
      `${timeoutMs} ms`,
    );
  }
  const reader = backend.receive("orders");
  const waiting = reader.next();
  other.exec("rollback");
  other.close();
  const { value: delivery } = await waiting;
  assert.deepEqual(delivery.payload, { n: 1 });
  await delivery.ack();
  await reader.return?.();
});

test("SqliteTransport gives space back to the disk while nothing happens", async () => {
  await using queue = new TestQueue();
  const body = JSON.stringify({ n: 0, text: "x".repeat(1_000) });
  for (let i = 0; i < 20; i++) await queue.send(Array.from({ length: 500 }, (_, n) => message(n, { body })));
  for (let got = 500; got === 500;) {
    const some = await queue.receive(500);
    got = some.length;
    await queue.settle(some);
  }
  const db = new DatabaseSync(queue.path);
  db.exec("pragma wal_checkpoint(truncate)");
  db.close();
  const full = statSync(queue.path).size;
  const stop = new AbortController();
  const waiting = queue.driver.receive!("slack_events", {
    group: "bots",
    max: 1,
    leaseMs: LEASE_MS,
    waitMs: 600_000,
    signal: stop.signal,
  });
  for (let i = 0; i < 60; i++) await queue.clock.advance(1_000);
  stop.abort();
  await waiting;
  const left = statSync(queue.path).size;
  assert.ok(full > 10_000_000 && left < 2_000_000, `${full} bytes before, ${left} after`);
});

test("SqliteTransport keeps its file from growing under a steady load", async () => {
  await using queue = new TestQueue();
  const body = JSON.stringify({ n: 0, text: "x".repeat(1_000) });
  const sizes: number[] = [];
  for (let round = 0; round < 60; round++) {
    await queue.send(Array.from({ length: 200 }, (_, n) => message(n, { body })));
    await queue.settle(await queue.receive(200));
    sizes.push(statSync(queue.path).size + statSync(`${queue.path}-wal`).size);
  }
  const [early, late] = [Math.max(...sizes.slice(0, 30)), Math.max(...sizes.slice(30))];
  assert.ok(late <= early * 1.25, `${early} bytes in the first half, ${late} in the second`);
});

test("Bell wakes a consumer on another connection while its clock stands still", async () => {
  await using queue = new TestQueue();
  const other = queue.connect();
  await queue.take(); // the group is there
  const waiting = queue.driver.receive!("slack_events", {
    group: "bots",
    max: 1,
    leaseMs: LEASE_MS,
    waitMs: 30_000,
    signal: NEVER,
  });
  await other.send([message(1)]);
  assert.deepEqual(numbers(await waiting), [1]);
});

test("SqliteTransport looks by itself where nothing can be watched", async () => {
  using folder = new Folder();
  const path = folder.file();
  await using queue = new TestQueue({ path });
  const other = new Connection({ path });
  await queue.take();
  await other.take();
  rmSync(`${path}-bell`);
  mkdirSync(`${path}-bell`); // nothing can be written into it
  const waiting = queue.driver.receive!("slack_events", {
    group: "bots",
    max: 1,
    leaseMs: LEASE_MS,
    waitMs: 30_000,
    signal: NEVER,
  });
  await queue.clock.flush();
  await other.send([message(1)]);
  await queue.clock.advance(1_000);
  assert.deepEqual(numbers(await waiting), [1]);
  await other.driver.close();
});

/** Mounts a disk of a size in bytes; `undefined` where this process may not mount one. */
function smallDisk(bytes: number): (Folder & { unmount(): void }) | undefined {
  const folder = new Folder();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder.path]).status === 0;
  if (mounted) return Object.assign(folder, { unmount: () => void spawnSync("umount", [folder.path]) });
  folder[Symbol.dispose]();
  return undefined;
}

/** Whether this process may mount a disk at all. */
function mayMount(): boolean {
  const disk = smallDisk(100_000);
  disk?.unmount();
  disk?.[Symbol.dispose]();
  return disk !== undefined;
}

test(
  "SqliteBackend refuses publishes on a full disk, and loses nothing",
  { skip: !mayMount() && "this process may not mount a small disk" },
  async () => {
    const disk = smallDisk(3_000_000)!;
    const path = disk.file();
    try {
      await using backend = new SqliteBackend({ path, maxRetries: 1, retryDelayMs: 1 });
      const confirmed: number[] = [];
      let refused: QueueError | undefined;
      for (let n = 0; refused === undefined; n++) {
        await backend.publish("orders", { n, text: "x".repeat(10_000) })
          .then(() => confirmed.push(n), (error: QueueError) => refused = error);
      }
      assert.equal(refused.code, "queue-full");
      assert.match(refused.message, /the disk is full/);
      const seen: unknown[] = [];
      for await (const { n } of backend.consume("orders", { stopWhenEmpty: true })) seen.push(n);
      assert.deepEqual(seen, confirmed);
      await backend.publish("orders", { n: -1 });
    } finally {
      disk.unmount();
      disk[Symbol.dispose]();
    }
  },
);
