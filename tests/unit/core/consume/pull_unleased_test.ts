import { test } from "node:test";
import assert from "node:assert/strict";
import { type ConsumerOptions, createConsumer } from "../../../../core/consume/consumer.ts";
import { type ConsumeError, PermanentError } from "../../../../core/errors.ts";
import type {
  ConsumeOptions,
  FailureCause,
  JsonObject,
  PublishReceipt,
  QueueBackend,
} from "../../../../core/protocol.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { hang } from "../../../doubles/scripted_driver.ts";

/** The smallest plugin: a list and a generator. Asking acknowledges, leaving gives back, the signal ends the wait. */
class ListBackend implements QueueBackend {
  readonly acked: unknown[] = [];
  readonly released: unknown[] = [];
  readonly waiting: JsonObject[];
  heedsSignal = true;
  #wake: (() => void) | undefined;

  constructor(...waiting: JsonObject[]) {
    this.waiting = waiting;
  }

  publish(_key: string, payload: JsonObject): Promise<PublishReceipt> {
    this.waiting.push(payload);
    this.#wake?.();
    return Promise.resolve({ id: "1", outcome: "added" });
  }

  async *consume(_key: string, { signal, stopWhenEmpty }: ConsumeOptions = {}): AsyncGenerator<JsonObject, undefined> {
    for (;;) {
      if (this.heedsSignal && signal?.aborted) return;
      const payload = this.waiting.shift();
      if (payload === undefined) {
        if (stopWhenEmpty) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (this.heedsSignal) signal?.addEventListener("abort", () => resolve(), { once: true });
        });
        continue;
      }
      let asked = false;
      try {
        yield payload;
        asked = true;
        this.acked.push(payload.n);
      } finally {
        if (!asked) this.released.push(payload.n);
      }
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function setUp(options: Partial<ConsumerOptions>, ...waiting: JsonObject[]) {
  const clock = new HandClock();
  const backend = new ListBackend(...waiting);
  const consumer = createConsumer({ clock, random: () => 0.5, handler: () => undefined, ...options });
  return { clock, backend, consumer };
}

test("pullPayloads handles one by one, and acknowledges by asking for the next", async () => {
  const seen: unknown[] = [];
  const { backend, consumer } = setUp(
    {
      handler: async (delivery) => {
        const { id, key, attempts, payload, headers, publishedAt } = delivery;
        seen.push([id, key, attempts, payload.n, headers, publishedAt, [...backend.acked]]);
        assert.equal(await delivery.ack(), true);
        for (const refused of [delivery.retry(), delivery.deadLetter("x"), delivery.extend(1)]) {
          await assert.rejects(refused, (error: ConsumeError) => error.code === "unsupported");
        }
      },
    },
    { n: 1 },
    { n: 2 },
  );
  assert.deepEqual(await consumer.drain(backend, "k"), { acked: 2, retried: 0, deadLettered: 0, lost: 0 });
  assert.deepEqual(seen, [["1", "k", 1, 1, {}, undefined, []], ["2", "k", 1, 2, {}, undefined, [1]]]);
  assert.deepEqual([backend.acked, backend.released], [[1, 2], []]);
});

test("pullPayloads retries in place after a wait, then gives the sink the cause", async () => {
  const attempts: number[] = [];
  const dead: FailureCause[] = [];
  const { backend, consumer, clock } = setUp({
    maxAttempts: 3,
    handler: (delivery) => {
      attempts.push(delivery.attempts);
      throw new RangeError("fails");
    },
    deadLetter: (_delivery, cause) => Promise.resolve(dead.push(cause)),
  }, { n: 1 });
  const draining = consumer.drain(backend, "k");
  await turn();
  assert.deepEqual([attempts, clock.waits()[0]], [[1], 500]);
  await clock.advance(500);
  assert.deepEqual([attempts, clock.waits()[0]], [[1, 2], 1_000]);
  await clock.advance(1_000);
  assert.deepEqual(await draining, { acked: 0, retried: 2, deadLettered: 1, lost: 0 });
  assert.deepEqual([attempts, dead], [[1, 2, 3], [{ name: "RangeError", message: "fails" }]]);
  assert.deepEqual([backend.acked, clock.waits()], [[1], []]);
});

test("pullPayloads keeps a message when the sink fails, and asks the sink again", async () => {
  let asked = 0;
  const told: string[] = [];
  const { backend, consumer, clock } = setUp({
    maxAttempts: 1,
    backoff: () => NaN,
    handler: () => {
      throw new RangeError("fails");
    },
    deadLetter: () => ++asked < 3 ? Promise.reject(new Error("the sink is down")) : Promise.resolve(),
    observer: { failed: ({ error }) => void told.push((error.cause as Error).message) },
  }, { n: 1 });
  const draining = consumer.drain(backend, "k");
  await turn();
  assert.deepEqual([asked, backend.acked, clock.waits()[0]], [1, [], 500]);
  await clock.advance(500);
  assert.deepEqual([asked, backend.acked, clock.waits()[0]], [2, [], 1_000]);
  await clock.advance(1_000);
  assert.deepEqual(await draining, { acked: 0, retried: 2, deadLettered: 1, lost: 0 });
  assert.deepEqual([backend.acked, told], [[1], ["the sink is down", "the sink is down"]]);
});

test("pullPayloads ends the run before it loses a message without a sink", async () => {
  const { backend, consumer } = setUp(
    {
      handler: () => {
        throw new PermanentError("poison");
      },
    },
    { n: 1 },
    { n: 2 },
  );
  await assert.rejects(consumer.run(backend, "k"), (error: ConsumeError) => {
    assert.deepEqual([error.name, error.code, (error.cause as Error).message], [
      "ConsumeError",
      "unsupported",
      "poison",
    ]);
    return /createConsumer has no deadLetter$/.test(error.message);
  });
  assert.deepEqual([backend.acked, backend.released, backend.waiting], [[], [1], [{ n: 2 }]]);
});

test("pullPayloads lets a handler finish on abort, acknowledges it, and takes no more", async () => {
  for (const heedsSignal of [true, false]) {
    const controller = new AbortController();
    let finish = () => {};
    const { backend, consumer } = setUp({ handler: () => new Promise<void>((resolve) => finish = resolve) }, { n: 1 }, {
      n: 2,
    });
    backend.heedsSignal = heedsSignal;
    const run = consumer.run(backend, "k", { signal: controller.signal });
    await turn();
    controller.abort();
    await turn();
    assert.deepEqual([backend.acked, backend.released], [[], []], "it was given to another while its handler ran");
    finish();
    assert.deepEqual(await run, { acked: 1, retried: 0, deadLettered: 0, lost: 0 });
    // One that goes on handing out gets it back.
    assert.deepEqual([backend.acked, backend.released], heedsSignal ? [[1], []] : [[1], [2]]);
  }
});

test("pullPayloads ends on an abort while it waits", async () => {
  const controller = new AbortController();
  const { backend, consumer } = setUp({});
  const run = consumer.run(backend, "k", { signal: controller.signal });
  await turn();
  controller.abort();
  assert.deepEqual(await run, { acked: 0, retried: 0, deadLettered: 0, lost: 0 });
});

test("pullPayloads gives the message back on an abort between two attempts", async () => {
  const controller = new AbortController();
  const { backend, consumer, clock } = setUp({
    handler: () => {
      throw new Error("fails");
    },
  }, { n: 1 });
  const run = consumer.run(backend, "k", { signal: controller.signal });
  await turn();
  assert.equal(clock.waits().length, 1);
  controller.abort();
  assert.deepEqual(await run, { acked: 0, retried: 1, deadLettered: 0, lost: 0 });
  assert.deepEqual([backend.acked, backend.released, clock.waits()], [[], [1], []]);
});

test("pullPayloads returns at the deadline of drain though its handler does not", async () => {
  let reason: Error | undefined;
  const { backend, consumer, clock } = setUp({
    handler: ({ signal }) => {
      signal.addEventListener("abort", () => reason ??= signal.reason);
      return hang();
    },
  }, { n: 1 });
  const draining = consumer.drain(backend, "k", { deadlineMs: 5_000 });
  await clock.advance(5_000);
  assert.deepEqual(await draining, { acked: 0, retried: 0, deadLettered: 0, lost: 0 });
  await turn();
  assert.ok(reason);
  assert.deepEqual([backend.acked, backend.released, clock.waits()], [[], [1], []]);
});

test("pullPayloads returns at the deadline of drain though the backend waits forever", async () => {
  const { backend, consumer, clock } = setUp({});
  backend.heedsSignal = false;
  backend.consume = () => ({
    next: hang,
    return: () => Promise.reject(new Error("refused")),
    [Symbol.asyncIterator]() {
      return this;
    },
  } as unknown as AsyncGenerator<JsonObject, undefined>);
  const draining = consumer.drain(backend, "k", { deadlineMs: 5_000 });
  await clock.advance(5_000);
  assert.deepEqual(await draining, { acked: 0, retried: 0, deadLettered: 0, lost: 0 });
  await turn(); // no unhandled rejection
  assert.deepEqual(clock.waits(), []);
});

test("pullPayloads ends the run with the error of the backend", async () => {
  const { backend, consumer } = setUp({});
  backend.consume = async function* () {
    yield { n: 1 };
    throw new Error("the plugin broke");
  };
  await assert.rejects(consumer.run(backend, "k"), /the plugin broke/);
});

test("pullPayloads applies the time limit and reports to the observer", async () => {
  const told: string[] = [];
  const { backend, consumer, clock } = setUp({
    timeoutMs: 700,
    maxAttempts: 2,
    handler: ({ attempts }) => attempts === 1 ? hang() : undefined,
    observer: {
      delivered: ({ key, attempts }) => void told.push(`delivered ${key} ${attempts}`),
      retried: ({ durationMs }) => void told.push(`retried ${durationMs}`),
      acked: ({ id, durationMs }) => void told.push(`acked ${id} ${durationMs}`),
    },
  }, { n: 1 });
  const draining = consumer.drain(backend, "k");
  await clock.advance(700);
  await clock.advance(500);
  assert.deepEqual(await draining, { acked: 1, retried: 1, deadLettered: 0, lost: 0 });
  assert.deepEqual(told, ["delivered k 1", "retried 700", "delivered k 2", "acked 1 0"]);
});
