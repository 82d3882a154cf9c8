/**
 * MY_DESCRIPTION
 *
 * ## Delivery semantics
 *
 * The platform pushes batches to a consumer's `handleBatch`. At least once: a message leaves the platform when the
 * consumer acknowledges it or gives it up. Say here where your platform differs.
 *
 * @example
 * ```ts
 * import { createConsumer } from "@slack-mcp/queue";
 * import { MyQueueBackend, sharedPlatform } from "@my-scope/my-queue";
 *
 * const { promise, resolve } = Promise.withResolvers<void>();
 * const stop = sharedPlatform().connect("slack_events", createConsumer({ handler: () => resolve() }));
 * await using backend = new MyQueueBackend();
 * await backend.publish("slack_events", { type: "event_callback" });
 * await promise;
 * await stop();
 * ```
 *
 * @module
 */
import type { Env, FromEnvOptions } from "@slack-mcp/queue";
import { checkDriver, PortableBackend } from "@slack-mcp/queue/driver";
import { MyQueueDriver } from "./driver.ts";
import { type MyQueueOptions, portableOptions, readOptions } from "./options.ts";

export { MyQueueDriver, type MyQueueOptions };
export { sharedPlatform } from "./driver.ts";
export { type Outgoing, Platform } from "./platform.ts";

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
