// A broker that is away under an idle consumer: one line when it is lost, one when it is back, on every backend that has
// a connection to lose.
// not on workerd: starts servers
import assert from "node:assert/strict";
import { test as anywhere } from "node:test";
import { CloudflareHttpBackend } from "../../backends/cloudflare/mod.ts";
import { fromEnv as redisFromEnv } from "../../backends/redis/mod.ts";
import { fromEnv as upstashFromEnv } from "../../backends/upstash/mod.ts";
import { systemClock } from "../../core/util/clock.ts";
import type { QueueObserver } from "../../core/observer.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { CloudflareApi } from "../fakes/cloudflare_api.ts";
import { CloudflareApiServer } from "../fakes/cloudflare_api_server.ts";
import { startUpstash } from "../fakes/upstash_server.ts";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";
import { startProxy } from "../servers/tcp_proxy.ts";

const test = requires("redis-server");

/** An observer whose events can be waited for. */
function watch() {
  const lines: string[] = [];
  const failures: string[] = [];
  const waiting: (() => void)[] = [];
  const changed = () => waiting.splice(0).forEach((wake) => wake());
  const observer: QueueObserver = {
    disconnected: ({ backend, error }) => (lines.push(`lost ${backend} ${error.message}`), changed()),
    connected: ({ backend, failures, downMs }) => {
      lines.push(`back ${backend} ${failures > 0 && downMs > 0 ? "after failures" : `${failures} ${downMs}`}`);
      changed();
    },
    failed: ({ error }) => (failures.push(error.code), changed()),
  };
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { lines, failures, observer, until };
}

/** Takes the broker away under an idle consumer, for some failed looks, and brings it back. */
async function outage(
  backend: LeasingBackend,
  { lines, failures, until }: ReturnType<typeof watch>,
  broker: { away(): unknown; back(): unknown },
): Promise<void> {
  await backend.publish("slack_events", { n: 1 });
  const deliveries = backend.receive("slack_events");
  await (await deliveries.next()).value!.ack();
  const next = deliveries.next(); // idle from now on
  assert.deepEqual(lines, []);
  await broker.away();
  await until(() => lines.length === 1);
  const before = failures.length;
  await until(() => failures.length >= before + 3);
  await broker.back();
  await until(() => lines.length === 2);
  // Told before anything comes: the consumer is idle still.
  await backend.publish("slack_events", { n: 2 });
  const { value: delivery } = await next;
  assert.deepEqual(delivery?.payload, { n: 2 });
  await delivery!.ack();
  await deliveries.return!();
  assert.match(lines[0]!, /^lost \w+ Cannot receive from "slack_events" on \w+: /);
  assert.doesNotMatch(lines.join(), /hunter2/);
  assert.deepEqual(lines.slice(1), [`back ${backend.name} after failures`]);
}

test("RedisBackend tells once of a server that was killed, and once when it is back", async () => {
  await using redis = await startRedis({ requirepass: "hunter2", appendonly: "always" });
  const watched = watch();
  const env = { REDIS_URL: redis.url, REDIS_RETRY_DELAY: "0.02", REDIS_TIMEOUT: "20" };
  await using backend = redisFromEnv(env, { observer: watched.observer });
  await outage(backend, watched, { away: () => redis.kill(), back: () => redis.restart() });
});

test("RedisBackend tells of a server that is not there at the start, and of its coming", async () => {
  await using redis = await startRedis();
  await redis.kill();
  const { lines, observer, until } = watch();
  const env = { REDIS_URL: redis.url, REDIS_RETRY_DELAY: "0.02", REDIS_TIMEOUT: "20" };
  await using backend = redisFromEnv(env, { observer });
  const next = backend.receive("slack_events").next();
  await until(() => lines.length === 1);
  await redis.restart();
  await until(() => lines.length === 2);
  await backend.publish("slack_events", { n: 1 });
  const { value: delivery } = await next;
  assert.deepEqual(delivery?.payload, { n: 1 });
  await delivery!.ack();
  assert.deepEqual(lines.map((line) => line.slice(0, 10)), ["lost redis", "back redis"]);
});

test("UpstashBackend tells once of a lost database, and once when it is back", async () => {
  await using upstash = await startUpstash();
  await using proxy = await startProxy(Number(new URL(upstash.url).port), () => ({ count: 0, add: () => {} }));
  const watched = watch();
  await using backend = upstashFromEnv({
    UPSTASH_REDIS_REST_URL: `http://127.0.0.1:${proxy.port}`,
    UPSTASH_REDIS_REST_TOKEN: upstash.token,
    UPSTASH_RETRY_DELAY: "0.02",
  }, { observer: watched.observer });
  await outage(backend, watched, {
    away: () => {
      proxy.refuse();
      proxy.dropConnections();
    },
    back: () => proxy.refuse(false),
  });
});

anywhere("CloudflareHttpBackend tells once of a lost API, and once when it is back", async () => {
  const api = new CloudflareApi({ clock: systemClock, rateLimit: { requests: 1e9, windowMs: 300_000 } });
  api.queue("slack-events");
  const server = await new CloudflareApiServer(api).start();
  const watched = watch();
  await using backend = new CloudflareHttpBackend({
    ...{ accountId: api.accountId, apiToken: api.token, apiUrl: server.url },
    ...{ maxPollMs: 50, retryDelayMs: 20, requestLimit: 1e9, observer: watched.observer },
  });
  await outage(backend, watched, { away: () => server.stop(), back: () => server.start() });
  await server.stop();
});
