// The HTTP transport over real connections, with the very handler that the Worker's tests run inside workerd.
// not on workerd: listens on a port
import { test } from "node:test";
import assert from "node:assert/strict";
import { createConsumer } from "../../../../core/consume/consumer.ts";
import { CloudflareHttpBackend } from "../../../../backends/cloudflare/mod.ts";
import { createSlackReceiver, slackEventId } from "../../../../slack/mod.ts";
import { envelopeOf, SAMPLES } from "../../../../cli/samples.ts";
import { slackRequest } from "../../../../cli/sign.ts";
import { CloudflareApi, type Fault } from "../../../fakes/cloudflare_api.ts";
import { CloudflareApiServer } from "../../../fakes/cloudflare_api_server.ts";
import { orders, type Seen } from "../../support/queue_handler.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

async function start() {
  const api = new CloudflareApi();
  const server = await new CloudflareApiServer(api).start();
  const queue = api.queue("events", { deadLetterQueue: "events-dlq", maxRetries: 100 });
  const backend = new CloudflareHttpBackend({
    accountId: api.accountId,
    apiToken: api.token,
    apiUrl: server.url,
    maxPollMs: 500,
    leaseMs: 2_000, // what a lost reply has leased comes back after so long
    retryDelayMs: 10,
    maxRetries: 10,
  });
  const seen: Seen[] = [];
  const waiting = new Set<() => void>();
  const consumer = createConsumer(orders((what) => {
    seen.push({ ...what, at: Date.now() });
    for (const look of [...waiting]) look();
  }));
  const stop = new AbortController();
  const running = consumer.run(backend, "events", { signal: stop.signal });
  return {
    api,
    server,
    queue,
    dead: api.queue("events-dlq"),
    backend,
    until: (done: (seen: Seen[]) => boolean) =>
      new Promise<Seen[]>((resolve) => {
        const look = () => {
          if (!done(seen)) return;
          waiting.delete(look);
          resolve(seen);
        };
        waiting.add(look);
        look();
      }),
    stop: async () => {
      stop.abort();
      return await running;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      await backend.close();
      await server.stop();
    },
  };
}

const only = (kind: Seen["kind"], seen: readonly Seen[]) => seen.filter((one) => one.kind === kind);
const numbers = (seen: readonly Seen[]) => new Set(seen.map(({ body }) => (body as { n: number }).n));

test("cloudflare pull: a signed Slack event reaches its handler", async () => {
  await using here = await start();
  const receiver = createSlackReceiver({ backend: here.backend, key: "events", signingSecret: SECRET });
  for (const [index, { event }] of SAMPLES.entries()) {
    const request = await slackRequest("http://localhost/slack/events", {
      secret: SECRET,
      body: envelopeOf(event, `Ev${index}`),
    });
    assert.equal((await receiver.fetch(request)).status, 200);
  }
  const seen = await here.until((all) => all.length === SAMPLES.length);
  const ids = SAMPLES.map(({ event }, index) => slackEventId(envelopeOf(event, `Ev${index}`)));
  assert.deepEqual(new Set(seen.map(({ id }) => id)), new Set(ids));
  assert.ok(seen.every(({ kind, attempts }) => kind === "slack" && attempts === 1));
});

test("cloudflare pull: retries, delays, limits and the unreadable are as when pushed", async () => {
  await using here = await start();
  here.queue.add({ type: "text", text: "no object" }, 0, "dash");
  await here.backend.publishBatch("events", [
    { payload: { n: 1, fails: 2 }, id: "Ev1", headers: { h: "1" } },
    { payload: { n: 2, fails: 99 } },
    { payload: { n: 3, permanent: true } },
    { payload: { n: 4, fails: 1, backoffMs: 1001 } },
    { payload: { n: 5 } },
  ]);
  const seen = await here.until((all) => only("handled", all).length === 3 && only("failed", all).length === 7);
  const story = (n: number) =>
    seen.filter(({ body }) => (body as { n: number }).n === n).map(({ kind, attempts }) => [kind, attempts]);
  assert.deepEqual(story(1), [["failed", 1], ["failed", 2], ["handled", 3]]);
  assert.deepEqual(story(2), [["failed", 1], ["failed", 2], ["failed", 3]]);
  assert.deepEqual(story(3), [["failed", 1]]);
  assert.deepEqual(story(4), [["failed", 1], ["handled", 2]]);
  assert.deepEqual(story(5), [["handled", 1]]);
  const [first, second] = seen.filter(({ body }) => (body as { n: number }).n === 4);
  assert.ok(second!.at - first!.at >= 1001, `${second!.at - first!.at}`);
  const summary = await here.stop();
  assert.deepEqual(summary, { acked: 3, retried: 5, deadLettered: 2, lost: 0 });
  const letters = await Array.fromAsync(here.backend.deadLetters.list("events"));
  const told = letters.map((
    { payload, body, cause, attempts },
  ) => [payload?.n ?? body, cause.name, cause.message, attempts]);
  assert.deepEqual(told.sort(), [
    [2, "TypeError", "failure 3", 3],
    [3, "PermanentError", "no such user", 1],
    ["no object", "ConsumeError", told.find(([body]) => body === "no object")![2], 1],
  ]);
  assert.equal(here.queue.size, 0);
});

test("cloudflare pull: every confirmed message is handled through faults and restarts", async () => {
  await using here = await start();
  const { api, server, backend } = here;
  const confirmed = new Set<number>();
  for (let round = 0; round < 8; round++) {
    const batch = Array.from({ length: 50 }, (_, n) => round * 50 + n);
    const publishing = Promise.allSettled(batch.map(async (n) => {
      await backend.publish("events", { n });
      confirmed.add(n);
    }));
    // One fault a round of those that hold the consumer up: it waits longer after each in a row.
    const faults: Fault[] = [{ kind: "cut" }, { kind: "lost" }, { kind: "refuse", status: 502, body: "<html>" }];
    api.fault(faults[round % 3]!, round % 2 ? "pull" : "ack");
    api.fault({ kind: "refuse", status: 500, code: 15000 }, "ack");
    api.fault({ kind: "refuse", status: 429, code: 10250, retryAfter: 0.01 }, "batch");
    if (round % 2) server.drop();
    else {
      await server.stop();
      await server.start();
    }
    await publishing;
  }
  assert.ok(confirmed.size > 0);
  const seen = await here.until((all) => {
    const handled = numbers(only("handled", all));
    return [...confirmed].every((n) => handled.has(n));
  });
  const extra = only("handled", seen).length - confirmed.size;
  assert.ok(extra >= 0 && extra <= 400, `${extra} more than confirmed`);
});
