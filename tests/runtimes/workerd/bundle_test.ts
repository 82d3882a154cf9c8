/**
 * The budgets of a Worker's bundle. The example Worker is measured once more as Wrangler builds it: tests/e2e/worker_test.ts.
 *
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { BUNDLES, measureBundle } from "../../../bench/bundles.ts";

for (const { name, budget, ceiling = budget, code } of BUNDLES) {
  test(`workerd: the bundle of ${name} is within ${ceiling} bytes of gzip`, async (context) => {
    const { gzip, parts } = await measureBundle(code);
    context.diagnostic(`${gzip} bytes, budget ${budget}`);
    assert.ok(gzip <= ceiling, `${gzip} bytes`);
    const foreign = parts.filter(([file]) => file.includes("node_modules"));
    assert.deepEqual(foreign, [], "packages in the bundle");
  });
}
