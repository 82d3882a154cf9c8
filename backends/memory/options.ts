/**
 * Options of the memory backend.
 *
 * @module
 */
import { count, object, oneOf, positive } from "../../core/util/validate.ts";
import type { Validators } from "../../core/util/validate.ts";
import { BACKEND_CHECKS, type BackendOptions } from "../../core/context.ts";
import type { MemoryBroker } from "./broker.ts";

/** Options of `MemoryBackend`. */
export interface MemoryOptions extends BackendOptions {
  /** The broker to meet on. Default: a new one, which nobody else sees. */
  readonly broker?: MemoryBroker | undefined;
  /** The most messages of a key that wait or are in flight. Default: no limit. */
  readonly maxLength?: number | undefined;
  /** What a publish to a full key does: reject with `"queue-full"`, or drop the oldest message. Default: `"reject"`. */
  readonly overflow?: "reject" | "drop-oldest" | undefined;
  /** Milliseconds for which a publisher's id is remembered. Default: 3,600,000, an hour; Slack retries for six minutes. */
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
