// A plugin as its author writes it: a driver of under eighty lines and a harness; and the smallest plugin, without a driver.
import { test } from "node:test";
import assert from "node:assert/strict";
import { driverHarness, FakeClock, runConformance, testBackend } from "../../testing/mod.ts";
import { ListBackend } from "../doubles/list_backend.ts";
import type { QueueDriver } from "../../core/driver.ts";
import { gated } from "../doubles/held_requests.ts";
import { ListBroker, ListDriver } from "../doubles/list_driver.ts";

// The plugin joins the kit here.
const harness = driverHarness({
  name: "list",
  open: () => {
    const clock = new FakeClock();
    const broker = new ListBroker();
    const holds = new Map<QueueDriver, () => () => void>();
    return {
      clock,
      // The broker is this process: its driver does nothing before the one step in which a lease is checked and settled.
      driver: () => {
        const { driver, hold } = gated(new ListDriver(broker, clock));
        holds.set(driver, hold);
        return driver;
      },
      holdRequests: (driver) => holds.get(driver)!(),
    };
  },
});
await testBackend({ test, harness });

test("plugin: what it declares is proven, by the report", async () => {
  const { capabilities, counts } = await runConformance({ harness, atOnce: 16 });
  assert.equal(counts.failed, 0);
  assert.deepEqual(
    Object.entries(capabilities).filter(([, status]) => status === "proven").map(([name]) => name).toSorted(),
    ["attempts", "deadLetters", "delay", "extend", "fencing", "fifo", "headers", "maxPayloadBytes", "pull", "release"],
  );
});

// A backend of publish, consume and close alone.
await testBackend({
  test,
  harness: {
    name: "smallest",
    open: () => {
      const lists = new Map<string, string[]>();
      return { connect: () => new ListBackend(lists) };
    },
  },
});

test("plugin: the smallest backend is held to what it offers alone", async () => {
  const lists = new Map<string, string[]>();
  const { counts, cases } = await runConformance({
    harness: {
      name: "smallest",
      open: () => ({ connect: () => new ListBackend(lists), key: () => crypto.randomUUID() }),
    },
    atOnce: 16,
  });
  assert.deepEqual(cases.filter(({ status }) => status === "failed"), []);
  assert.ok(counts.passed >= 15, `${counts.passed} cases passed`);
  assert.ok(counts["not-declared"] > 100);
});
