/**
 * The consumer of an ordering soak in a process of its own, to be killed. What it says is in the pipe, which outlives it,
 * before anything is acknowledged.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { RedisBackend } from "../../../backends/redis/mod.ts";
import { seededRandom } from "../../../testing/random.ts";
import { runOrderingWorker } from "./ordering_worker.ts";

const [url = "", key = "", lease = "", seed = "", stallEvery = ""] = process.argv.slice(2);
const backend = new RedisBackend({ url, closeDeadlineMs: 1_000 });

/** Sleeps so that no timer runs, as a handler that computes would. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

await runOrderingWorker(backend, {
  key,
  leaseMs: Number(lease),
  random: seededRandom(Number(seed)),
  say: (line) => void writeSync(1, `${line}\n`),
  now: () => Date.now(),
  stall,
  stallEvery: Number(stallEvery),
});
