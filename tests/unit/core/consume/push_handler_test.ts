import { test } from "node:test";
import assert from "node:assert/strict";
import { createBatchHandler, createConsumer } from "../../../../core/consume/consumer.ts";
import { envelope } from "../../../../core/envelope.ts";
import { ConfigError, PermanentError } from "../../../../core/errors.ts";
import type { PushBatch, PushMessage } from "../../../../core/consume/push.ts";
import { HandClock } from "../../../doubles/hand_clock.ts";
import { pushed } from "../../../doubles/queue_binding.ts";

function batchOf(...messages: { readonly body: unknown; readonly attempts?: number }[]) {
  const calls: Record<string, unknown[]> = {};
  const batch: PushBatch = {
    queue: "slack-events",
    messages: messages.map(({ body, attempts = 1 }, index): PushMessage => {
      const seen: unknown[] = calls[`m${index}`] = [];
      return {
        id: `m${index}`,
        timestamp: new Date(0),
        body,
        attempts,
        ack: () => void seen.push("ack"),
        retry: (options) => void seen.push(["retry", options?.delaySeconds]),
      };
    }),
  };
  return { batch, calls };
}

test("handleBatch settles every message although the backoff returns nonsense", async () => {
  for (const wait of [NaN, -1, Infinity, 1e12]) {
    const { batch, calls } = batchOf({ body: { n: 0 } });
    const handler = () => {
      throw new Error("poison");
    };
    const consumer = createConsumer({ handler, backoff: () => wait, random: () => 0.5 });
    assert.deepEqual(await consumer.handleBatch(batch), { acked: 0, retried: 1, deadLettered: 0, lost: 0 });
    assert.deepEqual(calls, { m0: [["retry", wait === 1e12 ? 86_400 : 1]] });
  }
});

test("handleBatch handles the others when one message fails", async () => {
  const { batch, calls } = batchOf({ body: { n: 0 } }, { body: { n: 1 } }, { body: { n: 2 } });
  const consumer = createConsumer({
    handler: ({ payload }) => {
      if (payload.n === 1) throw new Error("poison");
    },
    backoff: () => 2500,
  });
  assert.deepEqual(await consumer.handleBatch(batch), { acked: 2, retried: 1, deadLettered: 0, lost: 0 });
  assert.deepEqual(calls, { m0: ["ack"], m1: [["retry", 3]], m2: ["ack"] });
});

test("handleBatch gives the last attempt and a PermanentError to the sink, then acks", async () => {
  const { batch, calls } = batchOf({ body: { n: 0 }, attempts: 3 }, { body: { n: 1 } }, { body: "no object" });
  const dead: unknown[] = [];
  const consumer = createConsumer({
    maxAttempts: 3,
    handler: ({ payload }) => {
      throw payload.n === 1 ? new PermanentError("no such user") : new TypeError("poison");
    },
    deadLetter: (delivery, cause, body) => Promise.resolve(dead.push([delivery.id, cause.name, cause.message, body])),
  });
  assert.equal((await consumer.handleBatch(batch)).deadLettered, 3);
  assert.deepEqual(dead.sort(), [
    ["m0", "TypeError", "poison", undefined],
    ["m1", "PermanentError", "no such user", undefined],
    ["m2", "ConsumeError", "The body must be a JSON object", "no object"],
  ]);
  assert.deepEqual(calls, { m0: ["ack"], m1: ["ack"], m2: ["ack"] });
});

test("handleBatch retries a message whose sink fails, and reports it", async () => {
  const { batch, calls } = batchOf({ body: { n: 0 } }, { body: { n: 1 } });
  const told: string[] = [];
  const consumer = createConsumer({
    handler: ({ payload }) => {
      if (payload.n === 0) throw new PermanentError("poison");
    },
    deadLetter: () => Promise.reject(new Error("sink is down")),
    observer: { failed: ({ operation, error }) => void told.push(`${operation} ${(error.cause as Error).message}`) },
  });
  assert.equal((await consumer.handleBatch(batch)).acked, 1);
  assert.deepEqual(calls, { m0: [["retry", undefined]], m1: ["ack"] });
  assert.deepEqual(told, ["settle sink is down"]);
});

test("handleBatch runs no more handlers at once than its concurrency", async () => {
  const { batch } = batchOf(...Array.from({ length: 20 }, (_, n) => ({ body: { n } })));
  let running = 0;
  let most = 0;
  const consumer = createConsumer({
    concurrency: 3,
    handler: async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 0)); // a turn: the others get their chance to begin
      running--;
    },
  });
  assert.equal((await consumer.handleBatch(batch)).acked, 20);
  assert.equal(most, 3);
});

test("handleBatch returns running and unstarted messages at its deadline", async () => {
  const { batch, calls } = batchOf({ body: { n: 0 } }, { body: { n: 1 } }, { body: { n: 2 } });
  const clock = new HandClock();
  const begun: unknown[] = [];
  const consumer = createConsumer({
    concurrency: 1,
    clock,
    handler: ({ payload, signal }) => {
      begun.push(payload.n);
      if (payload.n === 0) return;
      void clock.advance(1_000);
      // Never settles: it ignores the signal, and notes only that it came.
      return new Promise(() => signal.addEventListener("abort", () => begun.push("aborted")));
    },
  });
  const summary = await consumer.handleBatch(batch, { deadlineMs: 1000 });
  assert.deepEqual(summary, { acked: 1, retried: 2, deadLettered: 0, lost: 0 });
  assert.deepEqual(calls, { m0: ["ack"], m1: [["retry", 0]], m2: [["retry", 0]] });
  assert.deepEqual(begun, [0, 1, "aborted"]);
  assert.equal(clock.timers.size, 0);
});

test("handleBatch gives deliveries the key of its options, else the queue's name", async () => {
  const keys: string[] = [];
  const consumer = createConsumer({ handler: ({ key }) => void keys.push(key) });
  await consumer.handleBatch(batchOf({ body: {} }).batch, { key: "slack_events" });
  await consumer.handleBatch(batchOf({ body: {} }).batch);
  assert.deepEqual(keys, ["slack_events", "slack-events"]);
});

test("handleBatch retries a ConfigError with growing waits, gives nothing up and tells", async () => {
  const waits: unknown[] = [];
  const failed: unknown[] = [];
  for (const attempts of [1, 2, 5, 6, 7, 50]) {
    const reasons: unknown[] = [];
    const { batch, settled } = pushed([{ body: { n: 0 }, attempts }]);
    const summary = await createConsumer({
      handler: () => Promise.reject(new ConfigError("API_TOKEN is not set")),
      backoff: () => 0,
      deadLetter: () => assert.fail("given up"),
      observer: {
        retried: ({ reason }) => void reasons.push((reason as Error).message),
        failed: ({ error, failures }) => void failed.push([error.code, failures]),
      },
    }).handleBatch(batch);
    assert.equal(summary.retried, 1);
    assert.deepEqual(reasons, ["API_TOKEN is not set"]);
    waits.push(...settled.m0!);
  }
  assert.deepEqual(waits, [900, 1_800, 14_400, 28_800, 57_600, 86_400]);
  assert.deepEqual(failed, [1, 2, 5, 6, 7, 50].map((attempts) => ["config", attempts]));
});

test("handleBatch handles a message whose attempts a wrong set-up used up", async () => {
  const { batch, settled } = pushed([{ body: { n: 0 }, attempts: 9 }, { body: { n: 1 }, attempts: 9 }]);
  const dead: unknown[] = [];
  const consumer = createConsumer({
    maxAttempts: 5,
    handler: ({ payload }) => {
      if (payload.n === 1) throw new TypeError("poison");
    },
    deadLetter: ({ payload }, { message }) => Promise.resolve(dead.push([payload.n, message])),
  });
  assert.deepEqual(await consumer.handleBatch(batch), { acked: 1, retried: 0, deadLettered: 1, lost: 0 });
  assert.deepEqual([settled, dead], [{ m0: ["ack"], m1: ["ack"] }, [[1, "poison"]]]);
});

test("handleBatch does not repeat a handler whose sink alone failed", async () => {
  let calls = 0;
  let down = true;
  const consumer = createConsumer({
    maxAttempts: 1,
    handler: () => {
      calls += 1;
      throw new TypeError("poison");
    },
    deadLetter: () => down ? Promise.reject(new Error("sink is down")) : Promise.resolve(),
  });
  const attempt = (attempts: number) => pushed([{ body: { n: 0 }, id: "a", attempts }]);
  await consumer.handleBatch(attempt(1).batch);
  await consumer.handleBatch(attempt(2).batch);
  down = false;
  const { batch, settled } = attempt(3);
  assert.equal((await consumer.handleBatch(batch)).deadLettered, 1);
  assert.deepEqual([calls, settled], [1, { a: ["ack"] }]);
});

test("createBatchHandler retries the batch when its options report a wrong set-up", async () => {
  let problem: Error | undefined = new ConfigError("SLACK_BOT_TOKEN is not set");
  const handle = createBatchHandler(() => {
    if (problem) throw problem;
    return { handler: () => {} };
  });
  const { batch, settled } = pushed([{ body: { n: 0 } }, { body: { n: 1 }, attempts: 3 }]);
  await assert.rejects(handle(batch), problem);
  assert.deepEqual(settled, { m0: [900], m1: [3_600] });
  // Any other error is the platform's to see: it retries the batch by its own delay.
  problem = new TypeError("a bug");
  const other = pushed([{ body: { n: 0 } }]);
  await assert.rejects(handle(other.batch), problem);
  assert.deepEqual(other.settled, { m0: [] });
  problem = undefined;
  const fine = pushed([{ body: { n: 0 } }]);
  assert.equal((await handle(fine.batch)).acked, 1);
});

test("handleBatch leaves a dead letter that fails again in its queue", async () => {
  const story = { cause: { name: "TypeError", message: "poison" }, attempts: 5, key: "slack_events", diedAt: 1 };
  const dead = envelope({ payload: { n: 0 } }, story);
  const unreadable = envelope({ body: "no object" }, story);
  const { batch, settled } = pushed([{ body: dead, attempts: 1 }, { body: unreadable }], "slack-events-dlq");
  const consumer = createConsumer({
    handler: () => Promise.reject(new PermanentError("still poison")),
    deadLetter: () => assert.fail("given up into the same queue"),
  });
  assert.equal((await consumer.handleBatch(batch)).deadLettered, 2);
  assert.deepEqual(settled, { m0: [86_400], m1: [86_400] });
  // One that can be handled now is done.
  const repaired = pushed([{ body: dead }], "slack-events-dlq");
  const keys: string[] = [];
  await createConsumer({ handler: ({ key }) => void keys.push(key) }).handleBatch(repaired.batch);
  assert.deepEqual([keys, repaired.settled], [["slack_events"], { m0: ["ack"] }]);
});

test("handleBatch reports unreadable messages and handlers' own settlements", async () => {
  const { batch } = batchOf({ body: "no object" }, { body: { n: 1 } });
  const told: string[] = [];
  const tell = (name: string) => ({ id, reason }: { id: string; reason?: unknown }) => {
    told.push(`${name} ${id} ${(reason as Error).message}`);
  };
  const consumer = createConsumer({
    handler: (delivery) => delivery.deadLetter(new Error("no such user")),
    deadLetter: () => Promise.resolve(),
    observer: { unreadable: tell("unreadable"), deadLettered: tell("deadLettered") },
    concurrency: 1,
  });
  assert.deepEqual(await consumer.handleBatch(batch), { acked: 0, retried: 0, deadLettered: 2, lost: 0 });
  assert.deepEqual(told, [
    "unreadable m0 The body must be a JSON object",
    "deadLettered m0 The body must be a JSON object",
    "deadLettered m1 no such user",
  ]);
});

test("createBatchHandler aborts the signal of a handler whose time is over", async () => {
  const clock = new HandClock();
  const { batch, calls } = batchOf({ body: { n: 0 } });
  let reason: unknown;
  const handling = createBatchHandler({
    clock,
    timeoutMs: 700,
    backoff: () => 0,
    handler: ({ signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => {
          reason = signal.reason;
          resolve();
        });
        clock.advance(700);
      }),
  })(batch);
  assert.deepEqual(await handling, { acked: 0, retried: 1, deadLettered: 0, lost: 0 });
  assert.deepEqual(calls, { m0: [["retry", 0]] });
  assert.match(String(reason), /Cannot finish the handler: it took longer than 700 ms/);
});

test("createBatchHandler gives a handler with a time limit a complete delivery", async () => {
  const { batch, calls } = batchOf({ body: { n: 1 }, attempts: 2 });
  const seen: unknown[] = [];
  await createBatchHandler({
    timeoutMs: 60_000,
    handler: async (delivery) => {
      const { id, key, payload, attempts, headers, publishedAt } = delivery;
      seen.push(id, key, payload, attempts, headers, publishedAt, delivery.settlement);
      seen.push(await delivery.retry({ delayMs: 9_000 }), delivery.settlement?.kind);
    },
  })(batch);
  assert.deepEqual(seen, ["m0", "slack-events", { n: 1 }, 2, {}, new Date(0), undefined, true, "retry"]);
  assert.deepEqual(calls, { m0: [["retry", 9]] });
});
