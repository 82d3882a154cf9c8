import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBackend } from "../../../backends/memory/mod.ts";
import { createConsumer } from "../../../core/consume/consumer.ts";
import { QueueError } from "../../../core/errors.ts";
import { createMetrics } from "../../../core/metrics/metrics.ts";
import type { QueueMessageEvent } from "../../../core/observer.ts";
import type { LeasingBackend } from "../../../core/protocol.ts";
import { FakeClock } from "../../../testing/mod.ts";

const event = (key: string, more: Partial<QueueMessageEvent> = {}): QueueMessageEvent => ({
  backend: "memory",
  key,
  id: "Ev1",
  group: "slack-mcp",
  ...more,
});

/** The value of a line, by its name with labels. */
function value(page: string, series: string): number | undefined {
  const line = page.split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

test("createMetrics counts what a backend does, once each", async () => {
  const metrics = createMetrics();
  await using backend = new MemoryBackend({ observer: metrics.observer });
  metrics.watch(backend, "k");
  for (const id of ["good", "flaky", "poison"]) await backend.publish("k", { id }, { id });
  let flaked = false;
  const handler = ({ id, attempts }: { id: string; attempts: number }) => {
    if (id === "poison") throw new Error("no");
    if (id === "flaky" && attempts === 1) {
      flaked = true;
      throw new Error("not yet");
    }
  };
  const over = new AbortController();
  const left = new Set(["good", "flaky", "poison"]);
  const ended = ({ id }: QueueMessageEvent) => void (left.delete(id) && left.size === 0 && over.abort());
  const observer = { acked: ended, deadLettered: ended };
  const consumer = createConsumer({ handler, observer, maxAttempts: 3, backoff: () => 0 });
  await consumer.run(backend, "k", { signal: over.signal });
  assert.equal(flaked, true);
  const page = await metrics.render();
  const labels = '{backend="memory",key="k",group="slack-mcp"}';
  assert.equal(value(page, 'slack_queue_published_total{backend="memory",key="k"}'), 3);
  assert.equal(value(page, `slack_queue_delivered_total${labels}`), 6);
  assert.equal(value(page, `slack_queue_acked_total${labels}`), 2);
  assert.equal(value(page, `slack_queue_retried_total${labels}`), 3);
  assert.equal(value(page, `slack_queue_dead_lettered_total${labels}`), 1);
  assert.equal(value(page, `slack_queue_leases_lost_total${labels}`), 0);
  assert.equal(value(page, `slack_queue_handling_duration_seconds_count${labels}`), 6);
  assert.equal(value(page, 'slack_queue_up{backend="memory"}'), 1);
  const states = labels.slice(0, -1);
  assert.equal(value(page, `slack_queue_messages${states},state="dead"}`), 1);
  assert.equal(value(page, `slack_queue_messages${states},state="in_flight"}`), 0);
});

test("createMetrics puts durations into cumulative buckets, in seconds", async () => {
  const metrics = createMetrics({ prefix: "bot" });
  for (const durationMs of [0, 1, 1.5, 40, 999, 1_000_000]) metrics.request({ outcome: "accepted", durationMs });
  const page = await metrics.render();
  const bucket = (bound: string) => value(page, `bot_request_duration_seconds_bucket{le="${bound}"}`);
  assert.deepEqual(["0.001", "0.005", "0.05", "1", "300", "+Inf"].map(bucket), [2, 3, 4, 5, 5, 6]);
  assert.equal(value(page, "bot_request_duration_seconds_count"), 6);
  assert.ok(Math.abs(value(page, "bot_request_duration_seconds_sum")! - 1001.0415) < 1e-6);
  assert.equal(value(page, 'bot_requests_total{outcome="accepted"}'), 6);
});

test("createMetrics bounds its labels, and holds no id", async () => {
  const metrics = createMetrics({ maxLabelValues: 10 });
  for (let n = 0; n < 1_000; n++) {
    metrics.observer.acked!(event(`key ${n}`, { id: `secret id ${n}`, group: `group ${n}`, reason: "secret reason" }));
    metrics.request({ outcome: `outcome ${n}`, durationMs: 1 });
  }
  metrics.observer.acked!(event("x".repeat(1_000)));
  const page = await metrics.render();
  assert.ok(page.split("\n").length < 60, `${page.split("\n").length} lines`);
  assert.equal(value(page, 'slack_queue_acked_total{backend="memory",key="(other)",group="(other)"}'), 991);
  assert.ok(!page.includes("secret") && !page.includes("xxx"));
});

test("createMetrics escapes what a label must not hold as it is", async () => {
  const metrics = createMetrics();
  metrics.observer.acked!(event('a"b\\c\nd'));
  assert.match(await metrics.render(), /key="a\\"b\\\\c\\nd"/);
});

test("createMetrics knows whether the broker is up, and what failed", async () => {
  const metrics = createMetrics();
  const error = new QueueError("connection", "connect ECONNREFUSED");
  metrics.observer.failed!({ backend: "redis", key: "k", operation: "receive", failures: 1, error });
  metrics.observer.disconnected!({ backend: "redis", error });
  let page = await metrics.render();
  assert.equal(value(page, 'slack_queue_up{backend="redis"}'), 0);
  assert.equal(value(page, 'slack_queue_disconnects_total{backend="redis"}'), 1);
  assert.equal(value(page, 'slack_queue_failures_total{backend="redis",operation="receive",code="connection"}'), 1);
  metrics.observer.connected!({ backend: "redis", downMs: 1, failures: 1 });
  page = await metrics.render();
  assert.equal(value(page, 'slack_queue_up{backend="redis"}'), 1);
});

/** A backend whose depth is counted, and fails when told. */
function depthBackend() {
  const asked = { times: 0, fails: false, hangs: false };
  const depth = async () => {
    asked.times++;
    if (asked.fails) throw new QueueError("connection", "connect ECONNREFUSED");
    if (asked.hangs) await new Promise(() => undefined);
    return { ready: asked.times, inFlight: 0, delayed: 0, blocked: 0, dead: 0 };
  };
  const backend = { name: "redis", capabilities: { depth: true }, depth } as unknown as LeasingBackend;
  return { asked, backend };
}
const READY = 'slack_queue_messages{backend="redis",key="k",group="slack-mcp",state="ready"}';

test("createMetrics asks for the depth once in five seconds", async () => {
  const clock = new FakeClock();
  const metrics = createMetrics({ clock });
  const { asked, backend } = depthBackend();
  metrics.watch(backend, "k");
  const pages = await Promise.all(Array.from({ length: 100 }, () => metrics.render()));
  assert.equal(asked.times, 1);
  assert.ok(pages.every((page) => value(page, READY) === 1));
  await clock.advance(4_999);
  await metrics.render();
  assert.equal(asked.times, 1);
  await clock.advance(1);
  assert.equal(value(await metrics.render(), READY), 2);
});

test("createMetrics leaves out a depth that is not told, and is not up then", async () => {
  const clock = new FakeClock();
  const metrics = createMetrics({ clock });
  const { asked, backend } = depthBackend();
  metrics.watch(backend, "k");
  await metrics.render();
  asked.fails = true;
  await clock.advance(5_000);
  let page = await metrics.render();
  assert.equal(value(page, READY), undefined);
  assert.equal(value(page, 'slack_queue_up{backend="redis"}'), 0);
  // The observer knows more than a depth that is kept.
  metrics.observer.connected!({ backend: "redis", downMs: 1, failures: 1 });
  page = await metrics.render();
  assert.equal(value(page, 'slack_queue_up{backend="redis"}'), 1);
});

test("createMetrics waits two seconds for the depth, and no longer", async () => {
  const clock = new FakeClock();
  const metrics = createMetrics({ clock });
  const { asked, backend } = depthBackend();
  asked.hangs = true;
  metrics.watch(backend, "k");
  const page = metrics.render();
  await clock.advance(2_000);
  assert.equal(value(await page, READY), undefined);
});

test("createMetrics tells the age of the oldest message where the backend can", async () => {
  const clock = new FakeClock();
  const metrics = createMetrics({ clock });
  await using backend = new MemoryBackend({ clock });
  metrics.watch(backend, "k");
  await backend.publish("k", { n: 1 });
  await clock.advance(90_000);
  const age = 'slack_queue_oldest_message_age_seconds{backend="memory",key="k",group="slack-mcp"}';
  assert.equal(value(await metrics.render(), age), 90);
});

test("createMetrics refuses options that are wrong", () => {
  assert.throws(() => createMetrics({ maxLabelValues: 0 }), RangeError);
  assert.throws(() => createMetrics({ timeoutMs: "2" as unknown as number }), TypeError);
  assert.throws(() => createMetrics({ depth: true } as object), TypeError);
});
