// The kit with Bun's own runner.
import { testBackend, type TestFunction } from "../../../testing/mod.ts";
import { memoryHarness } from "../../conformance/support/memory_harness.ts";

/** Not written where it is imported: nobody else knows the module. */
const RUNNER = "bun:test";
const { test } = await import(RUNNER) as { readonly test: TestFunction };

await testBackend({ test, harness: memoryHarness("memory with bun:test") });
