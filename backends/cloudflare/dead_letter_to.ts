/**
 * Dead letters of a push consumer: into the dead letter queue, with their cause.
 *
 * @module
 */
import type { DeadLetterSink } from "../../core/consume/consumer.ts";
import { envelope } from "../../core/envelope.ts";
import { bytesOf } from "../../core/util/json.ts";
import { MAX_BYTES } from "./messages.ts";
import type { QueueBinding } from "./options.ts";

/**
 * A sink for `createConsumer({ deadLetter })` that sends to the dead letter queue's own producer binding: the whole
 * message, with cause, attempts, key and times, in an envelope. Without such a sink the platform moves a message
 * there after its own `max_retries`, and does not know why.
 *
 * @example
 * ```ts
 * import { createConsumer } from "@slack-mcp/queue";
 * import { deadLetterTo, type QueueBinding } from "@slack-mcp/queue/cloudflare";
 *
 * function consumerFor(env: { SLACK_EVENTS_DLQ: QueueBinding }) {
 *   return createConsumer({
 *     handler: ({ payload }) => payload,
 *     deadLetter: deadLetterTo(env.SLACK_EVENTS_DLQ),
 *   });
 * }
 * ```
 */
export function deadLetterTo(queue: QueueBinding): DeadLetterSink {
  return async (delivery, cause, unreadable) => {
    const { id, headers, attempts, key, payload, publishedAt } = delivery;
    const fields = {
      id,
      headers: Object.keys(headers).length > 0 ? headers : undefined,
      cause,
      attempts,
      key,
      publishedAt: publishedAt?.getTime(),
      diedAt: Date.now(),
    };
    const content = unreadable === undefined ? { payload } : { body: unreadable };
    const whole = envelope(content, fields);
    // Where message and cause together are more than the platform takes, the message alone is what must be kept.
    const body = bytesOf(JSON.stringify(whole)) <= MAX_BYTES ? whole : unreadable ?? payload;
    await queue.sendBatch([{ body, contentType: "json" }]);
  };
}
