/**
 * The platform's limits. The module imports nothing: only then does a bundler put the numbers where they are used.
 *
 * @module
 */

/** Bytes of a message: 128 KB of 1,000 bytes, less the hundred or so that the platform counts as its own. */
export const MAX_BYTES = 127_900;

/**
 * Bytes of a payload: what Slack's webhook takes. Over {@link MAX_BYTES} it must compress: 50 blocks of 3,000 characters
 * of prose, which a `message_changed` carries twice, do.
 */
export const MAX_PAYLOAD_BYTES = 1_048_576;

/** Bytes of a batch, each message's own hundred counted with it. */
export const MAX_BATCH_BYTES = 256_000;

/** Messages of a batch. */
export const MAX_BATCH_MESSAGES = 100;

/** Bytes that the platform counts for each message beside its body. */
export const METADATA_BYTES = 100;

/** Milliseconds over which the API counts requests for its limit. */
export const WINDOW_MS = 300_000;

/** The part of the window that probes leave to publishes: a quarter of the requests that may go at once. */
export const RESERVE_MS = 75_000;
