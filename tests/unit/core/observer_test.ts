import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend } from "../../../backends/memory/mod.ts";
import { createBackend } from "../../../core/backend.ts";
import { createConsumer } from "../../../core/consume/consumer.ts";
import { notify, type QueueObserver } from "../../../core/observer.ts";
import { HandClock, turn } from "../../doubles/hand_clock.ts";
import { failure, ScriptedDriver } from "../../doubles/scripted_driver.ts";

const EVENTS = [
  ...["published", "delivered", "acked", "retried", "deadLettered", "unreadable"] as const,
  ...["leaseLost", "failed", "disconnected", "connected"] as const,
];

/** An observer that notes each event in a line. */
function notes(): { lines: string[]; observer: QueueObserver } {
  const lines: string[] = [];
  const note = (name: string) => (event: object) => void lines.push(`${name} ${JSON.stringify(event)}`);
  return { lines, observer: Object.fromEntries(EVENTS.map((name) => [name, note(name)])) };
}

test("QueueObserver gets each step of a message once, with its duration", async () => {
  const { lines, observer } = notes();
  const clock = new HandClock();
  const driver = new ScriptedDriver({ settle: (all) => all.map(({ lease }) => lease !== "lease-lost") });
  const backend = createBackend(driver, { clock, observer });
  await backend.publish("k", { secret: 1 }, { id: "a" });
  for (const id of ["ack", "retry", "dead", "lost"]) driver.put({ id, body: `{"secret":1}`, attempts: 2 });
  const deliveries = backend.receive("k", { group: "g" });
  const [ack, retry, dead, lost] = await Promise.all([1, 2, 3, 4].map(async () => (await deliveries.next()).value!));
  await clock.advance(30);
  await ack!.ack();
  await retry!.retry({ delayMs: 5, reason: new Error("again") });
  await dead!.deadLetter(new Error("poison"));
  await lost!.ack();
  const about = (id: string, more: object = {}) =>
    JSON.stringify({ backend: "scripted", key: "k", id, group: "g", attempts: 2, ...more });
  assert.deepEqual(lines, [
    `published ${JSON.stringify({ backend: "scripted", key: "k", id: "a", durationMs: 0 })}`,
    ...["ack", "retry", "dead", "lost"].map((id) => `delivered ${about(id)}`),
    `acked ${about("ack", { durationMs: 30 })}`,
    `retried ${about("retry", { durationMs: 30, reason: { name: "Error", message: "again" } })}`,
    `deadLettered ${about("dead", { durationMs: 30, reason: { name: "Error", message: "poison" } })}`,
    `leaseLost ${about("lost", { durationMs: 30 })}`,
  ]);
  assert.doesNotMatch(lines.join(), /secret/);
});

test("QueueObserver gets the duration of a publish to a driver in this process", async () => {
  const durations: unknown[] = [];
  const clock = new HandClock();
  await clock.advance(1_000);
  const observer = { published: ({ durationMs }: { durationMs?: number }) => void durations.push(durationMs) };
  await using backend = new MemoryBackend({ clock, observer });
  await backend.publish("k", {});
  assert.deepEqual(durations, [0]);
});

test("QueueObserver gets no duration for a message that was not handed out", async () => {
  const { lines, observer } = notes();
  const driver = new ScriptedDriver();
  const backend = createBackend(driver, { clock: new HandClock(), observer });
  driver.put("not json", "{}");
  await backend.receive("k").next();
  await turn();
  const dead = lines.filter((line) => line.startsWith("deadLettered"));
  assert.equal(dead.length, 1);
  assert.doesNotMatch(dead[0]!, /durationMs/);
  const unreadable = lines.filter((line) => line.startsWith("unreadable"));
  assert.deepEqual(unreadable.map((line) => JSON.parse(line.slice(11)).id), ["not json"]);
  assert.ok(lines.indexOf(unreadable[0]!) < lines.indexOf(dead[0]!));
});

test("QueueObserver gets failures with the operation and the number in a row", async () => {
  const { lines, observer } = notes();
  const clock = new HandClock();
  const twice = (call: number) => call <= 2 ? Promise.reject(failure("connection", "refused")) : undefined;
  const driver = new ScriptedDriver({
    send: (messages, _signal, call) => twice(call) ?? messages.map(() => ({ outcome: "added" })),
    receive: (_options, call) => twice(call),
    settle: (all, _signal, call) => twice(call) ?? all.map(() => true),
    extend: (leases, _leaseMs, call) => twice(call) ?? leases.map(() => true),
  });
  const backend = createBackend(driver, { clock, observer, random: () => 0 });
  const published = backend.publish("k", {});
  await clock.advance(1_000);
  await published;
  driver.put("{}");
  const next = backend.receive("k").next();
  await clock.advance(1_000);
  const { value: delivery } = await next;
  await clock.advance(20_000);
  const acked = delivery!.ack();
  await clock.advance(1_000);
  await acked;
  const failed = lines.filter((line) => line.startsWith("failed")).map((line) => JSON.parse(line.slice(7)));
  assert.deepEqual(
    failed.map(({ operation, failures, error }) => `${operation} ${failures} ${error.code}`),
    ["publish", "receive", "extend", "settle"].flatMap((name) => [`${name} 1 connection`, `${name} 2 connection`]),
  );
});

test("QueueObserver that throws or rejects changes nothing for anyone", async () => {
  const breaks: Record<string, (name: string) => unknown> = {
    throws: (name) => {
      throw new Error(`${name} failed`);
    },
    rejects: (name) => Promise.reject(new Error(`${name} failed later`)),
  };
  for (const how of Object.keys(breaks)) {
    let told = 0;
    const broken: QueueObserver = Object.fromEntries(EVENTS.map((name) => [name, () => {
      told += 1;
      return breaks[how]!(name);
    }]));
    const clock = new HandClock();
    const driver = new ScriptedDriver({
      send: (messages, _signal, call) =>
        call === 1 ? Promise.reject(failure("connection")) : messages.map(() => ({ outcome: "added" })),
    });
    const backend = createBackend(driver, { clock, observer: broken });
    const published = backend.publish("k", {});
    await clock.advance(1_000);
    assert.equal((await published).outcome, "added");
    driver.put(`{"n":0}`, `{"n":1}`, `{"n":2}`, "not json");
    const consumer = createConsumer({
      clock,
      maxAttempts: 1,
      observer: broken,
      handler: ({ payload }) => {
        if (payload.n === 1) throw new Error("fails");
      },
    });
    const summary = await consumer.drain(backend, "k");
    assert.deepEqual(summary, { acked: 2, retried: 0, deadLettered: 1, lost: 0 }, how);
    assert.ok(told > 10, `told ${told} times`);
    await turn(); // an unhandled rejection would end the run here
  }
});

test("QueueObserver methods run with their own object, and may be absent", () => {
  const seen: unknown[] = [];
  const observer = {
    prefix: "mine",
    acked(this: { prefix: string }, { id }: { id: string }) {
      seen.push(`${this.prefix} ${id}`);
    },
  };
  notify(observer, "acked", { backend: "b", key: "k", id: "1" });
  notify(observer, "retried", { backend: "b", key: "k", id: "1" });
  notify(undefined, "acked", { backend: "b", key: "k", id: "1" });
  assert.deepEqual(seen, ["mine 1"]);
});
