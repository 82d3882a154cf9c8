import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend, MemoryBroker } from "../../../../backends/memory/mod.ts";
import { createConsumer, type TurnHandler } from "../../../../core/consume/consumer.ts";
import { PermanentError, type QueueError } from "../../../../core/errors.ts";
import type { Delivery } from "../../../../core/protocol.ts";
import { FakeClock } from "../../../../testing/mod.ts";
import { createBackend } from "../../../../core/backend.ts";
import { ListBroker, ListDriver } from "../../../doubles/list_driver.ts";

const KEY = "slack_events";

function ns(deliveries: readonly Delivery[]): unknown[] {
  return deliveries.map(({ payload }) => payload.n);
}

async function publish(backend: MemoryBackend, orderingKey: string | undefined, ...numbers: number[]): Promise<void> {
  for (const n of numbers) await backend.publish(KEY, { n }, { ...orderingKey !== undefined && { orderingKey } });
}

test("createConsumer with gather hands over what waits of one ordering key together", async () => {
  await using backend = new MemoryBackend();
  await publish(backend, "a", 1, 2, 3);
  await publish(backend, undefined, 4, 5);
  await publish(backend, "b", 6);
  await publish(backend, "a", 7);
  const turns: unknown[][] = [];
  const consumer = createConsumer({ gather: {}, handler: (deliveries) => void turns.push(ns(deliveries)) });
  const { acked } = await consumer.drain(backend, KEY);
  assert.equal(acked, 7);
  assert.deepEqual(turns.toSorted((a, b) => Number(a[0]) - Number(b[0])), [[1, 2, 3, 7], [4], [5], [6]]);
});

test("createConsumer with gather makes turns of at most `max`, each message in one", async () => {
  await using backend = new MemoryBackend();
  await publish(backend, "a", ...Array.from({ length: 25 }, (_, n) => n));
  const turns: number[] = [];
  const seen: unknown[] = [];
  const consumer = createConsumer({
    gather: { max: 10 },
    handler: (deliveries) => {
      turns.push(deliveries.length);
      seen.push(...ns(deliveries));
    },
  });
  await consumer.drain(backend, KEY);
  assert.deepEqual(turns, [10, 10, 5]);
  assert.deepEqual(seen, Array.from({ length: 25 }, (_, n) => n));
});

test("createConsumer with gather puts late messages into the next turn", async () => {
  await using backend = new MemoryBackend();
  await publish(backend, "a", 1);
  const turns: unknown[][] = [];
  const stop = new AbortController();
  const consumer = createConsumer({
    gather: {},
    handler: async (deliveries) => {
      turns.push(ns(deliveries));
      if (turns.length === 1) await publish(backend, "a", 2, 3);
      else stop.abort();
    },
  });
  await consumer.run(backend, KEY, { signal: stop.signal });
  assert.deepEqual(turns, [[1], [2, 3]]);
});

test("createConsumer with gather retries a failed turn's unsettled rest in order", async () => {
  await using backend = new MemoryBackend();
  await publish(backend, "a", 1, 2, 3);
  const turns: unknown[][] = [];
  const handler: TurnHandler = async (deliveries) => {
    turns.push(ns(deliveries));
    if (turns.length > 1) return;
    await deliveries[0]!.ack();
    throw new Error("not now");
  };
  const consumer = createConsumer({ gather: {}, handler, backoff: { baseMs: 0 } });
  const { acked, retried } = await consumer.drain(backend, KEY);
  assert.deepEqual(turns, [[1, 2, 3], [2, 3]]);
  assert.deepEqual([acked, retried], [3, 2]);
});

test("createConsumer with gather gives a poison turn up, each message with the cause", async () => {
  await using backend = new MemoryBackend();
  await publish(backend, "a", 1, 2);
  const consumer = createConsumer({
    gather: {},
    handler: () => {
      throw new PermanentError("no such channel");
    },
  });
  assert.equal((await consumer.drain(backend, KEY)).deadLettered, 2);
  const causes: string[] = [];
  for await (const { cause } of backend.deadLetters.list(KEY)) causes.push(cause.message);
  assert.deepEqual(causes, ["no such channel", "no such channel"]);
});

test("createConsumer with gather hands over a conversation once it is quiet", async () => {
  const clock = new FakeClock();
  const broker = new MemoryBroker({ clock });
  await using backend = new MemoryBackend({ broker, clock });
  const turns: { readonly ns: unknown[]; readonly at: number }[] = [];
  const stop = new AbortController();
  const startedAt = clock.now();
  const consumer = createConsumer({
    gather: { quietMs: 1_000 },
    clock,
    handler: (deliveries) => {
      turns.push({ ns: ns(deliveries), at: clock.now() - startedAt });
      assert.deepEqual(deliveries.map(({ attempts }) => attempts), deliveries.map(() => 1));
    },
  });
  const running = consumer.run(backend, KEY, { signal: stop.signal });
  await publish(backend, "a", 1);
  await clock.advance(600);
  await publish(backend, "a", 2);
  await clock.advance(600);
  await publish(backend, "b", 9);
  await clock.advance(10_000);
  stop.abort();
  await running;
  assert.deepEqual(turns.map((turn) => turn.ns).toSorted(), [[1, 2], [9]]);
  for (const { at } of turns) assert.ok(at >= 1_600, `a turn began after ${at} ms`);
});

test("createConsumer with gather gives back what waits for its turn when it is stopped", async () => {
  const clock = new FakeClock();
  const broker = new MemoryBroker({ clock });
  await using backend = new MemoryBackend({ broker, clock });
  await publish(backend, "a", 1, 2);
  const stop = new AbortController();
  const consumer = createConsumer({ gather: { quietMs: 60_000 }, clock, handler: () => assert.fail("it was stopped") });
  const running = consumer.run(backend, KEY, { signal: stop.signal });
  await clock.advance(100);
  assert.equal((await backend.depth(KEY)).inFlight, 2);
  stop.abort();
  await running;
  assert.deepEqual(await backend.depth(KEY), { ready: 1, inFlight: 0, delayed: 0, blocked: 1, dead: 0 });
});

test("createConsumer with gather is unsupported without any ordering", async () => {
  await using backend = createBackend(new ListDriver(new ListBroker()));
  const consumer = createConsumer({ gather: {}, handler: () => undefined });
  await assert.rejects(
    consumer.drain(backend, KEY),
    (error: QueueError) =>
      error.code === "unsupported" && /keeps no ordering keys; give .* orderBy/.test(error.message),
  );
  await assert.rejects(
    consumer.handleBatch({ queue: "q", messages: [] }),
    (error: QueueError) => error.code === "unsupported",
  );
});

test("createConsumer with orderBy runs one handler of a key, others beside it", async () => {
  await using backend = new MemoryBackend();
  for (let n = 0; n < 40; n++) await backend.publish(KEY, { n, channel: `C${n % 4}` });
  const running = new Map<string, number>();
  const order = new Map<string, number[]>();
  let [most, overlaps] = [0, 0];
  const consumer = createConsumer({
    orderBy: ({ payload }) => String(payload.channel),
    handler: async ({ payload }) => {
      const channel = String(payload.channel);
      if (running.has(channel)) overlaps += 1;
      running.set(channel, 1);
      most = Math.max(most, running.size);
      await new Promise((resolve) => setTimeout(resolve, 1));
      order.set(channel, [...order.get(channel) ?? [], Number(payload.n)]);
      running.delete(channel);
    },
  });
  assert.equal((await consumer.drain(backend, KEY)).acked, 40);
  assert.equal(overlaps, 0);
  assert.ok(most > 1, "different channels run side by side");
  for (const numbers of order.values()) assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
});

test("createConsumer with orderBy handles and reports a delivery where it fails", async () => {
  await using backend = new MemoryBackend();
  await publish(backend, undefined, 1, 2);
  const failures: string[] = [];
  const consumer = createConsumer({
    orderBy: ({ payload }) => {
      if (payload.n === 1) throw new Error("no channel");
      return 7 as unknown as string;
    },
    handler: () => undefined,
    observer: { failed: ({ error }) => failures.push(String(error.cause)) },
  });
  assert.equal((await consumer.drain(backend, KEY)).acked, 2);
  assert.deepEqual(failures, ["Error: no channel", "TypeError: orderBy must return a string"]);
});

test("createConsumer drains what waits behind an ordering key, too", async () => {
  await using backend = new MemoryBackend();
  await publish(backend, "a", 1, 2, 3, 4, 5);
  const seen: unknown[] = [];
  const consumer = createConsumer({ handler: async ({ payload }) => void seen.push(await Promise.resolve(payload.n)) });
  assert.equal((await consumer.drain(backend, KEY)).acked, 5);
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
});

test("createConsumer refuses wrong gather and orderBy options by name", () => {
  const handler = () => undefined;
  assert.throws(() => createConsumer({ handler, gather: { max: 0 } }), /max must be a whole number of at least 1/);
  assert.throws(() => createConsumer({ handler, gather: { quietMs: -1 } }), /quietMs must be/);
  assert.throws(
    () => createConsumer({ handler, orderBy: "channel" as unknown as () => string }),
    /orderBy must be a function/,
  );
  assert.throws(() => createConsumer({ gather: {} } as never), /handler must be a function/);
});
