/**
 * MY_DESCRIPTION
 *
 * ## Delivery semantics
 *
 * At least once: a message leaves the queue when it is acknowledged or given up. A consumer that is killed loses its
 * lease, and the message comes again. Say here where your broker differs.
 *
 * @example
 * ```ts
 * import { MyQueueBackend } from "@my-scope/my-queue";
 *
 * await using backend = new MyQueueBackend();
 * await backend.publish("slack_events", { type: "event_callback" });
 * for await (const delivery of backend.receive("slack_events")) {
 *   await delivery.ack();
 *   break;
 * }
 * ```
 *
 * @module
 */
import type { Env, FromEnvOptions } from "@slack-mcp/queue";
import { checkDriver, PortableBackend } from "@slack-mcp/queue/driver";
import { MyQueueDriver } from "./driver.ts";
import { type MyQueueOptions, portableOptions, readOptions } from "./options.ts";

export { MyQueueDriver, type MyQueueOptions };
export { type Client, Store } from "./store.ts";

/** A backend for `@slack-mcp/queue`. */
export class MyQueueBackend extends PortableBackend {
  /** Opens the backend. */
  constructor(options: MyQueueOptions = {}) {
    super(checkDriver(new MyQueueDriver(options)), portableOptions(options));
  }
}

/**
 * Makes the backend that the environment describes. The registry calls it where `QUEUE_BACKEND` is `my_queue`.
 *
 * @param env Variables such as `MY_QUEUE_URL`.
 * @param options The observer, which the portable layer tells of everything.
 * @returns The backend.
 * @throws {ConfigError} A variable that is wrong or does not apply.
 */
export function fromEnv(env: Env, { observer }: FromEnvOptions = {}): MyQueueBackend {
  return new MyQueueBackend({ ...readOptions(env), observer });
}
