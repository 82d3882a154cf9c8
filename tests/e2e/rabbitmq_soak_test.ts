// The size that is promised: SOAK_MESSAGES=100000
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { RabbitMQBackend } from "../../backends/rabbitmq/mod.ts";
import { PublishError, QueueError } from "../../core/errors.ts";
import { seededRandom } from "../../testing/random.ts";
import { requires } from "../runner/services.ts";
import { ROOT } from "../runner/suites.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";

const MESSAGES = Number(Deno.env.get("SOAK_MESSAGES") ?? 30_000);
const BATCH = 500;
const CONSUMERS = 3;
const RESTARTS = 5;
const KILLS = 10;
const KEY = "slack_events";

/** Consumers in processes of their own; reports each message that one has handled. */
class Consumers implements AsyncDisposable {
  readonly #url: string;
  readonly #onHandled: (n: number) => void;
  readonly #children: Set<ChildProcess> = new Set();

  constructor(url: string, onHandled: (n: number) => void) {
    this.#url = url;
    this.#onHandled = onHandled;
  }

  start(): void {
    const args = ["run", "-A", "--no-check", "-c", "tests/deno.json", "tests/e2e/support/rabbitmq_soak_consumer.ts"];
    const child = spawn(Deno.execPath(), [...args, this.#url, KEY], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
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

/** Publishes until the broker has confirmed every message: only those that were not confirmed again. */
async function publishAll(backend: RabbitMQBackend): Promise<number> {
  let again = 0;
  for (let from = 0; from < MESSAGES; from += BATCH) {
    let left = Array.from({ length: BATCH }, (_, i) => ({ id: `soak-${from + i}`, payload: { n: from + i } }));
    while (left.length > 0) {
      try {
        await backend.publishBatch(KEY, left);
        left = [];
      } catch (error) {
        if (!(error instanceof QueueError) || !error.retryable && error.code !== "unknown-outcome") throw error;
        const outcomes = error instanceof PublishError ? error.outcomes : undefined;
        if (outcomes) left = left.filter((_, i) => outcomes[i] instanceof Error);
        again += left.length;
      }
    }
  }
  return again;
}

async function soak(server: RabbitMQServer, seed: number): Promise<string> {
  const random = seededRandom(seed);
  const seen = new Uint8Array(MESSAGES);
  const { promise: allSeen, resolve } = Promise.withResolvers<void>();
  let [distinct, handled, kills, restarts] = [0, 0, 0, 0];
  let disturbing = Promise.resolve();

  await using consumers = new Consumers(server.url, (n) => {
    handled += 1;
    seen[n]! += 1;
    if (seen[n] === 1) distinct += 1;
    // Faults come by progress, not by the clock: so many, spread over the whole run, however fast the machine is.
    const progress = distinct / MESSAGES;
    if (kills < KILLS && progress > (kills + 1) / (KILLS + 1)) {
      kills += 1;
      disturbing = disturbing.then(() => consumers.kill(random.next())).then(() => consumers.start());
    }
    if (restarts < RESTARTS && progress > (restarts + 0.5) / (RESTARTS + 1)) {
      restarts += 1;
      disturbing = disturbing.then(() => server.registered()).then(() => server.kill())
        .then(() => server.restart());
    }
    if (distinct === MESSAGES) resolve();
  });
  for (let i = 0; i < CONSUMERS; i++) consumers.start();
  await using backend = new RabbitMQBackend({ url: server.url, timeoutMs: 20_000 });
  const again = await publishAll(backend);
  await allSeen;
  await disturbing;

  assert.deepEqual([kills, restarts], [KILLS, RESTARTS]);
  const duplicates = handled - MESSAGES;
  // A consumer holds 100 messages at most: a kill may repeat those of one, a restart those of all. What was published
  // again may have been there already.
  const bound = (KILLS + RESTARTS * CONSUMERS) * 100 + again;
  assert.ok(duplicates <= bound, `${duplicates} duplicates, more than ${bound} (seed ${seed})`);
  return `${MESSAGES} messages, each handled at least once; ${kills} consumers killed, ${restarts} restarts of the ` +
    `broker, ${again} messages published again, ${duplicates} duplicates of at most ${bound} (seed ${seed})`;
}

requires("rabbitmq-server")(
  "soak: RabbitMQBackend loses nothing with consumers and a broker that are killed",
  async () => {
    const seed = Number(Deno.env.get("SOAK_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
    await using server = await startRabbitMQ();
    console.log(await soak(server, seed));
  },
);
