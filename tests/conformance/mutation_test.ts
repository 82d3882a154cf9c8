// Each backend that is wrong in one way is caught, by the case that is there for it; a correct one passes all.
import { test } from "node:test";
import assert from "node:assert/strict";
import { conformanceCases, runConformance } from "../../testing/mod.ts";
import { brokenBounds } from "../mutants/bounds.ts";
import { brokenDelivery } from "../mutants/delivery.ts";
import { brokenInspecting } from "../mutants/inspecting.ts";
import { brokenKeeping } from "../mutants/keeping.ts";
import { brokenLeases } from "../mutants/leases.ts";
import { brokenTogether } from "../mutants/together.ts";
import { brokenFencing } from "../mutants/unfenced.ts";
import { brokenOrdering } from "../mutants/ordering.ts";
import { memoryHarness } from "./support/memory_harness.ts";
import { ran } from "./support/ran.ts";

const broken = [
  ...brokenDelivery,
  ...brokenLeases,
  ...brokenKeeping,
  ...brokenInspecting,
  ...brokenFencing,
  ...brokenTogether,
  ...brokenOrdering,
  ...brokenBounds,
];

for (const { wrong, caughtBy, harness } of broken) {
  test(`mutation: a backend that ${wrong} is caught by ${caughtBy}`, async () => {
    const report = await runConformance({ harness, only: [caughtBy] });
    assert.deepEqual(ran(report.cases).map(({ id, status }) => [id, status]), [[caughtBy, "failed"]]);
  });
}

test("mutation: the cases that catch them pass for a correct backend", async () => {
  const only = broken.map(({ caughtBy }) => caughtBy);
  const report = await runConformance({ harness: memoryHarness(), only });
  assert.deepEqual(ran(report.cases).filter(({ status }) => status !== "passed"), []);
});

test("mutation: every rule has a backend that breaks it", () => {
  const rules = new Set(broken.map(({ caughtBy }) => conformanceCases.find(({ id }) => id === caughtBy)?.rule));
  assert.deepEqual([...rules].sort((a, b) => a! - b!), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
});

for (
  const wrong of [
    "delivers again after an ack",
    "counts a release as an attempt",
    "ignores the delay of a retry",
    "ignores ordering keys",
  ]
) {
  test(`mutation: the random run catches a backend that ${wrong}, and names its seed`, async () => {
    const { harness } = broken.find((one) => one.wrong === wrong)!;
    const seeded = (seed: number) => runConformance({ harness, only: ["02-random"], seed });
    const [first, again] = [await seeded(7), await seeded(7)];
    const [found] = ran(first.cases);
    assert.equal(found?.status, "failed");
    assert.match(found.reason!, /step \d+ of \d+: .+ \(seed 7\)$/s);
    assert.equal(ran(again.cases)[0]?.reason, found.reason);
  });
}
