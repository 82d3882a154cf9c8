import { test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { cloudflareHarness } from "./support/cloudflare_harness.ts";
import { reportAs } from "../runner/report_as.ts";

await testBackend({ test, harness: cloudflareHarness(), onReport: reportAs("cloudflare over HTTP") });
