/**
 * Options of the memory backend.
 *
 * @module
 */
import { count, object, oneOf, positive } from "../../core/util/validate.ts";
import type { Validators } from "../../core/util/validate.ts";
import { BACKEND_CHECKS, type BackendOptions } from "../../core/backend_options.ts";
import type { MemoryBroker } from "./broker.ts";

/** Options of `MemoryBackend`. */
export interface MemoryOptions extends BackendOptions {
  /**
   * The broker, to share its queues with other backends.
   *
   * @default a new one
   */
  readonly broker?: MemoryBroker | undefined;
  /**
   * The most messages of a key that wait or are in flight.
   *
   * @default no limit
   */
  readonly maxLength?: number | undefined;
  /**
   * Whether a publish to a full key rejects with `"queue-full"` or drops the oldest message.
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

/** The checks of {@link MemoryOptions}. */
export const MEMORY_CHECKS: Validators<MemoryOptions> = {
  ...BACKEND_CHECKS,
  broker: object,
  maxLength: count,
  overflow: oneOf("reject", "drop-oldest"),
  dedupWindowMs: positive,
};
