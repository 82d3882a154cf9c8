/**
 * Looks at the settings of a queue, as the HTTP API tells them.
 *
 * @module
 */
import type { Finding } from "../../core/protocol.ts";
import { bindingName } from "./platform.ts";
import type { DescribedQueue } from "./queues.ts";

/** Seconds for which a queue should keep what nobody reads: a consumer that is down for a night loses nothing. */
const RETENTION_S = 86_400;

/** Looks at a queue. */
export function diagnoseQueue(key: string, { queue, consumers = [], settings = {} }: DescribedQueue): Finding[] {
  const found: Finding[] = [];
  if (!consumers.some(({ dead_letter_queue }) => dead_letter_queue)) {
    found.push({
      severity: "error",
      setting: `CLOUDFLARE_QUEUE_${bindingName(key)}_DLQ`,
      problem: `the queue ${queue} has no dead letter queue: the platform deletes an event that failed too often`,
      repair: `create one (wrangler queues create ${queue}-dlq), and name it in this variable and in the consumer's ` +
        "dead_letter_queue",
    });
  }
  if (!consumers.some(({ type }) => type === "http_pull")) {
    found.push({
      severity: "error",
      setting: `queue ${queue}`,
      problem: `the queue ${queue} cannot be pulled from here: ${
        consumers.length === 0 ? "it has no consumer" : "its consumer is a Worker"
      }`,
      repair: `enable it with wrangler queues consumer http add ${queue}, or consume in the Worker alone`,
    });
  }
  if (settings.delivery_paused) {
    found.push({
      severity: "error",
      setting: `queue ${queue}`,
      problem: `the delivery of the queue ${queue} is paused: no event reaches a consumer`,
      repair: `resume it with wrangler queues resume-delivery ${queue}`,
    });
  }
  const kept = settings.message_retention_period;
  if (kept !== undefined && kept < RETENTION_S) {
    found.push({
      severity: "warning",
      setting: "message_retention_period",
      problem: `the queue ${queue} keeps an event for ${kept} s: what no consumer took by then is gone`,
      repair: `raise it with wrangler queues update ${queue} --message-retention-period-secs 345600`,
    });
  }
  return found;
}
