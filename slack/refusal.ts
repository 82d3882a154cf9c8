/**
 * Tells refusals that no repetition can change from those that may pass.
 *
 * @module
 */
import { type ErrorCode, QueueError } from "../core/errors.ts";
import type { JsonObject } from "../core/protocol.ts";
import { isJson } from "../core/util/json.ts";

/**
 * The codes that depend on the message alone. A wrong configuration, missing rights and a missing queue are not among
 * them: an operator can repair those while Slack still sends the event again.
 */
const FINAL: readonly ErrorCode[] = ["too-large", "unsupported", "malformed", "permanent"];

/**
 * Whether a backend will refuse this payload however often it is sent.
 *
 * A `RangeError` is a payload that is too large or nested too deep. A `TypeError` is a payload that JSON cannot carry,
 * such as the number that `1e400` is read as, but also what `fetch` throws when the network fails; so the payload decides.
 */
export function isRefusedForGood(error: unknown, payload: JsonObject): boolean {
  if (error instanceof QueueError) return FINAL.includes(error.code);
  return error instanceof RangeError || error instanceof TypeError && !isJson(payload);
}
