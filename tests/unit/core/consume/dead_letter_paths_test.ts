// Every way to the dead letters tells whoever observes, once, with the reason.
import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend, MemoryBroker, MemoryDriver } from "../../../../backends/memory/mod.ts";
import { createBackend } from "../../../../core/backend.ts";
import { type ConsumerOptions, createConsumer } from "../../../../core/consume/consumer.ts";
import { PermanentError } from "../../../../core/errors.ts";
import type { QueueObserver } from "../../../../core/observer.ts";
import type { Delivery, FailureCause, QueueBackend } from "../../../../core/protocol.ts";
import { alterDriver } from "../../../../testing/mod.ts";
import { pushed } from "../../../doubles/queue_binding.ts";

const KEY = "slack_events";

/** An observer that notes what went to the dead letters, and why. */
function watch() {
  const lines: string[] = [];
  const note = (name: string) => ({ reason }: { reason?: unknown }) => {
    lines.push(`${name}: ${(reason as FailureCause | undefined)?.message}`);
  };
  const observer: QueueObserver = { deadLettered: note("dead"), unreadable: note("unreadable") };
  return { lines, observer };
}

const UNREADABLE = `Cannot read a message of "${KEY}": the body is not JSON`;

/** How a message dies, and what must be told of it. */
const PATHS: Readonly<
  Record<string, {
    readonly reason: string;
    readonly options?: Partial<ConsumerOptions>;
    handler(delivery: Delivery): unknown;
  }>
> = {
  "its last attempt failed": {
    reason: "poison",
    options: { maxAttempts: 1 },
    handler: () => Promise.reject(new TypeError("poison")),
  },
  "its handler says that it is for good": {
    reason: "no such user",
    handler: () => Promise.reject(new PermanentError("no such user")),
  },
  "its handler has moved it there": {
    reason: "not for us",
    handler: (delivery) => delivery.deadLetter(new Error("not for us")),
  },
  "its handler has moved it there, and failed": {
    reason: "not for us",
    handler: async (delivery) => {
      await delivery.deadLetter(new Error("not for us"));
      throw new Error("afterwards");
    },
  },
  "its handler took too long": {
    reason: "Cannot finish the handler: it took longer than 1 ms",
    options: { maxAttempts: 1, timeoutMs: 1 },
    handler: () => new Promise(() => {}),
  },
};

for (const [how, { reason, options, handler }] of Object.entries(PATHS)) {
  test(`dead letters: ${how}: told once by each side`, async () => {
    const [ofBackend, ofConsumer] = [watch(), watch()];
    await using backend = new MemoryBackend({ observer: ofBackend.observer });
    await backend.publish(KEY, { n: 1 });
    const consumer = createConsumer({ handler, observer: ofConsumer.observer, ...options });
    assert.equal((await consumer.drain(backend, KEY)).deadLettered, 1);
    assert.deepEqual(ofBackend.lines, [`dead: ${reason}`]);
    assert.deepEqual(ofConsumer.lines, [`dead: ${reason}`]);
    assert.equal((await backend.depth(KEY)).dead, 1);
  });
}

test("dead letters: attempts used up before a handler ran are told, with the reason", async () => {
  const [ofBackend, ofConsumer] = [watch(), watch()];
  const broker = new MemoryBroker();
  const earlier = new MemoryBackend({ broker, closeDeadlineMs: 0 });
  await earlier.publish(KEY, { n: 1 });
  const deliveries = earlier.receive(KEY, { prefetch: 1 });
  for (let n = 0; n < 2; n++) await (await deliveries.next()).value!.retry();
  await earlier.close();
  await using backend = new MemoryBackend({ broker, observer: ofBackend.observer });
  let ran = 0;
  const consumer = createConsumer({ maxAttempts: 2, observer: ofConsumer.observer, handler: () => void ran++ });
  await consumer.drain(backend, KEY);
  const line = "dead: Cannot handle the message: it was delivered 2 times without success";
  assert.deepEqual([ran, ofBackend.lines, ofConsumer.lines], [0, [line], [line]]);
});

test("dead letters: a message that is no payload is told by its backend, in any loop", async () => {
  const loops: readonly ((backend: MemoryBackend) => Promise<unknown>)[] = [
    (backend) => createConsumer({ handler: () => undefined }).drain(backend, KEY),
    (backend) => backend.receive(KEY, { stopWhenEmpty: true }).next(),
    (backend) => backend.consume(KEY, { stopWhenEmpty: true }).next(),
  ];
  for (const loop of loops) {
    const broker = new MemoryBroker();
    const { lines, observer } = watch();
    await using backend = new MemoryBackend({ broker, observer });
    broker.inject(KEY, "no json");
    await loop(backend);
    await backend.close();
    assert.deepEqual(lines, [`unreadable: ${UNREADABLE}`, `dead: ${UNREADABLE}`]);
  }
});

test("dead letters: what a consumer's sink has taken is told by the consumer", async () => {
  const driver = new MemoryDriver();
  const kept: unknown[] = [];
  const { lines, observer } = watch();
  const capabilities = { ...driver.capabilities, deadLetters: false, replay: false };
  await using backend = createBackend(alterDriver(driver, { capabilities, deadLetters: undefined }));
  await backend.publish(KEY, { n: 1 });
  const consumer = createConsumer({
    maxAttempts: 1,
    observer,
    handler: () => Promise.reject(new Error("poison")),
    deadLetter: ({ payload }) => Promise.resolve(kept.push(payload.n)),
  });
  assert.equal((await consumer.drain(backend, KEY)).deadLettered, 1);
  assert.deepEqual([kept, lines], [[1], ["dead: poison"]]);
});

test("dead letters: without leases, what the sink has taken is told by the consumer", async () => {
  const queue = [{ n: 1 }];
  const backend: QueueBackend = {
    publish: () => Promise.reject(new Error("nobody publishes")),
    async *consume() {
      for (let next = queue.shift(); next; next = queue.shift()) yield await Promise.resolve(next);
    },
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const { lines, observer } = watch();
  const consumer = createConsumer({
    maxAttempts: 1,
    observer,
    handler: () => Promise.reject(new Error("poison")),
    deadLetter: () => Promise.resolve(),
  });
  await consumer.run(backend, KEY);
  assert.deepEqual(lines, ["dead: poison"]);
});

test("dead letters: a pushed message that dies is told by the consumer", async () => {
  const { lines, observer } = watch();
  const consumer = createConsumer({
    maxAttempts: 1,
    concurrency: 1,
    observer,
    handler: () => Promise.reject(new Error("poison")),
    deadLetter: () => Promise.resolve(),
  });
  const { batch } = pushed([{ body: { n: 1 } }, { body: "no object" }]);
  assert.equal((await consumer.handleBatch(batch)).deadLettered, 2);
  const unreadable = "The body must be a JSON object";
  assert.deepEqual(lines, ["dead: poison", `unreadable: ${unreadable}`, `dead: ${unreadable}`]);
});
