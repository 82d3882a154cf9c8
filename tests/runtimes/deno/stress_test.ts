// The same cases ten times larger, sixteen at once: where a harness, or a case, has only just enough time or room.
import { test } from "node:test";
import assert from "node:assert/strict";
import { runConformance } from "../../../testing/mod.ts";
import { cloudflareHarness } from "../../conformance/support/cloudflare_harness.ts";
import { memoryHarness } from "../../conformance/support/memory_harness.ts";

for (const harness of [memoryHarness(), cloudflareHarness()]) {
  test(`stress: every case passes on ${harness.name}`, async () => {
    const { counts, cases, seed } = await runConformance({ harness, stress: true });
    assert.deepEqual(cases.filter(({ status }) => status === "failed"), [], `seed ${seed}`);
    assert.ok(counts.passed > 100, `${counts.passed} passed`);
  });
}
