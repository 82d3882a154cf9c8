// not on workerd: it collects garbage when it likes, and does not tell how much memory is in use
import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import v8 from "node:v8";
import vm from "node:vm";
import { StreamsDriver } from "../../../../backends/streams/driver.ts";

v8.setFlagsFromString("--expose-gc");
const { Bun } = globalThis as { Bun?: { gc(now: true): void } };
const collect: () => void = Bun ? () => Bun.gc(true) : vm.runInNewContext("gc");

const KEYS = 30_000;
const LIMIT_MB = 10;

test("StreamsDriver keeps a bounded number of keys and groups that were received from", async () => {
  const driver = new StreamsDriver({
    secrets: [],
    run: () => Promise.resolve([0, -1, "0-0", "0-0"]), // nothing there, nothing due
    wait: () => Promise.resolve(),
    ping: () => Promise.resolve([]),
    close: () => Promise.resolve(),
    classify: () => "internal",
  }, { name: "streams", maxPayloadBytes: 1e6, maxBatchBytes: 1e6, maxWaitMs: 1, idleCostPerHour: 0 });
  const { signal } = new AbortController();
  const receive = (key: string) => driver.receive(key, { group: "g", max: 1, leaseMs: 1_000, waitMs: 0, signal });
  const used = () => {
    collect();
    return process.memoryUsage().heapUsed / 2 ** 20;
  };
  await receive("first");
  const before = used();
  for (let n = 0; n < KEYS; n++) await receive(`key${n}`);
  const grown = used() - before;
  assert.ok(grown < LIMIT_MB, `the heap has grown by ${grown.toFixed(1)} MB for ${KEYS} keys`);
  await receive("first");
});
