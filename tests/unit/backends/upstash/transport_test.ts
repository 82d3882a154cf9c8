import { test } from "node:test";
import assert from "node:assert/strict";
import { groupKeys } from "../../../../backends/streams/keys.ts";
import { UpstashTransport } from "../../../../backends/upstash/transport.ts";
import { FakeClock } from "../../../../testing/faults/fake_clock.ts";

test("UpstashTransport keeps a bounded number of listeners that nobody waits for", async () => {
  const clock = new FakeClock();
  let open = 0;
  const transport = new UpstashTransport(
    {
      connect: () => undefined,
      run: () => Promise.resolve(undefined),
      subscribe: (_channel, _onEvent, signal) => {
        open += 1;
        return new Promise((resolve) =>
          signal.addEventListener("abort", () => {
            open -= 1;
            resolve();
          })
        );
      },
    },
    clock,
    [],
  );
  const { signal } = new AbortController();
  for (let n = 0; n < 3_000; n++) {
    const keys = groupKeys(`key${n}`, "g");
    const waiting = transport.wait({ keys, version: transport.version(keys), streamId: "0", wakeId: "0" }, 1, signal);
    await clock.advance(1);
    await waiting;
  }
  assert.ok(open <= 1_000, `${open} subscriptions`);
  assert.ok(clock.pending <= 1_000, `${clock.pending} timers`);
  await transport.close();
  assert.equal(open, 0);
});
