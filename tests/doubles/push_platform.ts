/**
 * A platform that pushes, out of the memory broker: batches go into a consumer, which says message by message what
 * becomes of it, as on Cloudflare.
 *
 * @module
 */
import type { Consumer, PushBatch, PushMessage } from "../../core/consume/consumer.ts";
import { envelope } from "../../core/envelope.ts";
import type { JsonObject } from "../../core/protocol.ts";
import { DEFAULT_GROUP } from "../../core/protocol.ts";
import type { RawDelivery, Settlement } from "../../core/driver.ts";
import { MemoryBroker, MemoryDriver } from "../../backends/memory/mod.ts";
import { alterDriver } from "../../testing/faults/alter_driver.ts";
import { driverHarness } from "../../testing/driver_harness.ts";
import { FakeClock } from "../../testing/faults/fake_clock.ts";
import type { Harness } from "../../testing/harness.ts";

const never = new AbortController().signal;

/** What a batch's end makes of a message that its consumer said nothing about. */
type Settle = (raw: RawDelivery) => Settlement;

/** A harness of the platform. `settle` says what becomes of messages in place of what the consumer says. */
export function pushHarness(name = "pushing", settle?: Settle): Harness {
  return driverHarness({
    name,
    open: () => {
      const clock = new FakeClock();
      const broker = new MemoryBroker({ clock });
      const platform = new MemoryDriver({ broker, clock });
      return {
        clock,
        inject: (key, body) => broker.inject(key, body),
        driver: () =>
          alterDriver(new MemoryDriver({ broker, clock }), {
            receive: undefined,
            deadLetters: undefined,
            capabilities: {
              ...platform.capabilities,
              consume: "push",
              groups: false,
              deadLetters: false,
              replay: false,
              fencing: false,
              extend: false,
              release: false,
            },
          }),
        push: (key, consumer) => Promise.resolve(pump(platform, key, consumer, settle)),
      };
    },
  });
}

function pump(
  platform: MemoryDriver,
  key: string,
  consumer: Pick<Consumer, "handleBatch">,
  settle?: Settle,
): () => Promise<void> {
  const stop = new AbortController();
  const run = async () => {
    while (!stop.signal.aborted) {
      const options = { group: DEFAULT_GROUP, max: 10, leaseMs: 60_000, waitMs: 30_000, signal: stop.signal };
      const raws = await platform.receive(key, options);
      if (raws.length === 0) continue;
      const settlements = new Map<RawDelivery, Settlement>();
      const batch: PushBatch = { queue: key, messages: raws.map((raw) => message(raw, settlements)) };
      await consumer.handleBatch(batch);
      const all = raws.map((raw) =>
        settle?.(raw) ?? settlements.get(raw) ?? { lease: raw.lease, kind: "ack" as const }
      );
      await platform.settle(key, DEFAULT_GROUP, all);
    }
  };
  const running = run();
  return async () => {
    stop.abort(never.reason);
    await running;
  };
}

function message(raw: RawDelivery, settlements: Map<RawDelivery, Settlement>): PushMessage {
  const settled = (settlement: Settlement) => {
    if (!settlements.has(raw)) settlements.set(raw, settlement);
  };
  const { headers } = raw;
  return {
    id: raw.id,
    timestamp: new Date(raw.publishedAt ?? 0),
    body: typeof raw.body === "object" && headers
      ? envelope({ payload: raw.body as JsonObject }, { headers })
      : raw.body,
    attempts: raw.attempts,
    ack: () => settled({ lease: raw.lease, kind: "ack" }),
    retry: ({ delaySeconds = 0 } = {}) =>
      settled({ lease: raw.lease, kind: "retry", delayMs: delaySeconds * 1_000, cause: undefined }),
  };
}
