/**
 * The options that the streams engine adds to every backend that runs on it.
 *
 * @module
 */
import { count, oneOf, positive, text, type Validators } from "../../core/util/validate.ts";

/** How a queue is bounded and how long ids are remembered. */
export interface StreamsOptions {
  /** The most messages of a key that wait or are in flight in some group, delayed ones included. Default: no limit. */
  readonly maxLength?: number | undefined;
  /** What a publish over `maxLength` does: `"reject"` it with code `"queue-full"`, or drop the oldest message. Default: `"reject"`. */
  readonly overflow?: "reject" | "drop-oldest" | undefined;
  /** Milliseconds for which a publisher's ids are remembered. Default: 3,600,000 (an hour). */
  readonly dedupWindowMs?: number | undefined;
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
  healthKey: text,
};
