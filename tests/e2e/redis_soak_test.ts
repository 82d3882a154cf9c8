import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { RedisBackend } from "../../backends/redis/mod.ts";
import { freshSeed, seededRandom } from "../../testing/random.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { requires } from "../support/services.ts";
import { ROOT } from "../suites.ts";

const test = requires("redis-server");
const KEY = "soak";
const LEASE_MS = 1_000;
const PREFETCH = 100;

/** How much is to go wrong. */
interface Soak {
  readonly appendonly: "everysec" | "always";
  readonly messages: number;
  readonly consumers: number;
  readonly restarts: number;
  /** Consumers that are killed, at least. */
  readonly kills: number;
  readonly seed: number;
}

/** What was handled, and who waits for how much of it. */
class Handled {
  readonly times = new Map<number, number>();
  total = 0;
  mostAttempts = 0;
  readonly #waiting = new Map<() => void, number>();

  add(n: number, attempts: number): void {
    this.total += 1;
    this.times.set(n, (this.times.get(n) ?? 0) + 1);
    this.mostAttempts = Math.max(this.mostAttempts, attempts);
    for (const [resolve, count] of this.#waiting) if (this.times.size >= count) resolve();
  }

  /** Resolves when so many different ones were. */
  async reach(count: number): Promise<void> {
    if (this.times.size >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(resolve, count);
    await promise;
    this.#waiting.delete(resolve);
  }
}

function startConsumer(server: RedisServer, handled: Handled): ChildProcess {
  const args = ["run", "-A", "--no-check", "-c", "tests/deno.json", join(ROOT, "tests/support/soak_consumer.ts")];
  const child = spawn(Deno.execPath(), args, {
    cwd: ROOT,
    env: {
      ...process.env,
      REDIS_URL: server.url,
      SOAK_KEY: KEY,
      SOAK_LEASE_MS: String(LEASE_MS),
      SOAK_PREFETCH: String(PREFETCH),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const [n, attempts] = line.split(" ").map(Number) as [number, number];
    handled.add(n, attempts);
  });
  return child;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once("close", () => resolve()));
}

async function soak({ appendonly, messages, consumers, restarts, kills, seed }: Soak): Promise<void> {
  const random = seededRandom(seed);
  await using server = await startRedis({ appendonly });
  await using publisher = new RedisBackend({ url: server.url, timeoutMs: 30_000, maxRetries: 1_000, retryDelayMs: 20 });
  const handled = new Handled();
  const children = Array.from({ length: consumers }, () => startConsumer(server, handled));
  const startedAt = performance.now();
  let killed = 0;
  try {
    const published = (async () => {
      for (let from = 0; from < messages; from += 500) {
        const batch = Array.from({ length: 500 }, (_, i) => ({ payload: { n: from + i } }));
        await publisher.publishBatch(KEY, batch);
      }
    })();
    // Each blow falls at a point of the work that the seed has chosen, not at a time of the clock.
    const blows = [
      ...Array.from({ length: restarts }, () => "restart" as const),
      ...Array.from({ length: kills }, () => "kill" as const),
    ].map((kind) => ({ kind, at: random.below(messages * 0.95) })).sort((a, b) => a.at - b.at);
    for (const { kind, at } of blows) {
      await handled.reach(at);
      if (kind === "restart") {
        await server.kill();
        await server.restart();
        continue;
      }
      const victim = random.below(consumers);
      const gone = ended(children[victim]!);
      children[victim]!.kill("SIGKILL");
      await gone;
      killed += 1;
      children[victim] = startConsumer(server, handled);
    }
    await published;
    await handled.reach(messages);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(ended));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const duplicates = handled.total - handled.times.size;
  console.log(
    `soak, ${appendonly}, seed ${seed}: ${messages} messages, each handled at least once; ${killed} consumers killed, ` +
      `${restarts} restarts of the server; ${duplicates} handled again, at most ${handled.mostAttempts} attempts; ` +
      `${seconds.toFixed(1)} s`,
  );
  assert.equal(handled.times.size, messages);
  // Whoever is killed has at most its prefetch in hand; a restart cuts all of them off from what they have.
  const most = (killed + restarts * consumers) * PREFETCH;
  assert.ok(duplicates <= most, `${duplicates} were handled again, more than ${most}`);
  // What the killed have left behind is taken over, settled and trimmed.
  for await (const delivery of publisher.receive(KEY, { prefetch: 1_000 })) {
    await delivery.ack();
    const { ready, inFlight } = await publisher.depth(KEY);
    if (ready + inFlight === 0) break;
  }
  assert.deepEqual(await publisher.depth(KEY), { ready: 0, inFlight: 0, delayed: 0, dead: 0 });
  assert.equal(await server.call("XLEN", KEY), 0);
}

test("redis: 100,000 messages survive consumers that are killed and a server that is restarted, synced every second", async () => {
  const seed = Number(process.env.SOAK_SEED ?? freshSeed());
  await soak({ appendonly: "everysec", messages: 100_000, consumers: 3, restarts: 6, kills: 15, seed });
});

test("redis: and 20,000 with a server that syncs always", async () => {
  const seed = Number(process.env.SOAK_SEED ?? freshSeed());
  await soak({ appendonly: "always", messages: 20_000, consumers: 2, restarts: 5, kills: 5, seed });
});
