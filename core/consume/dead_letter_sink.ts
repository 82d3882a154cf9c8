/**
 * Hands dead letters to the consumer's own sink, where the backend keeps none.
 *
 * @module
 */
import { toCause } from "../cause.ts";
import { ConsumeError } from "../errors.ts";
import type { DeliveryProcessor } from "./processor.ts";
import type { Delivery } from "../protocol.ts";

/**
 * Gives a message to the sink.
 *
 * @returns True, or `undefined` where the sink failed; the failure is reported to the observer.
 * @throws {ConsumeError} `"unsupported"`: there is no sink.
 */
export async function toDeadLetterSink(
  processor: DeliveryProcessor,
  delivery: Delivery,
  name: string,
  reason: unknown,
): Promise<true | undefined> {
  const { deadLetter } = processor.options;
  if (deadLetter === undefined) {
    throw new ConsumeError(
      "unsupported",
      `Cannot give up a message of "${delivery.key}": the backend keeps no dead letters, and createConsumer has no deadLetter`,
      { key: delivery.key, cause: reason },
    );
  }
  try {
    await deadLetter(delivery, toCause(reason));
    return true;
  } catch (error) {
    processor.reportFailure("Cannot keep a dead letter: the deadLetter sink failed", delivery, name, error);
    return undefined;
  }
}
