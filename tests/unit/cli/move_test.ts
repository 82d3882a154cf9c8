// not on workerd: a command runs where there is a process
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBackend, MemoryBroker, MemoryDriver } from "../../../backends/memory/mod.ts";
import { move, type MoveOptions } from "../../../cli/move.ts";
import { createBackend } from "../../../core/backend.ts";
import type { QueueError } from "../../../core/errors.ts";
import type { JsonObject, LeasingBackend } from "../../../core/protocol.ts";
import { systemClock } from "../../../core/util/clock.ts";
import { alterDriver } from "../../../testing/mod.ts";

const KEY = "slack_events";

function options(more: Partial<MoveOptions> = {}): MoveOptions {
  return {
    group: "slack-mcp",
    leaseMs: 30_000,
    dropOrderingKeys: false,
    signal: new AbortController().signal,
    clock: systemClock,
    onMoved: () => undefined,
    ...more,
  };
}

function open(driver = new MemoryDriver()): LeasingBackend {
  return createBackend(driver, { closeDeadlineMs: 0 });
}

async function everything(backend: LeasingBackend, key = KEY): Promise<JsonObject[]> {
  const all: JsonObject[] = [];
  for await (const delivery of backend.receive(key, { stopWhenEmpty: true })) {
    const { id, payload, orderingKey, headers } = delivery;
    all.push({ id, n: payload.n!, ...orderingKey !== undefined && { orderingKey }, ...headers });
    await delivery.ack();
  }
  return all;
}

const to = (backend: LeasingBackend, key = KEY) => ({ backend, key });

test("move carries id, payload, headers and ordering key, in the order of the source", async () => {
  await using source = open();
  await using destination = open();
  const expected: JsonObject[] = [];
  for (let n = 0; n < 250; n++) {
    const orderingKey = n % 3 === 0 ? "a" : undefined;
    await source.publish(KEY, { n }, { id: `Ev${n}`, orderingKey, headers: { n: String(n) } });
    expected.push({ id: `Ev${n}`, ...orderingKey && { orderingKey }, n: String(n) });
  }
  const counts: number[] = [];
  const moved = await move(to(source), to(destination, "other"), options({ onMoved: (n) => counts.push(n) }));
  assert.deepEqual(moved, { moved: 250, duplicates: 0, lost: 0 });
  assert.equal(counts.at(-1), 250);
  const found = await everything(destination, "other");
  assert.deepEqual(found.filter(({ orderingKey }) => orderingKey), expected.filter(({ orderingKey }) => orderingKey));
  assert.deepEqual(found.length, 250);
  assert.deepEqual(await source.depth(KEY), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
});

test("move acknowledges nothing that the destination has not confirmed", async () => {
  await using source = open();
  const destination = new MemoryDriver();
  let sends = 0;
  await using refusing = open(alterDriver(destination, {
    send: (key, messages) =>
      ++sends === 2 ? Promise.reject(new Error("the disk is on fire")) : destination.send(key, messages),
  }) as MemoryDriver);
  for (let n = 0; n < 150; n++) await source.publish(KEY, { n });
  await assert.rejects(move(to(source), to(refusing), options()), /on fire/);
  await source.close();
  assert.equal((await refusing.depth(KEY)).ready, 100);
});

test("move started again finds what was published before to be duplicates", async () => {
  const broker = new MemoryBroker();
  await using destination = open();
  const killed = new MemoryBackend({ broker, closeDeadlineMs: 0 });
  for (let n = 0; n < 120; n++) await killed.publish(KEY, { n }, { id: `Ev${n}` });
  // A process that is killed after its first publish: its leases run out.
  const stuck: LeasingBackend = new Proxy(destination, {
    get: (target, name) => {
      if (name !== "publishBatch") return Reflect.get(target, name, target);
      return async (...args: Parameters<LeasingBackend["publishBatch"]>) => {
        await target.publishBatch(...args);
        return await new Promise(() => {});
      };
    },
  });
  void move(to(killed), to(stuck), options({ leaseMs: 300 }));
  while ((await destination.depth(KEY)).ready < 100) await new Promise((resolve) => setTimeout(resolve, 10));
  // Nothing renews its leases any more.
  void killed.close();
  await using source = new MemoryBackend({ broker, closeDeadlineMs: 0 });
  const moved = await move(to(source), to(destination), options({ leaseMs: 60_000 })); // loses none of its own
  assert.deepEqual(moved, { moved: 120, duplicates: 100, lost: 0 });
  assert.deepEqual((await everything(destination)).map(({ n }) => n), Array.from({ length: 120 }, (_, n) => n));
});

test("move names a message that the destination cannot carry, and leaves it", async () => {
  await using source = open();
  const memory = new MemoryDriver();
  const plain = () =>
    open(alterDriver(memory, { capabilities: { ...memory.capabilities, orderingKeys: false } }) as MemoryDriver);
  await source.publish(KEY, { n: 1 }, { id: "Ev1", orderingKey: "a" });
  await using destination = plain();
  await assert.rejects(move(to(source), to(destination), options()), (error: QueueError) => {
    return error.code === "unsupported" && /Cannot move message Ev1: .*--drop-ordering-keys/.test(error.message);
  });
});

test("move drops ordering keys where it is told to", async () => {
  await using source = open();
  const memory = new MemoryDriver();
  await using destination = open(
    alterDriver(memory, { capabilities: { ...memory.capabilities, orderingKeys: false } }) as MemoryDriver,
  );
  for (const n of [1, 2]) await source.publish(KEY, { n }, { orderingKey: "a" });
  const moved = await move(to(source), to(destination), options({ dropOrderingKeys: true }));
  assert.equal(moved.moved, 2);
  assert.deepEqual((await everything(destination)).map(({ n, orderingKey }) => [n, orderingKey]), [[1, undefined], [
    2,
    undefined,
  ]]);
});

test("move stops between two batches when it is interrupted, and gives back", async () => {
  await using source = open();
  await using destination = open();
  for (let n = 0; n < 500; n++) await source.publish(KEY, { n });
  const stop = new AbortController();
  const { moved } = await move(
    to(source),
    to(destination),
    options({ signal: stop.signal, onMoved: () => stop.abort() }),
  );
  assert.ok(moved < 500);
  assert.equal((await source.depth(KEY)).ready + moved, 500);
  assert.equal((await destination.depth(KEY)).ready, moved);
});
