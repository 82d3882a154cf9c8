/**
 * The default values of options, and the limits that several parts share. Each stands here and nowhere else; what only
 * one backend has stands in the options of that backend. The module imports nothing: only then does a bundler put the
 * numbers where they are used.
 *
 * @module
 */

/** Milliseconds to wait for the broker's reply to a call, retries of a publish included. */
export const DEFAULT_TIMEOUT_MS = 5_000;

/** How often a transient failure is tried again. */
export const DEFAULT_MAX_RETRIES = 3;

/** Milliseconds of the first wait before trying again. */
export const DEFAULT_RETRY_DELAY_MS = 100;

/** Milliseconds of the longest wait before trying again. */
export const DEFAULT_MAX_RETRY_DELAY_MS = 10_000;

/** The most unsettled deliveries of one consumer. */
export const DEFAULT_PREFETCH = 100;

/** Milliseconds of a lease. */
export const DEFAULT_LEASE_MS = 30_000;

/** Milliseconds for which `close()` lets running handlers finish. */
export const DEFAULT_CLOSE_DEADLINE_MS = 5_000;

/** Milliseconds for which a publisher's id is remembered. */
export const DEFAULT_DEDUP_WINDOW_MS = 3_600_000;

/** The group of a consumer that names none. */
export const DEFAULT_GROUP = "slack-mcp";

/** The most messages of one send of a driver that declares no other number. */
export const DEFAULT_MAX_BATCH_MESSAGES = 1_000;

/** The most settlements of one round trip of a driver that declares no other number. */
export const DEFAULT_MAX_SETTLE_BATCH = 1_000;

/** Milliseconds of the longest wait of one receive of a driver that declares no other number. */
export const DEFAULT_MAX_WAIT_MS = 30_000;

/** The most handlers of one consumer that run at once. */
export const DEFAULT_CONCURRENCY = 8;

/** Deliveries after which a message goes to the dead letters. */
export const DEFAULT_MAX_ATTEMPTS = 5;

/** Milliseconds of the first wait before a failed message comes again. */
export const DEFAULT_HANDLER_RETRY_DELAY_MS = 1_000;

/** Milliseconds of the longest wait before a failed message comes again, unless `backoff` says otherwise. */
export const DEFAULT_MAX_HANDLER_RETRY_DELAY_MS = 300_000;

/** Milliseconds after which `drain` has returned. */
export const DEFAULT_DRAIN_DEADLINE_MS = 25_000;

/** Milliseconds after which a pushed batch is handed back. Cloudflare ends one after 15 minutes. */
export const DEFAULT_BATCH_DEADLINE_MS = 600_000;

/** Milliseconds of the shortest wait before trying again, so that retries leave time for the process's other work. */
export const MIN_RETRY_DELAY_MS = 10;

/** Milliseconds that a send still has after its signal aborted, to reject with a reason of its own. */
export const ABORT_GRACE_MS = 20;

/** Milliseconds: the longest delay that every backend accepts, 24 hours. */
export const MAX_DELAY_MS = 86_400_000;

/** Milliseconds of the first wait after a handler has failed with a `ConfigError`. */
export const SETUP_WAIT_MS = 900_000;

/** The most characters of an ordering key. */
export const MAX_ORDERING_KEY_LENGTH = 1_024;

/** The most messages of one turn of a consumer that gathers. */
export const DEFAULT_TURN_SIZE = 100;
