/**
 * A consumer on RabbitMQ in a process of its own, to be killed: it writes the number of each message that it has handled.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { RabbitMQBackend } from "../../../backends/rabbitmq/mod.ts";
import { createConsumer } from "../../../core/consume/consumer.ts";

const [url = "", key = ""] = process.argv.slice(2);
const backend = new RabbitMQBackend({ url, timeoutMs: 20_000, closeDeadlineMs: 1_000 });
let lines: string[] = [];
let written: Promise<void> | undefined;

/** Writes what is handled in one turn at once. It is in the pipe, which outlives us, before anything is acknowledged. */
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
  backoff: () => 300,
  handler: async ({ payload, attempts }) => {
    // One in a hundred takes the way through a delay.
    if (Number(payload.n) % 100 === 0 && attempts === 1) throw new Error("not yet");
    await tell(`${payload.n}\n`);
  },
});
await consumer.run(backend, key);
