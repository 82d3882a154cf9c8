/**
 * Upstash: HTTP requests and commands, counted by a test server that speaks Upstash's REST API in front of a
 * redis-server of its own, and how soon an idle consumer is woken on loopback.
 *
 * @module
 */
import { UpstashBackend } from "@slack-mcp/queue/upstash";
import { startUpstash } from "../tests/fakes/upstash_server.ts";
import { Report } from "./report.ts";

const payload = { type: "event_callback", event_id: "Ev0PV52K21" };

const report = new Report(52);

await using server = await startUpstash();
const options = { url: server.url, token: server.token };
await using publisher = new UpstashBackend(options);
await using consumer = new UpstashBackend({ ...options, prefetch: 1_000 });

/** Requests that it costs. */
async function requests(work: () => Promise<unknown>): Promise<number> {
  const before = server.requests;
  await work();
  return server.requests - before;
}

const concurrent = await requests(() =>
  Promise.all(Array.from({ length: 1_000 }, () => publisher.publish("slack_events", payload)))
);
report.row("1,000 concurrent publishes", `${concurrent} requests`, "≤ 10", concurrent <= 10);

const batch = await requests(() =>
  publisher.publishBatch("slack_events", Array.from({ length: 1_000 }, () => ({ payload })))
);
report.row("publishBatch of 1,000", `${batch} requests`, "≤ 1", batch <= 1);

const drained = await requests(async () => {
  let seen = 0;
  for await (const _ of consumer.consume("slack_events")) if (++seen === 2_000) break;
});
report.row("2,000 consumed and acknowledged", `${drained} requests`, "≤ 40", drained <= 40);

const waits: number[] = [];
const payloads = consumer.consume("wakes");
let next = payloads.next();
await server.until(() => server.subscriptions >= 1);
for (let i = 0; i < 21; i++) {
  const startedAt = performance.now();
  await publisher.publish("wakes", { i });
  await next;
  waits.push(performance.now() - startedAt);
  next = payloads.next();
}
const median = waits.sort((a, b) => a - b)[10]!;
report.row("publish → an idle consumer has it, median of 21", `${median.toFixed(1)} ms`, "< 250 ms", median < 250);

const { idleCostPerHour } = consumer.capabilities;
report.row(
  "idle consumer, declared and held by a test",
  `${idleCostPerHour} commands/h`,
  "≤ 130",
  idleCostPerHour <= 130,
);
await Promise.all([payloads.return?.(), next]);
// Not Deno.exit here: the backends would not be closed, and the server would not end.
globalThis.addEventListener("unload", () => {
  if (report.missed) Deno.exit(1);
});
