// The kit is honest: about what it could not prove, what is not declared, and what works though undeclared.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../core/backend.ts";
import type { Capabilities } from "../../../core/protocol.ts";
import type { QueueDriver } from "../../../core/driver.ts";
import { MemoryBroker, MemoryDriver } from "../../../backends/memory/mod.ts";
import { memoryHarness } from "../../conformance/support/memory_harness.ts";
import { ran } from "../../conformance/support/ran.ts";
import {
  alterDriver,
  type CaseResult,
  conformanceCases,
  type ConformanceReport,
  FakeClock,
  type Harness,
  Reader,
  runConformance,
  testBackend,
} from "../../../testing/mod.ts";

/** Returns a harness of the memory driver without features, which declares the given capabilities. */
function bare(capabilities: Partial<Capabilities> = {}): Harness {
  return {
    name: "bare",
    open: () => {
      const clock = new FakeClock();
      const broker = new MemoryBroker({ clock });
      return {
        clock,
        connect: ({ maxLength, ...options } = {}) => {
          const memory = new MemoryDriver({ broker, clock, maxLength });
          return createBackend(
            alterDriver(memory, { capabilities: { ...memory.capabilities, ...capabilities } }),
            options,
          );
        },
      };
    },
  };
}

const chosen = (report: ConformanceReport | undefined): CaseResult[] => ran(report?.cases ?? []);

interface Collected {
  readonly run: Map<string, () => Promise<void>>;
  readonly skipped: string[];
}

/** A runner that only remembers. */
function collector(withSkip: boolean): Collected & { test(name: string, fn: () => Promise<void>): void } {
  const run = new Map<string, () => Promise<void>>();
  const skipped: string[] = [];
  const test = (name: string, fn: () => Promise<void>) => void run.set(name, fn);
  return {
    run,
    skipped,
    test: withSkip ? Object.assign(test, { skip: (name: string) => void skipped.push(name) }) : test,
  };
}

const ids = ["02-killed", "02-retried", "04-restart"];

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
  assert.deepEqual(chosen(report).map(({ status, reason }) => [status, reason?.includes("did not end within 50 ms")]), [
    ["failed", true],
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

/** The bare harness, with some members of its driver altered. */
function altered(members: Partial<QueueDriver>): Harness {
  return {
    name: "altered",
    open: () => {
      const clock = new FakeClock();
      const memory: QueueDriver = new MemoryDriver({ broker: new MemoryBroker({ clock }), clock });
      return {
        clock,
        connect: ({ maxLength: _, ...options } = {}) => createBackend(alterDriver(memory, members), options),
      };
    },
  };
}

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

test("ConformanceReport lists the cases that `only` leaves out as not run", async () => {
  const { cases, capabilities, counts } = await runConformance({ harness: bare(), only: ["02-ttl"] });
  assert.equal(cases.length, conformanceCases.length);
  assert.deepEqual(ran(cases).map(({ id }) => id), ["02-ttl"]);
  assert.equal(counts["not-run"], conformanceCases.length - 1);
  assert.equal(cases.find(({ id }) => id === "02-killed")?.reason, "left out by only");
  assert.equal(capabilities.ttl, "not proven", "02-ttl-not-over did not run");
  const all = conformanceCases.filter(({ proves }) => proves === "ttl").map(({ id }) => id);
  assert.equal((await runConformance({ harness: bare(), only: all })).capabilities.ttl, "proven");
});

test("testBackend and runConformance refuse a case in only that does not exist", async () => {
  const options = { harness: bare(), only: ["02-killed", "02-kiled"] };
  await assert.rejects(runConformance(options), /RangeError: only must name cases of the kit, found 02-kiled$/);
  await assert.rejects(testBackend({ ...options, test: () => undefined }), RangeError);
});

test("testBackend prints a report whose last line counts tests as the runner does", async () => {
  const runner = collector(true);
  const printed: string[] = [];
  await testBackend({ test: runner.test, harness: bare(), only: ids, print: (text) => void printed.push(text) });
  for (const run of runner.run.values()) await run();
  assert.equal(printed.length, 1);
  const lines = printed[0]!.split("\n");
  assert.match(lines[0]!, /^Conformance of bare on \w+ \(seed \d+\)$/);
  assert.match(printed[0]!, /02-killed +not-proven +the harness lacks kill/);
  assert.match(printed[0]!, /Cases: 1 passed, 0 failed, 1 not-proven, 1 not-declared, \d+ not-run/);
  assert.equal(runner.run.size, 2);
  assert.equal(runner.skipped.length, 2);
  assert.equal(lines.at(-1), "Tests: 2 passed, 0 failed, 2 skipped");
});

test("testBackend prints failures as the runner counts them, also that of its onReport", async () => {
  const runner = collector(false);
  const printed: string[] = [];
  const harness = altered({ receive: () => Promise.reject(new Error("down")), classify: () => "invalid" });
  const onReport = () => Promise.reject(new Error("the report has no place to go"));
  const print = (text: string) => void printed.push(text);
  await testBackend({ test: runner.test, harness, only: ["02-retried"], print, onReport });
  for (const run of runner.run.values()) await assert.rejects(run());
  assert.match(printed[0]!, /\nTests: 0 passed, 2 failed, 0 skipped$/);
});

test("ConformanceReport leaves fencing unproven where requests cannot be held", async () => {
  const only = conformanceCases.filter(({ proves }) => proves === "fencing").map(({ id }) => id);
  const late = only.filter((id) => id.includes("arrives-late"));
  assert.equal(late.length, 5);
  const { capabilities, cases } = await runConformance({ harness: withoutHold(), only });
  assert.equal(capabilities.fencing, "not proven");
  assert.deepEqual(cases.filter(({ status }) => status === "not-proven").map(({ id }) => id), late);
  assert.equal((await runConformance({ harness: memoryHarness(), only })).capabilities.fencing, "proven");
});

function withoutHold(): Harness {
  const whole = memoryHarness();
  return { ...whole, open: async () => ({ ...await whole.open(), holdRequests: undefined }) };
}

test("Case 13-batched measures the declared costPerMessage, 1 by default", async () => {
  const spending = (costPerMessage: number | undefined) =>
    memoryHarness("spending", (driver, { spend }) =>
      alterDriver(driver, {
        capabilities: { ...driver.capabilities, costPerMessage },
        send: (key, messages, signal) => {
          for (const _ of messages) spend();
          return driver.send(key, messages, signal);
        },
        settle: (key, group, settlements, signal) => {
          for (const _ of settlements) spend();
          return driver.settle!(key, group, settlements, signal);
        },
      }));
  const status = async (cost: number | undefined) =>
    (await runConformance({ harness: spending(cost), only: ["13-batched"] })).capabilities.costPerMessage;
  assert.deepEqual([await status(undefined), await status(1), await status(2)], ["failed", "failed", "proven"]);
});

test("health in the kit passes without a ping only where it says that nobody was asked", async () => {
  const only = ["12-healthy", "12-unhealthy"];
  const silent = memoryHarness("silent", (driver) => alterDriver(driver, { ping: undefined }));
  assert.deepEqual(chosen(await runConformance({ harness: silent, only })).map(({ status }) => status), [
    "passed",
    "passed",
  ]);
});
