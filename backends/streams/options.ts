/**
 * The options that the streams engine adds to every backend that runs on it.
 *
 * @module
 */
import { count, oneOf, positive, text, type Validators, wholeNumber } from "../../core/util/validate.ts";

/** How a queue is bounded and how long ids are remembered. */
export interface StreamsOptions {
  /**
   * The most messages of a key that some group has yet to settle: waiting, in flight, to be retried, or delayed. Settled
   * ones never count. Where the stream has no group yet, all of its entries do.
   *
   * @default no limit
   */
  readonly maxLength?: number | undefined;
  /**
   * The behaviour of a publish over `maxLength`: `"reject"` it with code `"queue-full"`, or drop the oldest message of the stream;
   * where the stream has none, the delayed one that is due first.
   *
   * @default "reject"
   */
  readonly overflow?: "reject" | "drop-oldest" | undefined;
  /**
   * Milliseconds for which this publisher's ids are remembered. Where publishers of one key differ, each id is remembered
   * for the time of the one that published it.
   *
   * @default 3_600_000
   */
  readonly dedupWindowMs?: number | undefined;
  /**
   * How many messages that every group has settled stay in the stream, the newest, for readers without a group and for
   * groups that come later. They do not count as waiting. Give it to every process that consumes the key.
   *
   * @default 0
   */
  readonly keepSettled?: number | undefined;
  /**
   * The key that `health()` tries until one has been used: whether a publish to it would be taken. Give one that this
   * user may use.
   *
   * @default "slack_events"
   */
  readonly healthKey?: string | undefined;
}

/** The checks of {@link StreamsOptions}. */
export const STREAMS_CHECKS: Validators<StreamsOptions> = {
  maxLength: count,
  overflow: oneOf("reject", "drop-oldest"),
  dedupWindowMs: positive,
  keepSettled: wholeNumber,
  healthKey: text,
};
