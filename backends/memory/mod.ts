/**
 * The embedded backend: queues in the memory of this process, and the default where `QUEUE_BACKEND` is not set.
 *
 * For development, tests, and a webhook and its handlers in one process. **Messages die with the process.**
 *
 * ## Delivery semantics
 *
 * 1. *Confirmed*: a publish resolves when the message is in the queue; nothing can be lost in between.
 * 2. *At least once*: a lease that ends without a settlement brings the message back.
 * 3. *Leases* are renewed while a message is in hand. Each delivery is a lease of its own: a late settlement returns
 *    `false` and changes nothing (fenced).
 * 4. *Attempts* are counted by the broker, per group.
 * 5. *Delays* are never early, of any length.
 * 6. *Dead letters* are kept per group, listed, replayed and purged; text that is no JSON goes there.
 * 7. *Bounded*: what every group has settled is freed at once. `maxLength` counts what waits or is in flight; a full
 *    key refuses with `"queue-full"`, or drops its oldest message with `overflow: "drop-oldest"`.
 * 8. *Groups* each see every message; a new one starts at the oldest message kept.
 * 9. *`consume`* acknowledges by asking; leaving the loop releases, uncounted, to the place the message had.
 * 10. *Backpressure*: no more than `prefetch` are leased; the backlog is in the broker, once.
 * 11. *Abort and close*: closing a backend releases what it holds; the broker and its messages stay.
 * 12. *Reconnects*: there is no connection.
 * 13. *Idle cost*: none; no timer runs unless a delay or a lease is pending.
 * 14. *Secrets*: there are none.
 *
 * Order: first in, first out per key. Dedup: a publisher's id is remembered for an hour (`dedupWindowMs`).
 *
 * ## Configuration
 *
 * `MEMORY_MAX_LENGTH`, `MEMORY_MESSAGE_TTL` (s), `MEMORY_TIMEOUT` (s), `MEMORY_MAX_RETRIES`, `MEMORY_RETRY_DELAY` (s).
 * Nothing needs to be set. `fromEnv` gives every caller in the process the same broker, so a webhook and a consumer
 * meet; `new MemoryBackend()` creates a broker of its own.
 *
 * ## Runtimes
 *
 * Deno, Bun, Node, Workers (there, memory is per isolate: use it to try things out, not to keep messages).
 *
 * @example
 * ```ts
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import assert from "node:assert/strict";
 *
 * await using backend = new MemoryBackend();
 * await backend.publish("slack_events", { type: "event_callback" }, { id: "Ev123" });
 * const again = await backend.publish("slack_events", { type: "event_callback" }, { id: "Ev123" });
 * assert.equal(again.outcome, "duplicate");
 *
 * for await (const delivery of backend.receive("slack_events")) {
 *   assert.equal(delivery.attempts, 1);
 *   await delivery.ack();
 *   break;
 * }
 * ```
 *
 * @module
 */
import { DriverBackend } from "../../core/driver_backend.ts";
import { readRetryFields, VariableReader } from "../../core/config/variables.ts";
import type { FromEnvOptions } from "../../core/config/registry.ts";
import { backendOptions } from "../../core/backend_options.ts";
import { UnbatchedSender } from "../../core/publish/unbatched_sender.ts";
import { MemoryBroker } from "./broker.ts";
import { MemoryDriver } from "./driver.ts";
import type { MemoryOptions } from "./options.ts";

export { MemoryBroker, MemoryDriver, type MemoryOptions };

/** Queues in the memory of this process. */
export class MemoryBackend extends DriverBackend {
  /**
   * Creates a backend over a broker of its own, unless the options name one.
   *
   * @param options The broker, limits and retries.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(options: MemoryOptions = {}) {
    // UnbatchedSender sends no batch a second time.
    super(new MemoryDriver(options, false), backendOptions(options), (context) => new UnbatchedSender(context));
  }
}

/** The broker that all backends of `fromEnv` share. Created at the first use. */
let shared: MemoryBroker | undefined;

/**
 * Creates a backend over the one broker of the process, so that all of them share their queues.
 *
 * @param env The environment with the `MEMORY_…` variables.
 * @param options The observer.
 * @returns A backend over the broker of this process.
 * @throws {ConfigError} A `MEMORY_…` variable that is wrong.
 */
export function fromEnv(env: object, { observer }: FromEnvOptions = {}): MemoryBackend {
  const reader = new VariableReader(env);
  const settings = readRetryFields(reader, "MEMORY");
  reader.check();
  shared ??= new MemoryBroker();
  return new MemoryBackend({ broker: shared, ...settings, observer });
}
