/**
 * Dead letters of a push consumer: into the dead letter queue, with their cause.
 *
 * @module
 */
import type { DeadLetterSink } from "../../core/consume/consumer.ts";
import { encoded, envelope, type EnvelopeFields, pack } from "../../core/envelope.ts";
import { bytesIn } from "../../core/util/bytes.ts";
import { bytesOf, isJson } from "../../core/util/json.ts";
import type { JsonObject } from "../../core/protocol.ts";
import { MAX_BYTES } from "./limits.ts";
import type { BindingMessage, QueueBinding } from "./options.ts";

/**
 * A sink for `createConsumer({ deadLetter })` that sends to the dead letter queue's own producer binding: the whole
 * message, with cause, attempts, key and times, in an envelope. Without such a sink the platform moves a message
 * there after its own `max_retries`, and does not know why.
 *
 * Nothing of a message is changed on the way. Bytes are kept in base64; values that JSON cannot carry, such as a `Map`,
 * are sent with the content type `v8`, which only a Worker can read. Where the message and its cause together are more
 * than the platform takes, the message is sent as it came.
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
 *
 * @param queue The binding of the dead letter queue.
 * @returns A sink that resolves when the queue has the dead letter.
 */
export function deadLetterTo(queue: QueueBinding): DeadLetterSink {
  return async ({ id, headers, attempts, key, payload, publishedAt }, cause, body) => {
    const own = { id, ...Object.keys(headers).length > 0 && { headers } };
    const story = { ...own, cause, attempts, key, publishedAt: publishedAt?.getTime(), diedAt: Date.now() };
    await queue.sendBatch([
      body === undefined ? await payloadMessage(payload, story, own) : bodyMessage(body, story),
    ]);
  };
}

async function payloadMessage(
  payload: JsonObject,
  story: EnvelopeFields,
  own: EnvelopeFields,
): Promise<BindingMessage> {
  if (!isJson(payload)) return { body: envelope({ payload }, story), contentType: "v8" };
  const text = await pack(payload, story, MAX_BYTES) ?? await pack(payload, own, MAX_BYTES);
  return { body: text ? JSON.parse(text) : payload, contentType: "json" };
}

function bodyMessage(came: unknown, story: EnvelopeFields): BindingMessage {
  const bytes = bytesIn(came);
  const body = bytes ? encoded("base64", bytes, story) : envelope({ body: came }, story);
  if (!isJson(body)) return { body, contentType: "v8" };
  if (bytesOf(JSON.stringify(body)) <= MAX_BYTES) return { body, contentType: "json" };
  if (bytes) return { body: bytes, contentType: "bytes" };
  return { body: came, contentType: typeof came === "string" ? "text" : "json" };
}
