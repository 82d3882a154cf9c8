// The kit with Deno's own runner, whose sanitizers see what a case leaves behind.
import { testBackend } from "../../../testing/mod.ts";
import { memoryHarness } from "../../conformance/support/memory_harness.ts";

await testBackend({ test: Deno.test, harness: memoryHarness("memory with Deno.test") });
