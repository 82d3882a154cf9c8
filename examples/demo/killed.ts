/**
 * The demo's process that is killed: publishes into a SQLite file, one event after the other, and writes the number of
 * each that is confirmed. It takes the first and never finishes with it.
 *
 * @module
 */
import process from "node:process";
import { SqliteBackend } from "@slack-mcp/queue/sqlite";

const backend = new SqliteBackend({ path: process.argv[2]!, leaseMs: 500 });
for (let n = 0;; n++) {
  await backend.publish("slack_events", { n });
  process.stdout.write(`${n}\n`);
  if (n === 0) await backend.receive("slack_events").next();
}
