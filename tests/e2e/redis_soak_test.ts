// The size that is promised: SOAK_MESSAGES=100000
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { RedisBackend } from "../../backends/redis/mod.ts";
import { QueueError } from "../../core/errors.ts";
import { seededRandom } from "../../testing/random.ts";
import { ROOT } from "../runner/suites.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";

const MESSAGES = Number(Deno.env.get("SOAK_MESSAGES") ?? 30_000);
const BATCH = 500;
const CONSUMERS = 3;
const RESTARTS = 6;
const KILLS = 12;
const KEY = "slack_events";

/** Consumers in processes of their own; tells of each message that one has handled. */
class Consumers {
  readonly #url: string;
  readonly #onHandled: (n: number) => void;
  readonly #children: Set<ChildProcess> = new Set();

  constructor(url: string, onHandled: (n: number) => void) {
    this.#url = url;
    this.#onHandled = onHandled;
  }

  start(): void {
    const args = ["run", "-A", "--no-check", "tests/e2e/support/soak_consumer.ts", this.#url, KEY];
    const child = spawn(Deno.execPath(), args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
    this.#children.add(child);
    createInterface({ input: child.stdout! }).on("line", (line) => this.#onHandled(Number(line)));
  }

  /** SIGKILL to one of them, chosen by the number from 0 to below 1. */
  async kill(choice: number): Promise<void> {
    const child = [...this.#children][Math.floor(choice * this.#children.size)];
    if (child === undefined) return;
    this.#children.delete(child);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#children.size > 0) await this.kill(0);
  }
}

/** Publishes until the broker has confirmed, under the same ids each time. */
async function publishAll(backend: RedisBackend): Promise<number> {
  let again = 0;
  for (let from = 0; from < MESSAGES; from += BATCH) {
    const messages = Array.from({ length: BATCH }, (_, i) => ({ id: `soak-${from + i}`, payload: { n: from + i } }));
    for (;;) {
      try {
        await backend.publishBatch(KEY, messages);
        break;
      } catch (error) {
        if (!(error instanceof QueueError) || !error.retryable && error.code !== "unknown-outcome") throw error;
        again += 1;
      }
    }
  }
  return again;
}

async function soak(server: RedisServer, seed: number): Promise<string> {
  const random = seededRandom(seed);
  const seen = new Uint8Array(MESSAGES);
  const { promise: allSeen, resolve } = Promise.withResolvers<void>();
  let [distinct, handled, kills, restarts] = [0, 0, 0, 0];
  let disturbing = Promise.resolve();

  await using consumers = new Consumers(server.url, (n) => {
    handled += 1;
    seen[n]! += 1;
    if (seen[n] === 1) distinct += 1;
    // Faults come by progress, not by the clock: a fixed number, spread over the whole run on any machine.
    const progress = distinct / MESSAGES;
    if (kills < KILLS && progress > (kills + 1) / (KILLS + 1)) {
      kills += 1;
      disturbing = disturbing.then(() => consumers.kill(random.next())).then(() => consumers.start());
    }
    if (restarts < RESTARTS && progress > (restarts + 0.5) / (RESTARTS + 1)) {
      restarts += 1;
      disturbing = disturbing.then(() => server.kill()).then(() => server.restart());
    }
    if (distinct === MESSAGES) resolve();
  });
  for (let i = 0; i < CONSUMERS; i++) consumers.start();
  await using backend = new RedisBackend({ url: server.url, timeoutMs: 20_000 });
  const again = await publishAll(backend);
  await allSeen;
  await disturbing;

  assert.equal(restarts, RESTARTS);
  assert.equal(kills, KILLS);
  const duplicates = handled - MESSAGES;
  // A consumer holds 100 messages at most; each kill may repeat those of one, each restart those of all.
  const bound = (KILLS + RESTARTS * CONSUMERS) * 100;
  assert.ok(duplicates <= bound, `${duplicates} duplicates, more than ${bound} (seed ${seed})`);
  return `${MESSAGES} messages, each handled at least once; ${kills} consumers killed, ${restarts} restarts of the ` +
    `server, ${again} publishes repeated, ${duplicates} duplicates of at most ${bound} (seed ${seed})`;
}

const withRedis = requires("redis-server");

for (const appendonly of ["always", "everysec"] as const) {
  withRedis(
    `soak: nothing is lost with consumers and a server that are killed, appendfsync ${appendonly}`,
    async () => {
      const seed = Number(Deno.env.get("SOAK_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
      await using server = await startRedis({ appendonly });
      console.log(await soak(server, seed));
    },
  );
}
