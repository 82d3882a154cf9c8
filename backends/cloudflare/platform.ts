/**
 * Limits and abilities of the platform, the same for bindings and for the HTTP API.
 *
 * @module
 */
import type { Capabilities } from "../../core/protocol.ts";
import { MAX_DELAY_MS } from "../../core/defaults.ts";
import { MAX_BATCH_MESSAGES, MAX_PAYLOAD_BYTES } from "./limits.ts";

/** Capabilities of the bindings; the HTTP API adds to them. */
export const CAPABILITIES: Capabilities = {
  durable: true,
  delay: true,
  ttl: false,
  dedup: false,
  groups: false,
  deadLetters: false,
  replay: false,
  fencing: false,
  extend: false,
  release: false,
  attempts: true,
  headers: true,
  maxLength: false,
  depth: false,
  orderingKeys: false,
  order: "best-effort",
  consume: "push",
  maxPayloadBytes: MAX_PAYLOAD_BYTES,
  idleCostPerHour: 0,
};

/** Limits of one `send`: 256 KB a batch, of which the platform takes a hundred bytes a message, and an envelope 38. */
export const LIMITS = { maxBatchMessages: MAX_BATCH_MESSAGES, maxBatchBytes: 242_000, maxDelayMs: MAX_DELAY_MS };

/** The name of the binding for a key: `slack_events` → `SLACK_EVENTS`. */
export function bindingName(key: string): string {
  return key.toUpperCase().replace(/[^A-Z0-9]+/g, "_");
}
