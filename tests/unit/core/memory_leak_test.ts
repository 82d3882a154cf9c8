// not on workerd: it collects garbage when it likes, and does not tell how much memory is in use
import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import v8 from "node:v8";
import vm from "node:vm";
import { MemoryBackend, type MemoryOptions } from "../../../backends/memory/mod.ts";
import { createBackend } from "../../../core/backend.ts";
import type { JsonObject } from "../../../core/protocol.ts";
import { HandClock, turn } from "../../doubles/hand_clock.ts";
import { ScriptedDriver } from "../../doubles/scripted_driver.ts";

v8.setFlagsFromString("--expose-gc");
const { Bun } = globalThis as { Bun?: { gc(now: true): void } };
const collect: () => void = Bun ? () => Bun.gc(true) : vm.runInNewContext("gc");

/** Of about a kilobyte, and 10 MB all together: what is kept is seen. */
const MESSAGES = 10_000;
const LIMIT_MB = 3;

function payload(n: number): JsonObject {
  return { n, list: Array.from({ length: 100 }, (_, i) => i + 0.5) };
}

/** Megabytes that the heap has grown by, once the garbage is gone. */
async function grown(work: () => Promise<void>): Promise<number> {
  const used = async () => {
    await turn();
    collect();
    await turn();
    collect();
    return process.memoryUsage().heapUsed / 2 ** 20;
  };
  const before = await used();
  await work();
  return await used() - before;
}

async function assertFlat(work: () => Promise<void>): Promise<void> {
  const megabytes = await grown(work);
  assert.ok(megabytes < LIMIT_MB, `the heap has grown by ${megabytes.toFixed(1)} MB`);
}

function setUp(options: MemoryOptions = {}): { backend: MemoryBackend; clock: HandClock } {
  const clock = new HandClock();
  return { clock, backend: new MemoryBackend({ clock, ...options }) };
}

async function publish(backend: MemoryBackend, count: number): Promise<void> {
  for (let n = 0; n < count; n += 100) {
    await backend.publishBatch("k", Array.from({ length: 100 }, (_, i) => ({ payload: payload(n + i) })));
  }
}

/** Publishes and settles, a hundred at a time. */
async function pass(backend: MemoryBackend, count: number, group?: string): Promise<void> {
  for (let n = 0; n < count; n += 100) {
    await publish(backend, 100);
    for await (const _ of backend.consume("k", { group, stopWhenEmpty: true }));
  }
}

async function first(backend: MemoryBackend) {
  const { value } = await backend.receive("k", { prefetch: 1, leaseMs: 1e9 }).next();
  return value!;
}

test("The measure of memory sees what is kept", async () => {
  const { backend } = setUp();
  assert.ok(await grown(() => publish(backend, MESSAGES)) > LIMIT_MB);
  await assertFlat(async () => {
    for await (const _ of backend.consume("k", { stopWhenEmpty: true }));
  });
});

test("MemoryBroker drops later messages although a dead letter stays", async () => {
  const { backend } = setUp();
  await publish(backend, 100);
  await (await first(backend)).deadLetter("poison");
  await assertFlat(() => pass(backend, MESSAGES));
  assert.equal((await backend.depth("k")).dead, 1);
});

test("MemoryBroker frees settled messages behind a leased or delayed one", async () => {
  const { backend } = setUp();
  await publish(backend, 100);
  await first(backend);
  await (await first(backend)).retry({ delayMs: 1e9 });
  await assertFlat(() => pass(backend, MESSAGES));
  const { inFlight, delayed } = await backend.depth("k");
  assert.deepEqual([inFlight, delayed], [1, 1]);
});

test("MemoryBroker frees expired messages of a group without consumers", async () => {
  const { backend, clock } = setUp({ messageTtlMs: 1_000 });
  await backend.publish("k", payload(0));
  await (await first(backend)).ack(); // the group stands behind a message that is gone
  await assertFlat(async () => {
    for (let n = 0; n < MESSAGES; n += 1_000) {
      await publish(backend, 1_000);
      await clock.advance(1_000);
    }
    await backend.depth("k");
  });
});

test("MemoryBroker frees dropped messages of a group without consumers", async () => {
  const { backend } = setUp({ maxLength: 100, overflow: "drop-oldest" });
  await publish(backend, 100);
  await (await first(backend)).retry({ delayMs: 1e9 });
  await assertFlat(() => publish(backend, MESSAGES));
});

test("MemoryBroker frees a retried message that was dropped before its delay is over", async () => {
  const { backend } = setUp({ maxLength: 100, overflow: "drop-oldest" });
  await assertFlat(async () => {
    for (let n = 0; n < MESSAGES; n += 100) {
      await publish(backend, 100);
      for await (const delivery of backend.receive("k", { stopWhenEmpty: true })) {
        await delivery.retry({ delayMs: 1e9 });
      }
    }
  });
});

test("MemoryBroker frees delayed messages that were dropped before they are due", async () => {
  const { backend } = setUp({ maxLength: 100, overflow: "drop-oldest" });
  await assertFlat(async () => {
    for (let n = 0; n < MESSAGES; n += 100) {
      const messages = Array.from({ length: 100 }, (_, i) => ({ payload: payload(n + i), delayMs: 1e9 }));
      await backend.publishBatch("k", messages);
    }
  });
});

test("MemoryBroker frees a settled message before its time to live is over", async () => {
  const { backend } = setUp({ messageTtlMs: 1e9 });
  await assertFlat(() => pass(backend, MESSAGES));
});

test("MemoryBroker frees what expires behind a leased message of its ordering key", async () => {
  const { backend, clock } = setUp();
  await backend.publish("k", payload(0), { orderingKey: "a" });
  await first(backend);
  await assertFlat(async () => {
    for (let n = 0; n < MESSAGES; n += 100) {
      const messages = Array.from(
        { length: 100 },
        (_, i) => ({ payload: payload(n + i), orderingKey: "a", ttlMs: 10 }),
      );
      await backend.publishBatch("k", messages);
      for await (const _ of backend.receive("k", { stopWhenEmpty: true })) assert.fail("it waits");
      await clock.advance(10);
      await backend.depth("k");
    }
  });
  assert.deepEqual(await backend.depth("k"), { ready: 0, inFlight: 1, delayed: 0, blocked: 0, dead: 0 });
});

test("MemoryBroker keeps nothing of ordering keys whose messages are settled or gone", async () => {
  const { backend, clock } = setUp();
  await backend.publish("k", payload(0));
  await first(backend);
  await assertFlat(async () => {
    for (let n = 0; n < 40_000; n += 100) {
      const ttlMs = n % 200 === 0 ? 10 : undefined;
      const messages = Array.from({ length: 100 }, (_, i) => ({ payload: { n }, orderingKey: `key ${n + i}`, ttlMs }));
      await backend.publishBatch("k", messages);
      for await (const delivery of backend.receive("k", { stopWhenEmpty: true })) {
        if (n % 400 < 200) await delivery.ack();
        else await delivery.retry({ delayMs: 5 });
      }
      await clock.advance(10);
    }
    for await (const delivery of backend.receive("k", { stopWhenEmpty: true })) await delivery.ack();
  });
  assert.deepEqual(await backend.depth("k"), { ready: 0, inFlight: 1, delayed: 0, blocked: 0, dead: 0 });
});

test("Subscription of a busy consumer keeps no delivery that it handed out", async () => {
  const { backend } = setUp();
  await publish(backend, MESSAGES);
  await backend.publish("k", { last: true });
  const deliveries = backend.receive("k", { prefetch: 50 });
  assert.ok(
    await grown(async () => {
      for (let n = 0; n < MESSAGES; n++) {
        await (await deliveries.next()).value!.ack();
        if (n % 20 === 0) await turn(); // the next are there before these are used up
      }
    }) < 0,
  );
  await deliveries.return!();
});

test("PortableBackend keeps nothing of keys that are no longer used", async () => {
  const driver = new ScriptedDriver();
  const backend = createBackend(driver);
  await assertFlat(async () => {
    for (let n = 0; n < MESSAGES; n++) {
      await backend.publish(`key ${n}`, payload(n));
      driver.sent.length = 0;
    }
  });
});

test("PortableBackend keeps nothing of consumers that have ended, however they ended", async () => {
  const driver = new ScriptedDriver();
  const backend = createBackend(driver);
  const { signal } = new AbortController();
  const list = payload(0);
  await assertFlat(async () => {
    for (let n = 0; n < 3_000; n++) {
      driver.put(JSON.stringify(list));
      for await (const _ of backend.consume(`key ${n}`, { signal })) break;
      for await (const _ of backend.receive(`key ${n}`, { signal: AbortSignal.abort() }));
      for await (const _ of backend.receive(`key ${n}`, { signal, stopWhenEmpty: true }));
      driver.settled.length = driver.asked.length = 0;
    }
  });
});
