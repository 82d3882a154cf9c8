/**
 * A consumer in a process of its own, to be killed: it writes the number of each message that it has handled.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { RedisBackend } from "../../../backends/redis/mod.ts";
import { createConsumer } from "../../../core/consume/consumer.ts";

const [url = "", key = ""] = process.argv.slice(2);
const backend = new RedisBackend({ url, leaseMs: 2_000, closeDeadlineMs: 1_000 });
let lines: string[] = [];
let written: Promise<void> | undefined;

/** What is handled in one turn is one write. It is in the pipe, which outlives us, before anything is acknowledged. */
function tell(line: string): Promise<void> {
  lines.push(line);
  return written ??= new Promise((resolve) =>
    setImmediate(() => {
      writeSync(1, lines.join(""));
      lines = [];
      written = undefined;
      resolve();
    })
  );
}

const consumer = createConsumer({
  concurrency: 50,
  maxAttempts: 1_000, // killed consumers count, and none of these messages is to be given up
  handler: ({ payload }) => tell(`${payload.n}\n`),
});
await consumer.run(backend, key);
