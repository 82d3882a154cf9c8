/**
 * Cloudflare Queues in Cloudflare's own runtime: from a signed request through the queue into the handler, with what can
 * go wrong on the way. The broker is Miniflare's.
 *
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { MessageBatch, Queue } from "@cloudflare/workers-types";
import type { QueueBinding } from "../../../backends/cloudflare/mod.ts";
import type { PushBatch } from "../../../core/consume/push.ts";
import { bundle, fetcher, startWorkers } from "../../runner/workerd.ts";
import { dead, handled, of, SECRET, signed, start } from "./support/queue_platform.ts";

const failed = of("failed");

test("workerd push: a signed Slack event reaches its handler through the queue", async () => {
  await using worker = await start();
  const envelope = {
    type: "event_callback",
    event_id: "Ev123",
    team_id: "T1",
    event: { type: "app_mention", text: "<@U1> hällo", ts: "1700000000.123456" },
  };
  const { headers, ...init } = await signed(envelope);
  const answer = await worker.fetch("http://worker/slack/events", { ...init, headers });
  assert.equal(answer.status, 200);
  const [seen] = await worker.until((all) => all.length > 0);
  assert.deepEqual([seen!.kind, seen!.id, seen!.key, seen!.attempts, seen!.body], [
    "slack",
    "Ev123:T1",
    "events",
    1,
    envelope.event,
  ]);
  const forged = await worker.fetch("http://worker/slack/events", {
    ...init,
    headers: { ...headers, "x-slack-signature": `v0=${"0".repeat(64)}` },
  });
  assert.equal(forged.status, 401);
});

test("workerd push: a failing handler is retried, attempts counted by the platform", async () => {
  await using worker = await start();
  await worker.publish([{ payload: { n: 1, fails: 2 }, id: "Ev1", headers: { h: "1" } }]);
  const seen = await worker.until((all) => handled(all).length > 0);
  assert.deepEqual(seen.map(({ kind, id, attempts, headers }) => [kind, id, attempts, headers]), [
    ["failed", "Ev1", 1, { h: "1" }],
    ["failed", "Ev1", 2, { h: "1" }],
    ["handled", "Ev1", 3, { h: "1" }],
  ]);
});

test("workerd push: delays of a publish and of a retry are never early", async () => {
  await using worker = await start();
  const at = Date.now();
  await worker.publish([
    { payload: { n: 1, fails: 1, backoffMs: 1001 } },
    { payload: { n: 2 }, delayMs: 1000 },
  ]);
  const seen = await worker.until((all) => handled(all).length === 2);
  const [retried] = handled(seen).filter(({ body }) => (body as { n: number }).n === 1);
  const [delayed] = handled(seen).filter(({ body }) => (body as { n: number }).n === 2);
  assert.ok(delayed!.at - at >= 1000, `${delayed!.at - at}`);
  assert.ok(retried!.at - failed(seen)[0]!.at >= 1001, `${retried!.at - failed(seen)[0]!.at}`);
});

test("workerd push: after exactly maxAttempts a message is dead, with its cause", async () => {
  await using worker = await start();
  await worker.publish([{ payload: { n: 1, fails: 99 }, id: "Ev1", headers: { h: "1" } }]);
  const seen = await worker.until((all) => dead(all).length > 0);
  assert.deepEqual(failed(seen).map(({ attempts }) => attempts), [1, 2, 3]);
  assert.equal(dead(seen).length, 1);
  const { "@slack-mcp/queue": fields, payload } = dead(seen)[0]!.body as Record<string, Record<string, unknown>>;
  assert.deepEqual(payload, { n: 1, fails: 99 });
  const { v, id, headers, cause, attempts, key } = fields!;
  assert.deepEqual({ v, id, headers, cause, attempts, key }, {
    v: 1,
    id: "Ev1",
    headers: { h: "1" },
    cause: { name: "TypeError", message: "failure 3" },
    attempts: 3,
    key: "events",
  });
});

test("workerd push: without the binding the platform gives up after its max_retries", async () => {
  await using worker = await start({ sink: false, maxRetries: 1 });
  await worker.publish([{ payload: { n: 1, fails: 99 } }]);
  const seen = await worker.until((all) => dead(all).length > 0);
  assert.deepEqual(failed(seen).map(({ attempts }) => attempts), [1, 2]);
  assert.deepEqual(dead(seen)[0]!.body, { n: 1, fails: 99 });
});

test("workerd push: a permanent error is dead at once", async () => {
  await using worker = await start();
  await worker.publish([{ payload: { permanent: true } }]);
  const seen = await worker.until((all) => dead(all).length > 0);
  assert.equal(failed(seen).length, 1);
  const body = dead(seen)[0]!.body as Record<string, { cause: unknown }>;
  assert.deepEqual(body["@slack-mcp/queue"]!.cause, { name: "PermanentError", message: "no such user" });
});

test("workerd push: a poison message among good ones holds nothing back", async () => {
  await using worker = await start({ maxBatchSize: 10 });
  await worker.publish(Array.from({ length: 10 }, (_, n) => ({ payload: { n, fails: n === 4 ? 99 : 0 } })));
  const seen = await worker.until((all) => dead(all).length > 0 && handled(all).length === 9);
  assert.ok(handled(seen).every(({ attempts }) => attempts === 1));
  assert.deepEqual(handled(seen).map(({ body }) => (body as { n: number }).n).sort(), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
});

test("workerd push: foreign objects are payloads, anything else a dead letter", async () => {
  await using worker = await start();
  await worker.raw([
    { body: { n: 1 }, contentType: "json" },
    { body: '{"n":2}', contentType: "text" },
    { body: "no object", contentType: "text" },
    { body: [3], contentType: "json" },
  ]);
  const seen = await worker.until((all) => handled(all).length === 2 && dead(all).length === 2);
  assert.deepEqual(handled(seen).map(({ body }) => body), [{ n: 1 }, { n: 2 }]);
  const bodies = dead(seen).map(({ body }) => body as { body: unknown; payload?: unknown });
  assert.deepEqual(bodies.map(({ body, payload }) => [body, payload]), [["no object", undefined], [[3], undefined]]);
});

test("workerd push: messages wait for a wrong set-up to be put right", async () => {
  await using worker = await start({ maxRetries: 3 });
  await worker.publish([{ payload: { n: 1, config: true } }]);
  const seen = await worker.until((all) => all.some(({ kind }) => kind === "failed"));
  assert.deepEqual([failed(seen).length, dead(seen)], [1, []]);
  // The message waits for a quarter of an hour: others flow.
  await worker.publish([{ payload: { n: 2 } }]);
  const after = await worker.until((all) => handled(all).length > 0);
  assert.deepEqual([failed(after).length, dead(after)], [1, []]);
});

test("workerd push: a Worker on its own dead letter queue takes each letter once", async () => {
  const loop = await bundle({
    code: `
      import { createBatchHandler, PermanentError } from "@slack-mcp/queue";
      import { deadLetterTo } from "@slack-mcp/queue/cloudflare";
      let rounds = 0;
      const handler = () => {
        rounds += 1;
        throw new PermanentError("poison");
      };
      export default {
        fetch: async (request, env) => {
          const { pathname } = new URL(request.url);
          if (pathname === "/publish") {
            await env.EVENTS.send({ n: 1 });
            return new Response();
          }
          return Response.json(rounds);
        },
        queue: (batch, env) => createBatchHandler({ handler, deadLetter: deadLetterTo(env.EVENTS_DLQ) })(batch),
      };`,
  });
  const consumer = { maxBatchSize: 1, maxBatchTimeout: 0.01, maxRetries: 100 };
  const miniflare = await startWorkers({
    code: loop,
    queueProducers: { EVENTS: "events", EVENTS_DLQ: "events-dlq" },
    queueConsumers: { events: { ...consumer, deadLetterQueue: "events-dlq" }, "events-dlq": consumer },
  });
  try {
    const fetch = await fetcher(miniflare, "worker");
    await fetch("http://worker/publish");
    const rounds = async () => await (await fetch("http://worker/rounds")).json() as number;
    while (await rounds() < 2);
    // A loop would make hundreds of rounds while these go through the same queues.
    for (let i = 0; i < 20; i++) await fetch("http://worker/publish");
    while (await rounds() < 42);
    assert.equal(await rounds(), 42);
  } finally {
    await miniflare.dispose();
  }
});

test("workerd push: a shared backend keeps no request waiting for another", async () => {
  const shared = await bundle({
    code: `
      import { fromEnv } from "@slack-mcp/queue/cloudflare";
      import { createSlackReceiver } from "@slack-mcp/queue/slack";
      let receiver;
      export default {
        fetch: (request, env) => {
          receiver ??= createSlackReceiver({ backend: fromEnv(env), key: "events", signingSecret: "${SECRET}" });
          return receiver.fetch(request);
        },
        queue: () => {},
      };`,
  });
  const miniflare = await startWorkers({
    code: shared,
    queueProducers: { EVENTS: "events" },
    queueConsumers: { events: { maxBatchSize: 100 } },
  });
  try {
    const fetch = await fetcher(miniflare, "worker");
    const statuses = await Promise.all(Array.from({ length: 50 }, async (_, n) => {
      const event = { type: "event_callback", event_id: `Ev${n}`, team_id: "T1", event: { type: "app_mention" } };
      return (await fetch("http://worker/slack/events", await signed(event))).status;
    }));
    assert.deepEqual(statuses, Array(50).fill(200));
  } finally {
    await miniflare.dispose();
  }
});

test("workerd push: the platform's own types fit", () => {
  // What counts is that this is type-checked.
  const fits = (queue: Queue, batch: MessageBatch): [QueueBinding, PushBatch] => [queue, batch];
  assert.equal(fits.length, 2);
});
