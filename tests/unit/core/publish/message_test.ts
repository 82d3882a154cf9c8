import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend } from "../../../../backends/memory/mod.ts";

test("MessageFactory makes ids of one UUID, a dash and a count in base 36", async () => {
  await using backend = new MemoryBackend();
  const receipts = await backend.publishBatch("k", Array.from({ length: 3_000 }, () => ({ payload: {} })));
  const [prefix = ""] = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-/.exec(receipts[0]!.id) ?? [];
  assert.notEqual(prefix, "");
  assert.deepEqual(receipts.map(({ id }) => id), receipts.map((_, n) => prefix + n.toString(36)));
});
