/**
 * The other process of the SQLite benchmark: publishes now and then, or writes as fast as it can.
 *
 * @module
 */
import { SqliteBackend } from "@slack-mcp/queue/sqlite";

const [role, path = ""] = Deno.args;
const backend = new SqliteBackend({ path });
for (;;) {
  if (role === "publish") {
    await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 15));
    await backend.publish("slack_events", { at: performance.timeOrigin + performance.now() });
  } else {
    await backend.publishBatch("other", Array.from({ length: 100 }, (_, n) => ({ payload: { n } }))).catch(() => {});
  }
}
