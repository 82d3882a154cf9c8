// The size that is promised: SOAK_MESSAGES=200000
import assert from "node:assert/strict";
import { createConsumer, type QueueDepth, QueueError } from "../../mod.ts";
import { RedisBackend } from "../../backends/redis/mod.ts";
import { delay } from "../../core/util/async.ts";
import { systemClock } from "../../core/util/clock.ts";
import { requires } from "../runner/services.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";

const MESSAGES = Number(Deno.env.get("SOAK_MESSAGES") ?? 60_000);
const BATCH = 500;
const CONSUMERS = 2;
const KILLS = 5;
const FULL = 2;
const KEY = "slack_events";
const LEASE_MS = 3_000;

/** Helper keys that go by themselves, and may be there for a while. */
const PASSING = /:(wake|ids|sent:[^:]+|group:[^:]+:leases)$/;

/** What a backend of the soak is made with. */
function options(server: RedisServer) {
  return {
    url: server.url,
    timeoutMs: 20_000,
    leaseMs: LEASE_MS,
    maxLength: 20_000,
    messageTtlMs: 3_600_000,
    dedupWindowMs: 60_000,
  };
}

/** Publishes a batch until every message is confirmed, under the same ids each time; returns how often it was repeated. */
async function publish(backend: RedisBackend, from: number, room: () => Promise<void>): Promise<number> {
  let waiting = Array.from({ length: BATCH }, (_, i) => ({ id: `bounded-${from + i}`, payload: { n: from + i } }));
  for (let again = 0;; again++) {
    try {
      await backend.publishBatch(KEY, waiting);
      return again;
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      const outcomes = (error as QueueError & { outcomes?: readonly unknown[] }).outcomes;
      if (outcomes) waiting = waiting.filter((_, i) => outcomes[i] instanceof Error);
      const passing = error.retryable || error.code === "unknown-outcome" || error.code === "queue-full";
      if (!passing) throw error;
      if (error.code === "queue-full") await room();
    }
  }
}

/** Leaves the server no memory until it has refused a publish. */
async function fillUp(server: RedisServer, refused: () => Promise<unknown>): Promise<void> {
  const promise = refused();
  await server.call("CONFIG", "SET", "maxmemory", "1");
  await promise;
  await server.call("CONFIG", "SET", "maxmemory", "0");
}

function isEmpty({ ready, inFlight, delayed }: QueueDepth): boolean {
  return ready + inFlight + delayed === 0;
}

async function soak(server: RedisServer): Promise<string> {
  const seen = new Uint8Array(MESSAGES);
  const refusals: (() => void)[] = [];
  const waiting: (() => void)[] = [];
  const { promise: allSeen, resolve: onAllSeen, reject } = Promise.withResolvers<void>();
  let [distinct, handled, kills, fulls, late] = [0, 0, 0, 0, 0];
  let disturbing = Promise.resolve();
  let over = false;

  function disturb(): void {
    // Faults come by progress, not by the clock: a fixed number, spread over the whole run on any machine.
    const progress = distinct / MESSAGES;
    if (kills < KILLS && progress > (kills + 0.5) / KILLS) {
      kills += 1;
      disturbing = disturbing.then(() => server.kill()).then(() => server.restart());
    }
    if (fulls < FULL && progress > (fulls + 0.6) / (FULL + 1)) {
      fulls += 1;
      disturbing = disturbing.then(() => fillUp(server, () => new Promise<void>((resolve) => refusals.push(resolve))));
    }
  }

  /** Resolves when some more messages have been handled. */
  function room(): Promise<void> {
    return distinct >= MESSAGES - BATCH ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
  }

  const stop = new AbortController();
  const runs: Promise<unknown>[] = [];
  const backends: RedisBackend[] = [];
  for (let i = 0; i < CONSUMERS; i++) {
    const backend = new RedisBackend(options(server));
    backends.push(backend);
    const consumer = createConsumer({
      concurrency: 100,
      maxAttempts: 1_000_000,
      backoff: () => 2_000,
      handler: ({ payload: { n } }) => {
        // One message is always retried late. Those behind it must still leave.
        if (n === 0 && !over) {
          late += 1;
          return Promise.reject(new Error("later"));
        }
        handled += 1;
        if (seen[n as number]!++ === 0) distinct += 1;
        if (handled % BATCH === 0) { for (const go of waiting.splice(0)) go(); }
        disturb();
        if (distinct === MESSAGES - 1) over = true;
        if (distinct === MESSAGES) onAllSeen();
        return Promise.resolve();
      },
    });
    const run = consumer.run(backend, KEY, { signal: stop.signal, prefetch: 500 });
    run.catch(reject); // a consumer must outlast all of it
    runs.push(run);
  }

  await using publisher = new RedisBackend({
    ...options(server),
    observer: {
      failed: ({ error }) => {
        if (error.code === "queue-full") { for (const tell of refusals.splice(0)) tell(); }
      },
    },
  });
  let again = 0;
  for (let from = 0; from < MESSAGES; from += BATCH) again += await publish(publisher, from, room);
  const tell = setInterval(() => refusals.splice(0).forEach((resolve) => resolve()), 1_000); // nothing is published now
  await allSeen.finally(() => clearInterval(tell));
  await disturbing;
  // What was handled and not acknowledged, by the death of the server, comes once more.
  while (!isEmpty(await publisher.depth(KEY))) await delay(50, systemClock);
  stop.abort();
  await Promise.all(runs);

  assert.equal(distinct, MESSAGES, "messages were lost");
  assert.deepEqual([kills, fulls], [KILLS, FULL]);
  assert.ok(late > 1, "the late message was late");
  const depth = await publisher.depth(KEY);
  assert.deepEqual(depth, { ...depth, ready: 0, inFlight: 0, delayed: 0, dead: 0 });
  assert.equal(await server.call("XLEN", KEY), 0, "settled messages are left");
  for (const name of await server.call("KEYS", "*") as string[]) {
    if (name === KEY) continue;
    assert.match(name, PASSING, "this helper key has outlived its subject");
    assert.ok(Number(await server.call("PTTL", name)) > 0, `${name} does not go by itself`);
  }
  for (const backend of backends) await backend.close();
  return `${MESSAGES} messages, none lost; ${kills} restarts of the server, ${fulls} times without memory, ${again} ` +
    `publishes repeated, ${handled - MESSAGES} duplicates, one message retried ${late} times`;
}

requires("redis-server")(
  "soak: a bounded queue of expiring messages outlasts a server that is killed and full",
  async () => {
    await using server = await startRedis({ appendonly: "always" });
    console.log(await soak(server));
  },
);
