import { test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { memoryHarness } from "../support/memory_harness.ts";

await testBackend({ test, harness: memoryHarness() });
