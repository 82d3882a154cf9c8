// not on workerd: imports clients that need Node's modules
import { test } from "node:test";
import assert from "node:assert/strict";
import { HttpDriver } from "../../../backends/cloudflare/http_driver.ts";
import { MemoryDriver } from "../../../backends/memory/mod.ts";
import { createDriver as createRabbitMQDriver } from "../../../backends/rabbitmq/driver.ts";
import { createDriver as createRedisDriver } from "../../../backends/redis/driver.ts";
import { createDriver as createSqliteDriver, createTransport } from "../../../backends/sqlite/driver.ts";
import { createDriver as createUpstashDriver } from "../../../backends/upstash/driver.ts";
import type { QueueDriver } from "../../../core/driver.ts";
import { checkDriver } from "../../../core/driver_checks.ts";

const SQLITE = { path: "never-opened.db" };

const DRIVERS: readonly (() => QueueDriver)[] = [
  () => new MemoryDriver(),
  () => createSqliteDriver(createTransport(SQLITE), SQLITE),
  () => createRedisDriver({}),
  () => createUpstashDriver({ url: "https://queue.example", token: "x" }),
  () => new HttpDriver({ accountId: "a", apiToken: "x" }),
  () => createRabbitMQDriver({}),
];

for (const create of DRIVERS) {
  const driver = create();
  // The backends do not check it when they start.
  test(`checkDriver accepts the driver of ${driver.name} (${driver.constructor.name})`, async () => {
    assert.equal(checkDriver(driver), driver);
    await driver.close();
  });
}
