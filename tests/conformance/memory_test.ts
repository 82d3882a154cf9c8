import { test } from "node:test";
import { MemoryBackend, MemoryBroker } from "../../backends/memory/mod.ts";
import { FakeClock, testBackend } from "../../testing/mod.ts";
import { memoryHarness } from "./support/memory_harness.ts";
import { reportAs } from "../runner/report_as.ts";

await testBackend({ test, harness: memoryHarness(), onReport: reportAs("memory") });

// The class as its users have it, without the wrapper that brings the powers.
await testBackend({
  test,
  onReport: reportAs("memory"),
  harness: {
    name: "MemoryBackend",
    open: () => {
      const clock = new FakeClock();
      const broker = new MemoryBroker({ clock });
      return {
        clock,
        connect: (options) => new MemoryBackend({ broker, ...options }),
        inject: (key, body) => broker.inject(key, body),
      };
    },
  },
});
