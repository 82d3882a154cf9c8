// not on workerd: a command runs where there is a process
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Incident, Incidents } from "../../../cli/serve/incidents.ts";
import { FakeClock } from "../../../testing/mod.ts";

function setUp() {
  const clock = new FakeClock();
  const lines: string[] = [];
  const incidents = new Incidents(
    (level, message, details) => void lines.push(`${level} ${message} ${JSON.stringify(details)}`),
    { clock },
  );
  const report = (message: string, n = 0, more: Partial<Incident> = {}) =>
    incidents.report({ level: "warn", message, details: { n }, ...more });
  return { clock, lines, incidents, report, taken: () => lines.splice(0) };
}

test("Incidents: the first of a kind is written at once, of another kind too", () => {
  const { report, taken } = setUp();
  assert.equal(report("failed", 1), true);
  assert.equal(report("failed", 2), false);
  assert.equal(report("lost", 3), true);
  assert.deepEqual(taken(), ['warn failed {"n":1}', 'warn lost {"n":3}']);
});

test("Incidents: a line a minute has the latest, and the count of those left out", async () => {
  const { clock, report, taken } = setUp();
  for (let n = 1; n <= 5; n++) report("failed", n);
  await clock.advance(59_999);
  assert.deepEqual(taken(), ['warn failed {"n":1}']);
  await clock.advance(1);
  assert.deepEqual(taken(), ['warn failed {"n":5,"more":3,"seconds":60}']);
  report("failed", 6);
  await clock.advance(60_000);
  assert.deepEqual(taken(), ['warn failed {"n":6,"more":0,"seconds":120}']);
});

test("Incidents: a minute without one ends it with one line; a single one needs none", async () => {
  const { clock, report, taken } = setUp();
  report("failed", 1);
  report("failed", 2);
  report("lost", 1);
  await clock.advance(60_000);
  taken();
  await clock.advance(60_000);
  assert.deepEqual(taken(), ['info over: failed {"count":2,"seconds":120}']);
  await clock.advance(600_000);
  assert.deepEqual(taken(), []);
  report("failed", 3);
  assert.deepEqual(taken(), ['warn failed {"n":3}'], "the next one is a first one again");
});

test("Incidents: variants of a message are told apart, up to a bound", () => {
  const { report, taken } = setUp();
  report("failed", 1, { variant: "timeout" });
  report("failed", 2, { variant: "connection" });
  assert.equal(taken().length, 2);
  for (let n = 0; n < 10_000; n++) report("failed", n, { variant: `v${n}` });
  const lines = taken().length;
  assert.ok(lines < 110, `${lines} lines`);
  assert.equal(report("another", 1), true, "another message is still told");
});

test("Incidents: close writes what was left out, and leaves no timer", async () => {
  const { clock, report, incidents, taken } = setUp();
  for (let n = 1; n <= 3; n++) report("failed", n);
  report("lost", 1);
  taken();
  incidents.close();
  assert.deepEqual(taken(), ['warn failed {"n":3,"more":1,"seconds":0}']);
  await clock.advance(600_000);
  report("late", 1);
  await clock.advance(600_000);
  assert.deepEqual(taken(), ['warn late {"n":1}'], "what comes after it is written, without a timer");
});
