/**
 * The size of a batch, by the driver's limits.
 *
 * @module
 */
import { DEFAULT_MAX_BATCH_MESSAGES } from "../defaults.ts";
import type { DriverMessage, QueueDriver } from "../driver.ts";
import { bytesOf } from "../util/json.ts";

/** Returns a function that tells of one message after the other whether it still fits into one batch. The first always does. */
export function batchLimit(driver: QueueDriver): (message: DriverMessage) => boolean {
  const { maxBatchMessages = DEFAULT_MAX_BATCH_MESSAGES, maxBatchBytes = Infinity } = driver;
  let count = 0;
  let bytes = 0;
  let most = 0;
  const uncounted: string[] = [];
  return (message) => {
    count += 1;
    if (maxBatchBytes < Infinity) {
      const { body, headers, id, explicitId } = message;
      const text = headers || explicitId ? body + JSON.stringify({ id, headers }) : body;
      uncounted.push(text);
      // Three bytes is the most that UTF-8 needs for one unit of a JavaScript string: where even that fits, there is no need to count.
      most += text.length * 3;
      if (most > maxBatchBytes) most = bytes = uncounted.splice(0).reduce((sum, text) => sum + bytesOf(text), bytes);
    }
    return count === 1 || count <= maxBatchMessages && most <= maxBatchBytes;
  };
}
