// Every rule of delivery, proved against a real nats-server.
import { after, test } from "node:test";
import { type ConformanceReport, driverHarness, testBackend } from "@slack-mcp/queue/testing";
import assert from "node:assert/strict";
import { NatsDriver } from "@acme/nats-queue";
import { PASSWORD, startNats } from "./nats_server.ts";

const server = await startNats();
after(() => server[Symbol.asyncDispose]());

let cases = 0;
let report: ConformanceReport | undefined;

await testBackend({
  test,
  print: console.log,
  onReport: (made) => {
    report = made;
  },
  harness: driverHarness({
    name: "nats",
    leaseMs: 1_000,
    skewMs: 10,
    open: () => {
      const namespace = `case-${++cases}`;
      const options = { url: server.url, username: "app", password: PASSWORD, ackWaitMs: 1_000 };
      const injecting = new NatsDriver(options);
      return {
        key: (name) => `${namespace}:${name}`,
        secrets: [PASSWORD],
        driver: (own) => new NatsDriver({ ...options, maxLength: own.maxLength }),
        // Nothing listens on port 1 of this machine.
        unreachable: (own) => new NatsDriver({ ...options, ...own, url: "nats://127.0.0.1:1" }),
        restartBroker: async () => {
          // Killed, it keeps messages (outage_test.ts) and may forget the last acknowledgements.
          await server.stop();
          await server.start();
        },
        inject: (key, body) => injecting.inject(key, body),
        cost: () => server.received(),
        close: () => injecting.close(),
      };
    },
  }),
});

test("nats: what it declares is proven", () => {
  assert.ok(report);
  if (report.counts["not-run"] > 0) return; // narrowed
  const unproven = Object.entries(report.capabilities).filter(([, status]) => /^(failed|not proven)$/.test(status));
  assert.deepEqual(unproven, []);
});
