import { test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { cloudflareHarness } from "../support/cloudflare_harness.ts";

await testBackend({ test, harness: cloudflareHarness() });
