// not on workerd: a command runs where there is a process
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventLog } from "../../../cli/serve/events.ts";
import { Incidents } from "../../../cli/serve/incidents.ts";
import { createLog } from "../../../cli/serve/log.ts";
import { combine, onlyWithout } from "../../../cli/serve/observers.ts";
import { QueueError } from "../../../core/errors.ts";
import type { QueueMessageEvent } from "../../../core/observer.ts";
import type { SlackRequestReport } from "../../../slack/mod.ts";
import { FakeClock } from "../../../testing/mod.ts";

type Line = Readonly<Record<string, unknown>>;

function setUp() {
  const clock = new FakeClock();
  const lines: Line[] = [];
  const log = createLog((line) => void lines.push(JSON.parse(line)));
  const events = new EventLog(log, new Incidents(log, { clock }), clock);
  const taken = () => lines.splice(0).map(({ time: _time, ...line }) => line);
  return { clock, events, observer: events.observer, taken };
}

const message = (id: string, more: Partial<QueueMessageEvent> = {}): QueueMessageEvent => ({
  backend: "redis",
  key: "slack_events",
  id,
  group: "slack-mcp",
  attempts: 1,
  ...more,
});
const refused = new QueueError("connection", "connect ECONNREFUSED");

test("EventLog: a lost connection is one line, and its return another", () => {
  const { events, observer, taken } = setUp();
  observer.disconnected!({ backend: "redis", error: refused });
  assert.equal(events.connection.lost, true);
  const failed = { backend: "redis", key: "k", failures: 3, error: refused };
  observer.failed!({ ...failed, operation: "receive" });
  observer.failed!({ ...failed, operation: "publish", error: new QueueError("timeout", "late") });
  observer.connected!({ backend: "redis", downMs: 12_300, failures: 7 });
  assert.equal(events.connection.lost, false);
  assert.deepEqual(taken(), [
    {
      level: "error",
      message: "the queue cannot be reached",
      backend: "redis",
      error: { name: "QueueError", code: "connection", message: "connect ECONNREFUSED" },
    },
    { level: "info", message: "the queue can be reached again", backend: "redis", seconds: 12, failures: 7 },
  ]);
});

test("EventLog: a connection that comes and goes does not flood the log", async () => {
  const { clock, observer, taken } = setUp();
  const lose = () => observer.disconnected!({ backend: "redis", error: refused });
  const find = (downMs = 100) => observer.connected!({ backend: "redis", downMs, failures: 1 });
  for (let n = 0; n < 100; n++) {
    lose();
    find();
  }
  const pair = ["the queue cannot be reached", "the queue can be reached again"];
  const moment = "the queue was away for a moment";
  assert.deepEqual(taken().map((line) => line.message), [...pair, ...pair, ...pair, moment]);
  await clock.advance(60_000);
  assert.deepEqual(taken().map((line) => [line.message, line.more]), [[moment, 95]]);
  lose();
  find();
  assert.deepEqual(taken().map((line) => line.message), pair, "a minute later it is told at once");
});

test("EventLog: a loss that was not told at once is told while it lasts", async () => {
  const { clock, observer, taken } = setUp();
  const lose = () => observer.disconnected!({ backend: "redis", error: refused });
  for (let n = 0; n < 3; n++) {
    lose();
    observer.connected!({ backend: "redis", downMs: 100, failures: 1 });
  }
  taken();
  lose();
  assert.deepEqual(taken(), []);
  await clock.advance(60_000);
  assert.deepEqual(taken().map(({ message, seconds }) => [message, seconds]), [["the queue cannot be reached", 60]]);
  observer.connected!({ backend: "redis", downMs: 60_000, failures: 9 });
  assert.deepEqual(taken().map((line) => line.message), ["the queue can be reached again"]);
});

test("EventLog: retries, dead letters and lost leases name event and reason", () => {
  const { observer, taken } = setUp();
  const reason = { name: "TypeError", message: "no channel" };
  observer.retried!(message("Ev1", { reason }));
  observer.deadLettered!(message("Ev1", { attempts: 5, reason }));
  observer.leaseLost!(message("Ev2"));
  const error = new QueueError("internal", "Cannot settle");
  observer.failed!({ backend: "redis", key: "slack_events", operation: "settle", failures: 1, error });
  const about = { key: "slack_events", group: "slack-mcp", attempts: 1 };
  assert.deepEqual(taken(), [
    { level: "warn", message: "event failed, to be tried again", ...about, id: "Ev1", error: reason },
    {
      level: "error",
      message: "event given up: moved to the dead letters",
      ...about,
      id: "Ev1",
      attempts: 5,
      error: reason,
    },
    { level: "warn", message: "lease lost: another consumer has the event", ...about, id: "Ev2" },
    {
      level: "error",
      message: "an outcome could not be written to the queue: the event may come again",
      backend: "redis",
      key: "slack_events",
      failures: 1,
      error: { name: "QueueError", code: "internal", message: "Cannot settle" },
    },
  ]);
});

test("EventLog: errors of another kind are told although one of the first kind was", () => {
  const { observer, taken } = setUp();
  for (let n = 0; n < 50; n++) {
    observer.deadLettered!(message(`Ev${n}`, { reason: { name: "TypeError", message: `of ${n}` } }));
    observer.deadLettered!(message(`Ev${n}`, { reason: { name: "RangeError", message: `of ${n}` } }));
  }
  assert.equal(taken().length, 2);
});

test("EventLog: an unreadable message is one line, once it is a dead letter", () => {
  const { observer, taken } = setUp();
  const reason = { name: "ConsumeError", message: "Cannot read a message: it is not a JSON object" };
  observer.unreadable!(message("7-0", { reason }));
  assert.deepEqual(taken(), []);
  observer.deadLettered!(message("7-0", { reason }));
  assert.deepEqual(taken().map((line) => [line.level, line.message, line.id]), [
    ["error", "message that cannot be read moved to the dead letters", "7-0"],
  ]);
});

test("EventLog: requests that brought no event are told, each outcome for itself", () => {
  const { events, taken } = setUp();
  const report = (more: Partial<SlackRequestReport>) =>
    events.request({ outcome: "accepted", status: 200, durationMs: 1, ...more });
  report({});
  report({ outcome: "duplicate" });
  report({ outcome: "unconfirmed", status: 503, eventId: "Ev1", error: refused });
  report({ outcome: "unconfirmed", status: 503, eventId: "Ev2", error: refused });
  report({ outcome: "unauthorized", status: 401, problem: "forged" });
  report({ outcome: "unauthorized", status: 401, problem: "stale" });
  report({ outcome: "unauthorized", status: 401, problem: "stale" });
  report({ outcome: "notFound", status: 404 });
  assert.deepEqual(taken().map((line) => [line.message, line.event_id ?? line.problem ?? line.outcome]), [
    ["event not confirmed by the queue: Slack was asked to send it again", "Ev1"],
    ["request refused", "forged"],
    ["request refused", "stale"],
    ["request refused", "notFound"],
  ]);
});

test("combine: each observer is called, also after one that throws", () => {
  const called: string[] = [];
  const observer = combine(
    {
      acked() {
        called.push("first");
        throw new Error("a metric must not change what is delivered");
      },
    },
    undefined,
    { acked: () => void called.push("second"), published: () => void called.push("published") },
  );
  observer.acked!(message("Ev1"));
  observer.published!(message("Ev1"));
  assert.deepEqual(called, ["first", "second", "published"]);
  assert.equal(observer.retried, undefined);
});

test("onlyWithout: the consumer tells until the backend does", () => {
  const called: string[] = [];
  const [backend, consumer] = onlyWithout({ acked: ({ id }) => void called.push(id) });
  consumer.acked!(message("a plugin without an observer"));
  backend.acked!(message("from the backend"));
  consumer.acked!(message("told already"));
  assert.deepEqual(called, ["a plugin without an observer", "from the backend"]);
});
