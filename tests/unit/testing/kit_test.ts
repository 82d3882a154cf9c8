// The kit is honest: about what it could not prove, what is not declared, and what works though undeclared.
import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryDriver } from "../../../backends/memory/mod.ts";
import {
  conformanceCases,
  type ConformanceReport,
  type Harness,
  Reader,
  runConformance,
  testBackend,
} from "../../../testing/mod.ts";
import { altered, bare, chosen, collector, ids } from "./support/harnesses.ts";

test("kit: a case whose power is lacking is skipped by name with the reason, never run", async () => {
  const runner = collector(true);
  await testBackend({ test: runner.test, harness: bare(), only: ids });
  assert.deepEqual([...runner.run.keys()], [
    "bare: rule 02: what a handler gives back comes again at once, whole [02-retried]",
    "bare: the report",
  ]);
  assert.deepEqual(runner.skipped, [
    "bare: rule 02: a killed consumer's message comes again after the lease, not before [02-killed] (not proven: the harness lacks kill)",
    "bare: rule 04: the count outlives a restart of the broker [04-restart] (not declared: the backend does not declare durable)",
  ]);
});

test("kit: without skip, a case that cannot run is in the report alone", async () => {
  const runner = collector(false);
  let report: ConformanceReport | undefined;
  await testBackend({ test: runner.test, harness: bare(), only: ids, onReport: (made) => void (report = made) });
  assert.equal(runner.run.size, 2);
  for (const run of runner.run.values()) await run();
  assert.deepEqual(chosen(report).map(({ id, status }) => [id, status]), [
    ["02-killed", "not-proven"],
    ["02-retried", "passed"],
    ["04-restart", "not-declared"],
  ]);
  assert.equal(chosen(report)[0]?.reason, "the harness lacks kill");
});

test("kit: a case that its runner left out is reported as not run", async () => {
  const runner = collector(true);
  let report: ConformanceReport | undefined;
  await testBackend({ test: runner.test, harness: bare(), only: ids, onReport: (made) => void (report = made) });
  await runner.run.get("bare: the report")!();
  assert.equal(report?.cases.find(({ id }) => id === "02-retried")?.status, "not-run");
});

test("kit: undeclared capabilities are tried, never fail, and are reported", async () => {
  const runner = collector(true);
  const harness = bare({ dedup: false });
  let report: ConformanceReport | undefined;
  const only = ["01-duplicate", "01-duplicate-elsewhere", "01-duplicate-race"];
  await testBackend({ test: runner.test, harness, only, onReport: (made) => void (report = made) });
  assert.match([...runner.run.keys()][0]!, /\(not declared: tried for the report\)$/);
  for (const run of runner.run.values()) await run();
  assert.equal(report?.capabilities.dedup, "works though undeclared");
});

test("kit: what is not declared and does not work is reported as not declared", async () => {
  const report = await runConformance({ harness: bare({ delay: false }), only: ["05-publish"] });
  assert.equal(report.capabilities.delay, "not declared");
  assert.deepEqual(chosen(report).map(({ status }) => status), ["not-declared"]);
});

test("kit: a failing capability is failed, one without a runnable case not proven", async () => {
  const only = ["02-ttl", "02-restarted"];
  const harness = bare({ durable: true });
  const broken: Harness = {
    ...harness,
    open: async () => {
      const broker = await harness.open();
      return { ...broker, connect: (options) => broker.connect({ ...options, messageTtlMs: 1 }) };
    },
  };
  const { capabilities, counts } = await runConformance({ harness: broken, only });
  assert.deepEqual([capabilities.ttl, capabilities.durable], ["failed", "not proven"]);
  assert.deepEqual([counts.failed, counts["not-proven"]], [1, 1]);
});

test("kit: a failure names the case and the seed, and keeps its cause", async () => {
  const runner = collector(true);
  const harness = bare();
  const failing: Harness = {
    ...harness,
    open: async () => {
      const broker = await harness.open();
      return { ...broker, connect: (options) => broker.connect({ ...options, messageTtlMs: 1 }) };
    },
  };
  await testBackend({ test: runner.test, harness: failing, only: ["02-ttl"], seed: 99 });
  await assert.rejects([...runner.run.values()][0]!(), (error: Error) => {
    assert.match(error.message, /^02-ttl: .+ \(seed 99\)$/);
    assert.ok(error.cause instanceof Error);
    return true;
  });
});

test("kit: a case that hangs ends, as failed", async () => {
  const harness = bare();
  const hanging: Harness = {
    ...harness,
    open: async () => ({ ...await harness.open(), connect: () => new Promise<never>(() => {}) }),
  };
  let opened = 0;
  const once: Harness = { ...harness, open: () => ++opened === 1 ? harness.open() : hanging.open() };
  const report = await runConformance({ harness: once, only: ["02-retried"], caseTimeoutMs: 50 });
  assert.deepEqual(chosen(report).map(({ status, reason }) => [status, reason?.replace(/ \(seed \d+\)/, "")]), [
    ["failed", "02-retried: did not end within 50 ms, waiting for: the harness's connect()"],
  ]);
});

test("kit: a harness that cannot be opened is the caller's to see", async () => {
  const harness: Harness = { name: "down", open: () => Promise.reject(new Error("no broker")) };
  await assert.rejects(testBackend({ test: () => undefined, harness }), /no broker/);
});

test("kit: under stress the same cases run larger, at once, and all pass", async () => {
  const only = ["01-concurrent", "02-shared", "08-ten", "09-many-times", "10-in-flight", "12-waiting-read"];
  const report = await runConformance({ harness: () => bare(), only, stress: true });
  assert.equal(report.stress, true);
  assert.deepEqual(chosen(report).filter(({ status }) => status !== "passed").map(({ id }) => id), ["12-waiting-read"]);
  assert.equal(report.counts["not-proven"], 1);
});

test("kit: cases that run at once begin ahead of a runner that asks for all alone", async () => {
  let [opened, open] = [0, 0];
  const harness = bare();
  const counting: Harness = {
    ...harness,
    open: async () => {
      opened += 1;
      open += 1;
      const broker = await harness.open();
      return {
        ...broker,
        close: async () => {
          await broker.close?.();
          open -= 1;
        },
      };
    },
  };
  const all = collector(true);
  await testBackend({ test: all.test, harness: counting, atOnce: 4 });
  const cases = [...all.run.values()].slice(0, -1);
  assert.equal(opened, 1, "to see what there is");
  const first = cases[0]!();
  assert.equal(opened, 1 + 4);
  await first;
  for (const run of cases.slice(1)) {
    assert.equal(open, 0, "a runner may stop here");
    await run();
  }
  assert.equal(opened, 1 + cases.length, "each once");

  opened = 0;
  const few = collector(true);
  await testBackend({ test: few.test, harness: counting, atOnce: 4 });
  const named = [...few.run.values()].slice(3, 5);
  for (const run of named) await run();
  assert.equal(opened, 1 + named.length);
});

test("kit: every case has an id of its own, under its rule, and a title", () => {
  assert.ok(conformanceCases.length >= 60, `${conformanceCases.length} cases`);
  assert.equal(new Set(conformanceCases.map(({ id }) => id)).size, conformanceCases.length);
  assert.equal(new Set(conformanceCases.map(({ title }) => title)).size, conformanceCases.length);
  for (const { id, rule, title } of conformanceCases) {
    assert.match(id, /^\d\d-[a-z][a-z-]*$/);
    assert.equal(Number(id.slice(0, 2)), rule);
    assert.ok(rule >= 1 && rule <= 15, id);
    assert.ok(!title.endsWith("."), title);
  }
  assert.equal(new Set(conformanceCases.map(({ rule }) => rule)).size, 15);
});

test("kit: where receive throws, each reading case fails with the reason", async () => {
  const harness = altered({
    receive: () => Promise.reject(new Error("no such queue")),
    classify: () => "invalid",
  });
  const only = ["02-shared", "06-exactly-n", "10-concurrency", "11-consumer-drains", "11-consumer-closes"];
  const cases = chosen(await runConformance({ harness, only }));
  assert.deepEqual(cases.map(({ id, status }) => [id, status]), only.map((id) => [id, "failed"]));
  for (const { id, reason } of cases) assert.match(reason!, /no such queue/, id);
});

test("kit: an unawaited rejection of close, publish or ack fails its case alone", async () => {
  const rejects = () => Promise.reject(new Error("the connection is gone"));
  let closes = 0; // the first is that of the backend which the kit only looks at
  const close = () => closes++ === 0 ? Promise.resolve() : rejects();
  for (
    const [members, only] of [
      [{ close }, ["11-sends-what-was-published", "11-handlers-finish"]],
      [{ send: rejects }, ["11-sends-what-was-published", "11-abort-waiting"]],
      [{ settle: rejects }, ["10-large-backlog"]],
    ] as const
  ) {
    const cases = chosen(await runConformance({ harness: altered(members), only }));
    assert.deepEqual(cases.map(({ id, status }) => [id, status]), only.map((id) => [id, "failed"]));
  }
});

test("kit: nothing comes means that the iteration neither ends nor fails", async () => {
  const clock = {
    settles: <T>(promise: PromiseLike<T>) => Promise.resolve(promise),
    inBackground: <T>(work: Promise<T>) => (work.catch(() => undefined), work),
    pass: () => new Promise<void>((resolve) => setTimeout(resolve)),
  };
  async function* quiet() {
    yield await new Promise<number>(() => {});
  }
  async function* ended() {}
  async function* failed() {
    yield await Promise.reject(new Error("the read failed"));
  }
  async function* came() {
    yield 1;
  }
  await new Reader(clock, quiet()).quiet(1, "then");
  await assert.rejects(new Reader(clock, ended()).quiet(1, "then"), /then: the iteration ended/);
  await assert.rejects(new Reader(clock, failed()).quiet(1, "then"), /the read failed/);
  await assert.rejects(new Reader(clock, came()).quiet(1, "then"), /then: a message came all the same/);
});

test("kit: a bare backend passes every case about what it lacks", async () => {
  const lacking = conformanceCases.filter(({ lacks }) => lacks !== undefined);
  const lacks = lacking.map((one) => one.lacks!);
  assert.ok(lacks.length >= 5, lacks.join(", "));
  const { capabilities } = new MemoryDriver();
  const lacked = { ...Object.fromEntries(lacks.map((name) => [name, false])), replay: false };
  const harness = altered({ capabilities: { ...capabilities, ...lacked }, depth: undefined, deadLetters: undefined });
  const cases = chosen(await runConformance({ harness, only: lacking.map(({ id }) => id) }));
  assert.deepEqual(cases.map(({ id, status }) => [id, status]), lacking.map(({ id }) => [id, "passed"]));
});
