import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBackend } from "../../../../backends/memory/mod.ts";

test("receive rejects on a closed backend, and ends for an aborted signal", async () => {
  const backend = new MemoryBackend();
  const aborted = backend.receive("key", { signal: AbortSignal.abort() });
  assert.equal((await aborted.next()).done, true);
  await backend.close();
  await assert.rejects(backend.receive("key").next(), { code: "closed" });
  await assert.rejects(backend.consume("key").next(), { code: "closed" });
});
