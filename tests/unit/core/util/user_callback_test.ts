import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBackend } from "../../../../backends/memory/mod.ts";
import { defineRegistry } from "../../../../core/config/registry.ts";
import { createConsumer } from "../../../../core/consume/consumer.ts";
import { callSafely, settled } from "../../../../core/util/user_callback.ts";
import { retry } from "../../../../core/util/retry.ts";

const broken = () => new Error("the callback is broken");

/** Callbacks that fail in every way in which a function can. */
const FAILING: Readonly<Record<string, () => never>> = {
  "throws": () => {
    throw broken();
  },
  "rejects": (() => Promise.reject(broken())) as () => never,
  "rejects later": (async () => {
    await new Promise((resolve) => setTimeout(resolve));
    throw broken();
  }) as () => never,
  "rejects as another library's promise": (() => ({
    then: (_resolve: unknown, reject: (error: Error) => void) => reject(broken()),
  })) as unknown as () => never,
  "returns what throws when it is awaited": (() => ({
    get then() {
      throw broken();
    },
  })) as unknown as () => never,
};

/** A rejection that nobody handles ends the process, or fails the test, by then. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve));
}

for (const [how, callback] of Object.entries(FAILING)) {
  test(`callSafely survives a callback that ${how}`, async () => {
    callSafely(callback);
    await someTurns();
  });

  test(`defineRegistry survives onStep and warn that: ${how}`, async () => {
    const memory = () => Promise.resolve({ fromEnv: () => new MemoryBackend() });
    const registry = defineRegistry({ memory }, { onStep: callback, warn: callback });
    await using backend = await registry.load({});
    assert.ok(backend);
    await someTurns();
  });

  test(`QueueObserver may have methods that: ${how}`, async () => {
    const names = ["published", "delivered", "acked", "retried", "deadLettered", "leaseLost", "failed"];
    const observer = Object.fromEntries(names.map((name) => [name, callback]));
    await using backend = new MemoryBackend({ observer });
    await backend.publish("events", { n: 1 });
    const { acked } = await createConsumer({ handler: () => undefined, observer }).drain(backend, "events");
    assert.equal(acked, 1);
    await someTurns();
  });

  test(`ConsumerOptions.backoff may be a function that: ${how}`, async () => {
    await using backend = new MemoryBackend();
    await backend.publish("events", { n: 1 });
    const failures: string[] = [];
    const handler = () => Promise.reject(new Error("not now"));
    const observer = { failed: ({ error }: { error: Error }) => void failures.push(error.message) };
    const consumer = createConsumer({ handler, backoff: callback, random: () => 1, observer });
    assert.equal((await consumer.drain(backend, "events")).retried, 1);
    assert.equal(failures.length, 1, "the observer is told that the callback failed");
    await someTurns();
  });

  test(`retry survives an onRetry that ${how}`, async () => {
    let calls = 0;
    const fn = () => ++calls < 2 ? Promise.reject(new Error("not yet")) : "done";
    assert.equal(await retry(fn, { baseMs: 0, onRetry: callback }), "done");
    await someTurns();
  });
}

test("callSafely passes the arguments, and bears that there is no callback", () => {
  const seen: unknown[] = [];
  callSafely((...args: unknown[]) => void seen.push(...args), 1, "two");
  callSafely(undefined);
  assert.deepEqual(seen, [1, "two"]);
});

test("settled returns the value as it is", () => {
  const promise = Promise.reject(broken());
  for (const value of [7, "x", null, undefined, promise]) assert.equal(settled(value), value);
});
