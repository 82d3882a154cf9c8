/**
 * MY_DESCRIPTION
 *
 * ## Delivery semantics
 *
 * Asking for the next message acknowledges the one before. Leaving the loop gives back the one in hand. There are no
 * leases: a process that is killed loses what it has in hand.
 *
 * @example
 * ```ts
 * import { MyQueueBackend } from "@my-scope/my-queue";
 *
 * await using backend = new MyQueueBackend();
 * await backend.publish("slack_events", { type: "event_callback" });
 * for await (const event of backend.consume("slack_events")) {
 *   console.log(event.type);
 *   break;
 * }
 * ```
 *
 * @module
 */
import type { Env } from "@slack-mcp/queue";
import { MyQueueBackend } from "./backend.ts";
import { type MyQueueOptions, readOptions } from "./options.ts";

export { MyQueueBackend, type MyQueueOptions };
export type { Lists } from "./backend.ts";

/**
 * Makes the backend that the environment describes. The registry calls it where `QUEUE_BACKEND` is `my_queue`.
 *
 * @param env Variables such as `MY_QUEUE_URL`.
 * @throws {ConfigError} A variable that is wrong or does not apply.
 */
export function fromEnv(env: Env): MyQueueBackend {
  return new MyQueueBackend(readOptions(env));
}
