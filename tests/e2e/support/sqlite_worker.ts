/**
 * A process on a SQLite queue, on Deno, Bun or Node: publishes a range of numbers, or consumes and writes when it begins
 * and ends each of them. It is there to be killed.
 *
 * @module
 */
import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { SqliteBackend } from "../../../backends/sqlite/mod.ts";
import { createConsumer } from "../../../core/consume/consumer.ts";
import { QueueError } from "../../../core/errors.ts";

const [role = "", path = "", from = "0", to = "0"] = process.argv.slice(2);
const KEY = "slack_events";
const BATCH = 100;
const backend = new SqliteBackend({ path, leaseMs: 2_000, closeDeadlineMs: 1_000, timeoutMs: 20_000 });

/** What is in the pipe outlives this process. */
function tell(line: string): void {
  writeSync(1, `${line}\n`);
}

async function publish(): Promise<void> {
  for (let first = Number(from); first < Number(to); first += BATCH) {
    const messages = Array.from({ length: BATCH }, (_, i) => ({
      id: `soak-${first + i}`,
      payload: { n: first + i, text: "x".repeat(200) },
      orderingKey: `thread ${(first + i) % 1_000}`,
    }));
    for (;;) {
      try {
        await backend.publishBatch(KEY, messages);
        break;
      } catch (error) {
        if (!(error instanceof QueueError) || !error.retryable && error.code !== "unknown-outcome") throw error;
      }
    }
    tell(`published ${first + BATCH}`);
  }
  await backend.close();
}

if (role === "publish") {
  await publish();
} else {
  // All processes append to one file, so it has their order; lines of different pipes have none.
  const log = openSync(`${path}.handled`, "a");
  const consumer = createConsumer({
    concurrency: 50,
    maxAttempts: 1_000, // killed consumers count, and none of these messages is to be given up
    handler: async ({ payload, signal }) => {
      const name = `${payload.n} ${process.pid}`;
      writeSync(log, `begin ${name}\n`);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
      writeSync(log, `${signal.aborted ? "lost" : "end"} ${name}\n`);
      tell(`handled ${payload.n}`);
    },
  });
  tell("ready");
  await consumer.run(backend, KEY);
}
