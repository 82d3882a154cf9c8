// Every rule of delivery that a platform which pushes can show, proved for this one.
import { test } from "node:test";
import { driverHarness, FakeClock, testBackend } from "@slack-mcp/queue/testing";
import { MyQueueDriver, Platform } from "../mod.ts";

const PASSWORD = "correct-horse-battery-staple";

await testBackend({
  test,
  harness: driverHarness({
    name: "my_queue",
    open: () => {
      const clock = new FakeClock(); // leave it out with a real platform
      const client = new Platform(clock);
      return {
        clock,
        secrets: [PASSWORD],
        driver: () => new MyQueueDriver({ client, password: PASSWORD }),
        push: (key, consumer) => Promise.resolve(client.connect(key, consumer)),
        inject: (key, body) => client.add(key, [{ id: crypto.randomUUID(), body, delayMs: 0 }]),
      };
    },
  }),
});
