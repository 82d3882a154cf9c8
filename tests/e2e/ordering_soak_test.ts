// Ordering keys over everything that may happen to consumers, connections and the server, judged by the broker's own record.
//
// The size that is promised: SOAK_MESSAGES=100000 SOAK_THREADS=1000 SOAK_CONSUMERS=8 SOAK_KILLS=100
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { test } from "node:test";
import { createInterface } from "node:readline";
import { MemoryBackend } from "../../backends/memory/mod.ts";
import { RedisBackend } from "../../backends/redis/mod.ts";
import { DEFAULT_GROUP } from "../../core/defaults.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { delay } from "../../core/util/async.ts";
import { monotonic, systemClock } from "../../core/util/clock.ts";
import { seededRandom } from "../../testing/random.ts";
import { ROOT } from "../runner/suites.ts";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import type { LeaseHistory } from "./support/lease_history.ts";
import { RecordingBroker } from "./support/memory_history.ts";
import { OrderingLedger, type Verdict } from "./support/ordering_ledger.ts";
import { runOrderingWorker } from "./support/ordering_worker.ts";
import { readRedisHistory } from "./support/redis_history.ts";

const MESSAGES = Number(Deno.env.get("SOAK_MESSAGES") ?? 3_000);
const THREADS = Number(Deno.env.get("SOAK_THREADS") ?? 50);
const CONSUMERS = Number(Deno.env.get("SOAK_CONSUMERS") ?? 4);
const KILLS = Number(Deno.env.get("SOAK_KILLS") ?? 10);
/** Kills of the server itself. */
const SERVER_KILLS = 1;
/** All connections break each time that this number of consumers has been killed. */
const DROP_EVERY = 5;
const LEASE_MS = 4_000;
/** Handlers that stop their whole process until its leases are lost. */
const STALLS = Math.max(3, Math.floor(KILLS / 10));
/** So that each is of another conversation. */
const STALL_EVERY = Math.floor(MESSAGES / STALLS) - 1;
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

/** Waits until every message is handled and the queue holds nothing. */
async function emptied(backend: LeasingBackend, ledger: OrderingLedger): Promise<void> {
  for (;;) {
    const { ready, inFlight, delayed, blocked } = await backend.depth(KEY);
    if (ready + inFlight + delayed + blocked === 0 && ledger.handled === MESSAGES) return;
    await delay(50, systemClock);
  }
}

/** Holds the ledger against what was promised. */
function judge(ledger: OrderingLedger, history: LeaseHistory, faults: string): Verdict {
  const verdict = ledger.judge(history, MESSAGES);
  const { lost, inversions, overlaps, lies, outlived, refusedTwice } = verdict;
  const about = `${MESSAGES} messages of ${THREADS} conversations, ${faults}: ${history.leases} leases, ` +
    `${ledger.deliveries} handlers, ${outlived} went on after their lease, ${refusedTwice} settlements refused when ` +
    `repeated; ${lost.length} lost, ${inversions.length} inversions, ${overlaps.length} overlaps, ${lies.length} lies ` +
    `(seed ${seed})`;
  console.log(about);
  const first = (all: readonly string[]) => all.slice(0, 5);
  assert.deepEqual([lost, inversions, overlaps, lies].map(first), [[], [], [], []], about);
  assert.equal(history.messages, MESSAGES, about);
  return verdict;
}

const withRedis = requires("redis-server");

withRedis("soak: ordering keys on Redis keep their order over SIGKILLs and lost leases", async () => {
  const random = seededRandom(seed);
  const ledger = new OrderingLedger(THREADS);
  const children = new Map<number, ChildProcess>();
  const stalled = new Set<number>();
  await using server = await startRedis({
    // With "everysec" a kill forgets leases and settlements that were answered while a sync was under way: neither the order
    // nor this record would be whole.
    appendonly: "always",
    args: ["--auto-aof-rewrite-percentage", "0"],
  });
  let [started, kills] = [0, 0];
  let disturbing = Promise.resolve();
  const start = () => {
    const who = started++;
    const args = [
      server.url,
      KEY,
      String(LEASE_MS),
      String(random.below(2 ** 31)),
      String(STALL_EVERY),
    ];
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
      if (line.startsWith("s")) stalled.add(who);
      else stalled.delete(who);
      // Kills come by progress, not by the clock.
      if (kills >= KILLS || ledger.handled / MESSAGES <= (kills + 0.5) / (KILLS + 1)) return;
      kills += 1;
      const disturbance = kills;
      disturbing = disturbing.then(kill).then(start).then(() => disturbServer(disturbance));
    });
  };
  const kill = async () => {
    // A consumer that stands still is left to come back late.
    const awake = [...children].filter(([who]) => !stalled.has(who));
    const some = awake.length > 0 ? awake : [...children];
    const [who, child] = some[random.below(some.length)]!;
    children.delete(who);
    // All that it said is read, and then nothing more comes of it.
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  const disturbServer = async (disturbance: number) => {
    if (disturbance % Math.ceil(KILLS / (SERVER_KILLS + 1)) === 0) {
      await server.kill();
      await server.restart({ rewrites: false }); // the file is its record
    } else if (disturbance % DROP_EVERY === 0) {
      await server.dropConnections();
    }
  };
  try {
    const backend = new RedisBackend({ url: server.url, timeoutMs: 60_000 });
    for (let i = 0; i < CONSUMERS; i++) start();
    await publishAll(backend);
    await emptied(backend, ledger);
    await disturbing;
    await backend.close();
    assert.equal(kills, KILLS);
  } finally {
    while (children.size > 0) await kill();
  }
  await server.stop(); // so that its record is written
  const history = await readRedisHistory(server.dir, KEY, DEFAULT_GROUP);
  const { outlived } = judge(ledger, history, `${kills} of ${started} consumers killed`);
  assert.ok(outlived > 0, "no handler went on after its lease had ended");
});

test("soak: ordering keys on memory keep their order over abandoned leases", async () => {
  const random = seededRandom(seed);
  const ledger = new OrderingLedger(THREADS);
  const broker = new RecordingBroker();
  await using backend = new MemoryBackend({ broker });
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
    void runOrderingWorker(backend, {
      key: KEY,
      leaseMs: LEASE_MS,
      random: seededRandom(seed + who),
      say,
      now: () => monotonic(systemClock),
      abandoned: abandon.signal,
    });
  };
  for (let i = 0; i < CONSUMERS; i++) start();
  await publishAll(backend);
  await emptied(backend, ledger);
  for (const worker of workers.values()) worker.abort();
  broker.history.end();
  judge(ledger, broker.history, `${abandoned} of ${started} consumers gone`);
});
