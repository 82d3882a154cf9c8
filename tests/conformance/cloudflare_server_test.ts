// The same as cloudflare_test.ts over real connections, with a server that can be stopped and started.
// not on workerd: listens on a port
import { test } from "node:test";
import { driverHarness, testBackend } from "../../testing/mod.ts";
import { CloudflareApi } from "../fakes/cloudflare_api.ts";
import { CloudflareApiServer } from "../fakes/cloudflare_api_server.ts";
import { brokerOf, MAX_LISTED } from "./support/cloudflare_harness.ts";
import { reportAs } from "../runner/report_as.ts";

await testBackend({
  test,
  caseTimeoutMs: 600_000,
  onReport: reportAs("cloudflare over HTTP"),
  harness: driverHarness({
    name: "cloudflare over http",
    maxListed: MAX_LISTED,
    delayMs: 1_000, // the platform counts in whole seconds
    open: async () => {
      const api = new CloudflareApi({ rateLimit: { requests: 1_000_000, windowMs: 300_000 } });
      const server = await new CloudflareApiServer(api).start();
      return {
        ...brokerOf(api, { apiUrl: server.url, maxPollMs: 250 }),
        restartBroker: async () => {
          await server.stop();
          await server.start();
        },
        close: () => server.stop(),
      };
    },
  }),
});
