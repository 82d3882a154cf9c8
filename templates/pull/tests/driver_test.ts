// Faults on purpose: how the backend behaves when its broker does not.
import { test } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { PublishError } from "@slack-mcp/queue";
import { createBackend } from "@slack-mcp/queue/driver";
import { FakeClock, faultyDriver } from "@slack-mcp/queue/testing";
import { MyQueueDriver, Store } from "../mod.ts";

function setUp() {
  const clock = new FakeClock();
  const driver = faultyDriver(new MyQueueDriver({ client: new Store(clock), clock }), { clock });
  return { clock, driver, backend: createBackend(driver, { clock }) };
}

test("publish is tried again while the broker is unavailable", async () => {
  const { clock, driver, backend } = setUp();
  driver.failNext("send", "unavailable", 2);
  assertEquals((await clock.until(backend.publish("slack_events", { n: 1 }))).outcome, "added");
  assertEquals(driver.calls.send, 3);
  await clock.until(backend.close());
});

test("publish rejects when the broker refuses the credentials", async () => {
  const { clock, driver, backend } = setUp();
  driver.failNext("send", "unauthorized");
  const error = await assertRejects(() => clock.until(backend.publish("slack_events", { n: 1 })), PublishError);
  assertEquals(error.code, "unauthorized");
  await clock.until(backend.close());
});
