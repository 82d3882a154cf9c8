import process from "node:process";
import { test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { reportAs } from "../runner/report_as.ts";
import type { UpstashControl } from "../fakes/upstash_control.ts";
import { upstashHarness } from "./support/upstash_harness.ts";

/** Not written where it is imported, so that no bundle for workerd tries to have servers in it. */
const SERVER = "../fakes/upstash_control.ts";

async function startControl(): Promise<UpstashControl> {
  const { startUpstashControl } = await import(SERVER) as { startUpstashControl(): Promise<UpstashControl> };
  return await startUpstashControl();
}

// In workerd the runner has started it outside.
const outside = process.env.UPSTASH_CONTROL;
const control = outside ? undefined : await startControl();
const harness = upstashHarness(outside ?? control!.url);
await testBackend({ test, harness, caseTimeoutMs: 600_000, onReport: reportAs("upstash") });
if (control) test("upstash: the test server ends", async () => await control[Symbol.asyncDispose]());
