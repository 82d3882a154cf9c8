// A wrong set-up is no fault of the messages: none of them may die of it.
import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend, MemoryBroker } from "../../../../backends/memory/mod.ts";
import { createBackend } from "../../../../core/backend.ts";
import { createConsumer } from "../../../../core/consume/consumer.ts";
import { ConfigError } from "../../../../core/errors.ts";
import type { FailureEvent } from "../../../../core/observer.ts";
import type { JsonObject, LeasingBackend, QueueBackend } from "../../../../core/protocol.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { ScriptedDriver } from "../../../doubles/scripted_driver.ts";

const KEY = "slack_events";
const QUARTER_HOUR_MS = 900_000;
const HOURS_A_DAY = 24;

const wrongSetup = () => Promise.reject(new ConfigError("API_TOKEN is not set"));

function setUp() {
  const clock = new HandClock();
  const broker = new MemoryBroker({ clock });
  const connect = () => new MemoryBackend({ broker, clock, leaseMs: 4 * QUARTER_HOUR_MS });
  return { clock, connect };
}

async function letters(backend: LeasingBackend): Promise<unknown[]> {
  return await Array.fromAsync(backend.deadLetters.list(KEY));
}

test("Consumer keeps a message with a ConfigError for days, and counts no attempt", async () => {
  const { clock, connect } = setUp();
  await using backend = connect();
  await backend.publish(KEY, { n: 1 });
  const attempts: number[] = [];
  const failed: FailureEvent[] = [];
  const stop = new AbortController();
  const running = createConsumer({
    clock,
    maxAttempts: 3,
    handler: (delivery) => {
      attempts.push(delivery.attempts);
      return wrongSetup();
    },
    observer: { failed: (event) => void failed.push(event) },
  }).run(backend, KEY, { signal: stop.signal });
  await turn();
  assert.deepEqual(attempts, [1]);
  // It is told at once, not when the wait is over.
  assert.deepEqual(failed.map(({ operation, error }) => [operation, error.code]), [["settle", "config"]]);
  assert.match(failed[0]!.error.message, /^Cannot handle a message: the set-up is wrong/);
  for (let hour = 0; hour < 3 * HOURS_A_DAY; hour++) await clock.advance(4 * QUARTER_HOUR_MS);
  assert.ok(attempts.length > 200, `tried ${attempts.length} times in three days`);
  assert.equal(Math.max(...attempts), 2);
  stop.abort();
  await running;
  assert.deepEqual(await letters(backend), []);
  // The process that starts with the right set-up gets it at once.
  await using after = connect();
  const handled: number[] = [];
  const fixed = createConsumer({ clock, maxAttempts: 3, handler: (delivery) => void handled.push(delivery.attempts) });
  assert.equal((await fixed.drain(after, KEY)).acked, 1);
  assert.deepEqual(handled, [2]);
});

test("Consumer handles other messages while those with a ConfigError wait", async () => {
  const { clock, connect } = setUp();
  await using backend = connect();
  for (let n = 0; n < 6; n++) await backend.publish(KEY, { n });
  const done: unknown[] = [];
  const stop = new AbortController();
  const handler = ({ payload }: { payload: JsonObject }) =>
    payload.n as number < 3 ? wrongSetup() : Promise.resolve(done.push(payload.n));
  const running = createConsumer({ clock, concurrency: 4, maxAttempts: 1, handler }).run(backend, KEY, {
    signal: stop.signal,
  });
  await clock.advance(1_000);
  assert.deepEqual(done, [3, 4, 5]);
  assert.equal((await backend.depth(KEY)).inFlight, 3);
  stop.abort();
  await running;
  const { ready, inFlight } = await backend.depth(KEY);
  assert.deepEqual([ready, inFlight, await letters(backend)], [3, 0, []]);
});

test("Consumer.drain gives back a message with a ConfigError at its deadline", async () => {
  const { clock, connect } = setUp();
  await using backend = connect();
  await backend.publish(KEY, { n: 1 });
  const draining = createConsumer({ clock, maxAttempts: 1, handler: wrongSetup }).drain(backend, KEY);
  await clock.advance(25_000);
  await draining;
  await turn();
  assert.deepEqual([(await backend.depth(KEY)).ready, await letters(backend)], [1, []]);
});

test("Consumer remembers a ConfigError where the backend counts each delivery", async () => {
  const clock = new HandClock();
  const driver = new ScriptedDriver({ capabilities: { release: false } });
  const backend = createBackend(driver, { clock });
  const consumer = createConsumer({ clock, maxAttempts: 2, handler: wrongSetup });
  for (const attempts of [1, 2, 3, 50]) {
    driver.put({ id: "a", body: "{}", attempts });
    assert.equal((await consumer.drain(backend, KEY)).retried, 1);
  }
  const kinds = driver.settled.flat().map((one) => one.kind === "retry" ? one.delayMs / QUARTER_HOUR_MS : one.kind);
  assert.deepEqual(kinds, [1, 2, 4, 96]);
  // Any other failure has the number of deliveries as its bound.
  driver.put({ id: "b", body: "{}", attempts: 3 });
  assert.equal((await consumer.drain(backend, KEY)).deadLettered, 1);
});

test("pullPayloads keeps a message with a ConfigError in place, and counts no attempt", async () => {
  const clock = new HandClock();
  const waiting: JsonObject[] = [{ n: 1 }];
  const backend: QueueBackend = {
    publish: () => assert.fail("published"),
    async *consume() {
      await turn();
      yield* waiting.splice(0);
    },
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  let calls = 0;
  const running = createConsumer({
    clock,
    maxAttempts: 2,
    handler: () => ++calls <= 6 ? wrongSetup() : undefined,
    deadLetter: () => assert.fail("given up"),
  }).run(backend, KEY);
  for (let hour = 0; hour < 3 * HOURS_A_DAY; hour++) await clock.advance(4 * QUARTER_HOUR_MS);
  assert.deepEqual(await running, { acked: 1, retried: 6, deadLettered: 0, lost: 0 });
});
