import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { test } from "node:test";
import { createInterface } from "node:readline";
import { MemoryBackend } from "../../backends/memory/mod.ts";
import { RedisBackend } from "../../backends/redis/mod.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { delay } from "../../core/util/async.ts";
import { systemClock } from "../../core/util/clock.ts";
import { seededRandom } from "../../testing/random.ts";
import { ROOT } from "../runner/suites.ts";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { OrderingLedger } from "./support/ordering_ledger.ts";
import { runOrderingWorker } from "./support/ordering_worker.ts";

const MESSAGES = Number(Deno.env.get("SOAK_MESSAGES") ?? 3_000);
const THREADS = Number(Deno.env.get("SOAK_THREADS") ?? 50);
const CONSUMERS = Number(Deno.env.get("SOAK_CONSUMERS") ?? 4);
const KILLS = Number(Deno.env.get("SOAK_KILLS") ?? 10);
const LEASE_MS = 4_000;
/** Handlers that stop their whole process until its leases are lost. */
const STALLS = 3;
const BATCH = 500;
const KEY = "slack_events";

const seed = Number(Deno.env.get("SOAK_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);

async function publishAll(backend: LeasingBackend): Promise<void> {
  for (let from = 0; from < MESSAGES; from += BATCH) {
    const count = Math.min(BATCH, MESSAGES - from);
    await backend.publishBatch(
      KEY,
      Array.from(
        { length: count },
        (_, i) => ({ payload: { n: from + i }, orderingKey: `T1:C1:${(from + i) % THREADS}` }),
      ),
    );
  }
}

/** Waits until the queue holds nothing, and holds the ledger against what was promised. */
async function finish(backend: LeasingBackend, ledger: OrderingLedger, faults: () => string): Promise<string> {
  for (;;) {
    const { ready, inFlight, delayed, blocked } = await backend.depth(KEY);
    if (ready + inFlight + delayed + blocked === 0 && ledger.handled === MESSAGES) break;
    await delay(50, systemClock);
  }
  const { lost, inversions, overlaps } = ledger.problems(MESSAGES);
  const about = `${MESSAGES} messages of ${THREADS} conversations, ${faults()}: ${ledger.deliveries} deliveries, ` +
    `${lost.length} lost, ${inversions.length} inversions, ${overlaps.length} overlaps (seed ${seed})`;
  assert.deepEqual([lost.slice(0, 5), inversions.slice(0, 5), overlaps.slice(0, 5)], [[], [], []], about);
  return about;
}

const withRedis = requires("redis-server");

withRedis("soak: ordering keys on Redis keep their order over SIGKILLs and lost leases", async () => {
  const random = seededRandom(seed);
  const ledger = new OrderingLedger(THREADS);
  const children = new Map<number, ChildProcess>();
  await using server = await startRedis({ appendonly: "everysec" });
  let [started, kills] = [0, 0];
  let disturbing = Promise.resolve();
  const start = () => {
    const who = started++;
    const args = [server.url, KEY, String(LEASE_MS), String(random.below(2 ** 31)), String(STALLS / MESSAGES)];
    const child = spawn(Deno.execPath(), [
      "run",
      "-A",
      "--no-check",
      "tests/e2e/support/ordering_soak_consumer.ts",
      ...args,
    ], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.set(who, child);
    createInterface({ input: child.stdout! }).on("line", (line) => {
      ledger.note(who, line);
      // Kills come by progress, not by the clock.
      if (kills >= KILLS || ledger.handled / MESSAGES <= (kills + 0.5) / (KILLS + 1)) return;
      kills += 1;
      disturbing = disturbing.then(kill).then(start);
    });
  };
  const kill = async () => {
    const [who, child] = [...children][random.below(children.size)]!;
    children.delete(who);
    // All that it said is read, and then nothing more comes of it.
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  try {
    await using backend = new RedisBackend({ url: server.url, timeoutMs: 20_000 });
    for (let i = 0; i < CONSUMERS; i++) start();
    await publishAll(backend);
    console.log(`redis: ${await finish(backend, ledger, () => `${kills} of ${started} consumers killed`)}`);
    await disturbing;
    assert.equal(kills, KILLS);
  } finally {
    while (children.size > 0) await kill();
  }
});

test("soak: ordering keys on memory keep their order over abandoned leases", async () => {
  const random = seededRandom(seed);
  const ledger = new OrderingLedger(THREADS);
  await using backend = new MemoryBackend();
  const workers = new Map<number, AbortController>();
  let [started, abandoned] = [0, 0];
  const start = () => {
    const who = started++;
    const abandon = new AbortController();
    workers.set(who, abandon);
    const say = (line: string) => {
      ledger.note(who, line);
      if (abandoned >= KILLS || ledger.handled / MESSAGES <= (abandoned + 0.5) / (KILLS + 1)) return;
      abandoned += 1;
      const [other, worker] = [...workers][random.below(workers.size)]!;
      workers.delete(other);
      worker.abort();
      start();
    };
    const options = { key: KEY, leaseMs: LEASE_MS, random: seededRandom(seed + who), say, abandoned: abandon.signal };
    void runOrderingWorker(backend, options);
  };
  for (let i = 0; i < CONSUMERS; i++) start();
  await publishAll(backend);
  console.log(`memory: ${await finish(backend, ledger, () => `${abandoned} of ${started} consumers gone`)}`);
  for (const worker of workers.values()) worker.abort();
});
