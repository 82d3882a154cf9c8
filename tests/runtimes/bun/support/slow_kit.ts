/** A conformance test that Bun runs on its own: one case of it takes longer than Bun's five seconds. */
import { MemoryBackend } from "../../../../backends/memory/mod.ts";
import { type Harness, testBackend, type TestFunction } from "../../../../testing/mod.ts";

/** Returns a harness whose broker takes its time, except for the first look at it. */
function slowHarness(name: string): Harness {
  let opened = 0;
  return {
    name,
    open: async () => {
      if (opened++ > 0) await new Promise((resolve) => setTimeout(resolve, 6_000));
      return { connect: (options) => new MemoryBackend(options) };
    },
  };
}

/** Not written where they are imported: only Bun knows the first. */
for (const runner of ["bun:test", "node:test"]) {
  const { test } = await import(runner) as { readonly test: TestFunction };
  await testBackend({ test, harness: slowHarness(runner), only: ["01-receipt"] });
}
