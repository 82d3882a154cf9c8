// The cases for platforms that push, on a platform made of the memory broker.
import { test } from "node:test";
import assert from "node:assert/strict";
import { runConformance, testBackend } from "../../testing/mod.ts";
import { pushHarness } from "../doubles/push_platform.ts";
import { ran } from "./support/ran.ts";

await testBackend({ test, harness: pushHarness() });

test("push: the capabilities that a platform can show by pushing are proven", async () => {
  const { capabilities } = await runConformance({ harness: pushHarness() });
  const { push, pull, delay, attempts, headers, groups } = capabilities;
  assert.deepEqual([push, delay, attempts, headers], ["proven", "proven", "proven", "proven"]);
  assert.deepEqual([pull, groups], ["not declared", "not declared"]);
});

test("push: a platform that drops what was to be retried is caught", async () => {
  const broken = pushHarness("drops retries", ({ lease }) => ({ lease, kind: "ack" }));
  const { cases } = await runConformance({ harness: broken, only: ["04-push-attempts"] });
  assert.deepEqual(ran(cases).map(({ status }) => status), ["failed"]);
});

test("push: a platform that ignores delays is caught", async () => {
  const broken = pushHarness(
    "ignores delays",
    ({ lease, attempts }) =>
      attempts === 1 ? { lease, kind: "retry", delayMs: 0, cause: undefined } : { lease, kind: "ack" },
  );
  const { cases } = await runConformance({ harness: broken, only: ["05-push-retry-delay"] });
  assert.deepEqual(ran(cases).map(({ status }) => status), ["failed"]);
});
