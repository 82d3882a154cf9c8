/**
 * Options of every backend on the SQL engine.
 *
 * @module
 */
import { count, oneOf, positive, type Validators } from "../../core/util/validate.ts";

/** Options of every backend on the SQL engine. */
export interface SqlOptions {
  /**
   * The most messages of a key that wait or are in flight.
   *
   * @default no limit
   */
  readonly maxLength?: number | undefined;
  /**
   * The behaviour of a publish to a full key: reject with `"queue-full"`, or drop the oldest message that is not in flight.
   *
   * @default "reject"
   */
  readonly overflow?: "reject" | "drop-oldest" | undefined;
  /**
   * Milliseconds for which a publisher's id is remembered. Slack retries for six minutes.
   *
   * @default 3_600_000
   */
  readonly dedupWindowMs?: number | undefined;
}

/** The checks of {@link SqlOptions}. */
export const SQL_CHECKS: Validators<SqlOptions> = {
  maxLength: count,
  overflow: oneOf("reject", "drop-oldest"),
  dedupWindowMs: positive,
};
