// not on workerd: starts a redis-server, and keeps messages in a file
// Slack's largest events through the webhook, a queue and its dead letters. Cloudflare, whose messages are smaller, has
// tests/unit/backends/cloudflare/large_payload_test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBackend } from "../../backends/memory/mod.ts";
import { RedisBackend } from "../../backends/redis/mod.ts";
import { SqliteBackend } from "../../backends/sqlite/mod.ts";
import { UpstashBackend } from "../../backends/upstash/mod.ts";
import type { Delivery, JsonObject, LeasingBackend } from "../../core/protocol.ts";
import { slackRequest } from "../../cli/sign.ts";
import { createSlackReceiver } from "../../slack/mod.ts";
import { startUpstash } from "../fakes/upstash_server.ts";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";
import { LARGE_EVENTS, messageChanged, noise } from "../unit/support/slack_texts.ts";
import { Folder } from "./support/sqlite.ts";

const KEY = "slack_events";
const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
/** The largest body in bytes that the webhook reads. */
const WEBHOOK_BYTES = 1_048_576;

const bytesOf = (event: JsonObject) => new TextEncoder().encode(JSON.stringify(event)).length;

/** The largest event that the webhook takes. No compression makes its text much shorter. */
function largest(): JsonObject {
  const empty = {
    event_id: "Ev?",
    padding: "",
    ...messageChanged(50, (seed) => noise(3_000, seed).replace(/["\\]/g, "x")),
  };
  return { ...empty, padding: "x".repeat(WEBHOOK_BYTES - bytesOf(empty)) };
}

/** The events, each with an id of its own. */
const EVENTS: readonly JsonObject[] = [...LARGE_EVENTS.map(([, create]) => create()), largest()]
  .map((event, n) => ({ ...event, event_id: `Ev${n}` }));

/** Takes every message, in the order of the events. */
async function takeAll(backend: LeasingBackend): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  for await (const delivery of backend.receive(KEY)) {
    if (taken.push(delivery) === EVENTS.length) break;
  }
  const numberOf = ({ payload }: Delivery) => Number(String(payload.event_id).slice(2));
  return taken.sort((a, b) => numberOf(a) - numberOf(b));
}

/** Compares as text, event by event: a difference of two megabytes is nothing to print. */
function sameEvents(found: readonly (JsonObject | undefined)[]): void {
  const equal = found.map((event, n) => JSON.stringify(event) === JSON.stringify(EVENTS[n]));
  assert.deepEqual(equal, EVENTS.map(() => true));
}

async function carriesAll(backend: LeasingBackend): Promise<void> {
  assert.equal(bytesOf(EVENTS.at(-1)!), WEBHOOK_BYTES);
  const receiver = createSlackReceiver({ backend, signingSecret: SECRET, timeoutMs: 3_000, ordering: "none" });
  for (const body of EVENTS) {
    // As Slack does: an event that is not confirmed in time is sent again, under the same id.
    for (let status = 503; status === 503;) {
      status =
        (await receiver.fetch(await slackRequest("https://bot.example/slack/events", { secret: SECRET, body }))).status;
      assert.ok(status === 200 || status === 503, `${status}`);
    }
  }
  const first = await takeAll(backend);
  sameEvents(first.map(({ payload }) => payload));
  for (const delivery of first) assert.equal(await delivery.retry(), true);
  const second = await takeAll(backend);
  sameEvents(second.map(({ payload }) => payload));
  assert.deepEqual(second.map(({ attempts }) => attempts), EVENTS.map(() => 2));
  for (const delivery of second) assert.equal(await delivery.deadLetter(new Error("poison")), true);
  const letters = await Array.fromAsync(backend.deadLetters.list(KEY));
  sameEvents(letters.map(({ payload }) => payload));
  assert.equal(await backend.deadLetters.replay(KEY), EVENTS.length);
  const third = await takeAll(backend);
  sameEvents(third.map(({ payload }) => payload));
  for (const delivery of third) assert.equal(await delivery.ack(), true);
  const { ready, inFlight, dead } = await backend.depth(KEY);
  assert.deepEqual([ready, inFlight, dead], [0, 0, 0]);
}

test("MemoryBackend carries Slack's largest events whole, also as dead letters", async () => {
  await using backend = new MemoryBackend();
  await carriesAll(backend);
});

test("SqliteBackend carries Slack's largest events whole, also as dead letters", async () => {
  using folder = new Folder();
  await using backend = new SqliteBackend({ path: folder.file() });
  await carriesAll(backend);
});

const onRedis = requires("redis-server");

onRedis("RedisBackend carries Slack's largest events whole, also as dead letters", async () => {
  await using redis = await startRedis();
  await using backend = new RedisBackend({ url: redis.url });
  await carriesAll(backend);
});

onRedis("UpstashBackend carries Slack's largest events whole, also as dead letters", async () => {
  await using server = await startUpstash();
  await using backend = new UpstashBackend({ url: server.url, token: server.token });
  await carriesAll(backend);
});
