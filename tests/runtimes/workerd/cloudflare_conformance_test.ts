/**
 * The conformance kit for Cloudflare's push, inside workerd: published through real bindings, pushed by Miniflare's
 * broker into `handleBatch`.
 *
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import type { CaseResult, ConformanceReport } from "../../../testing/mod.ts";
import { reportAs } from "../../runner/report_as.ts";
import { bundle, fetcher, ROOT, startWorkers } from "../../runner/workerd.ts";

/** More than the kit asks for: each case takes a queue for each of its keys, also while it is planned. */
const QUEUES = Array.from({ length: 150 }, (_, n) => `case-${n}`);

const miniflare = await startWorkers({
  code: await bundle(join(ROOT, "tests/runtimes/workerd/support/push_worker.ts")),
  queueProducers: Object.fromEntries(QUEUES.map((name) => [name, name])),
  queueConsumers: Object.fromEntries(
    QUEUES.map((name) => [name, { maxBatchSize: 100, maxBatchTimeout: 0.05, maxRetries: 100 }]),
  ),
});
const report = await (await (await fetcher(miniflare, "worker"))("http://worker/", { method: "POST" })).json() as
  & Omit<ConformanceReport, "cases">
  & { readonly cases: readonly (CaseResult & { readonly stack?: string })[] };
await miniflare.dispose();

for (const { id, rule, title, status, reason, stack } of report.cases) {
  const name = `cloudflare push: rule ${String(rule).padStart(2, "0")}: ${title} [${id}]`;
  const known = status === "passed" || status === "undeclared-works" || status === "failed";
  if (known) test(name, () => assert.notEqual(status, "failed", stack));
  else test.skip(`${name} (${status.replace("-", " ")}: ${reason})`, () => {});
}

test("cloudflare push: every pushing case ran, and what is missing is declared", () => {
  const pushed = report.cases.filter(({ id }) => id.includes("-push-"));
  assert.ok(pushed.length >= 12, `${pushed.length} cases`);
  assert.deepEqual(pushed.filter(({ status }) => status !== "passed"), []);
  assert.equal(report.capabilities.push, "proven");
  for (const name of ["dedup", "groups", "fencing", "extend", "release", "ttl", "maxLength", "fifo", "pull"] as const) {
    assert.equal(report.capabilities[name], "not declared", name);
  }
});

test("cloudflare push: the report is the one that is written down", () => reportAs("cloudflare in a Worker")(report));
