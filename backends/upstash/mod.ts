/**
 * Queues on Upstash Redis over HTTP, for Workers and wherever there is `fetch` and nothing else.
 *
 * The streams and scripts are those of `@slack-mcp/queue/redis`, so both can work on one queue of one database, over HTTP
 * here and over TCP there, and so can the Python Slack MCP Server.
 *
 * Sharing a database with the Python server has conditions: it reads only keys that match `slack:*`, so never the default
 * key `slack_events`; a Python consumer without a group, its default, misses what consumers of this module have settled,
 * unless `UPSTASH_KEEP_SETTLED` keeps it; a Python publisher trims what is unsettled. They are all in `docs/python.md`.
 *
 * ## Delivery semantics
 *
 * Every operation is one `EVAL`: one request, one command as Upstash counts it, and it happens whole or not at all.
 *
 * 1. *Confirmed*: a publish resolves on the server's answer. A request whose answer was lost is sent again by itself, and the
 *    server remembers the batch: it adds nothing twice.
 *    `fetch` does not say when bytes leave. A connection that is refused, a host without an address and a TLS handshake
 *    that fails are told by its error, except in Workers; after a request without an answer, a `PING` goes ahead of the next
 *    publish, so that one that runs out of time then is known not to be sent.
 * 2. *At least once*: what is delivered is pending in the group until it is settled. The lease of a consumer who is gone
 *    ends after `leaseMs` since its last receive or renewal, and at most an eighth of it later; then the next who receives
 *    takes it over.
 * 3. *Leases* are renewed together, in one request. Settling is fenced: a late settlement returns `false` and changes nothing.
 * 4. *Attempts* are the group's own delivery counter.
 * 5. *Delays*, of any length, are by the server's clock, and never early.
 * 6. *Dead letters* are a stream for each group; replaying puts one back for that group alone.
 * 7. *Bounded*: what every group of the stream has settled leaves it wherever it stands, but for `keepSettled` of it, and
 *    nothing else ever does. `maxLength` counts what is unsettled, delayed and retried messages included: it refuses with
 *    `"queue-full"`, or drops the oldest with `overflow: "drop-oldest"`.
 * 8. *Groups* are the stream's own. A new one starts with the oldest entry still there.
 * 9. *`consume`* acknowledges by asking; leaving the loop releases, uncounted, to the place that the message had.
 * 10. *Backpressure*: no more than `prefetch` are pending, and no more than 900 under one name, since Upstash stops reading
 *     for a consumer who has about a thousand.
 * 11. *Abort and close*: a receive that is on its way is waited for and what it leased is given back.
 * 12. *Reconnects*: each request is on its own. 429 and 503 are tried again after the server's `Retry-After`. The limits of
 *     a plan are waited out: requests, connections and bandwidth are `"rate-limited"`, a database or a stream that is full
 *     is `"queue-full"`; a limit that is not known is never final. A request is given up when no byte of the answer has
 *     arrived for `UPSTASH_TIMEOUT`; a large one gets a second more for each 100,000 bytes.
 * 13. *Idle cost*: at most 120 commands an hour for each key and group that is waited for. A subscription
 *     (`/subscribe`) wakes the consumer as soon as one of this module's publishers sends; since others publish nothing to
 *     that channel, it looks every 45 s too. Without a subscription it looks after 250 ms, 500 ms and so on up to 40 s.
 *     A message that arrives while consumers are idle wakes every process that waits for its key: each looks once.
 *     A look that emptied the queue is not followed by another at once, which would find nothing: the next comes when
 *     a message is announced, and 250 ms later at the latest.
 *     A message costs a part of three commands: up to 1,000 travel in one. Whether Upstash counts what runs within an `EVAL`
 *     is not documented; the scripts run about two commands for each message, and about ten for each look.
 * 14. *Secrets*: the token travels in a header, and is taken out of every error. A token that is not accepted is a
 *     `ConfigError` at the first use.
 * 15. *Ordering keys*: of one key, group and ordering key one message is leased at a time, or one turn, across HTTP and
 *     TCP. What waits behind it stays pending in the group; the script that settles, expires or drops the one before brings
 *     the next up, in the same request. A consumer of another kind in the same group knows nothing of them.
 *
 * **Turn eviction off** in the console: a database that evicts drops whole queues when it is full, whatever was confirmed.
 *
 * `health()` tries whether a publish to the key that was used last would be taken, and adds nothing: it is not ok for a
 * database that is full, and with a read-only token.
 *
 * Order: first in, first out per key. Dedup: a publisher's id is remembered for an hour (`dedupWindowMs`), and
 * so is a batch that was never answered: an id that an `"unknown-outcome"` names is safe to publish again.
 *
 * `inspect` looks by scripts that change nothing: a peek is one request, `keys` one for each thousand keys of the database.
 *
 * ## Configuration
 *
 * | variable | meaning |
 * |---|---|
 * | `UPSTASH_REDIS_REST_URL`, `UPSTASH_REDIS_REST_TOKEN` | from the database's page in the console |
 * | `UPSTASH_TIMEOUT` (s), `UPSTASH_MAX_RETRIES`, `UPSTASH_RETRY_DELAY` (s) | 5, 3, 0.1 |
 * | `UPSTASH_MESSAGE_TTL` (s) | unsettled messages leave by themselves; default: never |
 * | `UPSTASH_MAX_LENGTH`, `UPSTASH_OVERFLOW` | the most unsettled messages of a key; `reject` (default) or `drop-oldest` |
 * | `UPSTASH_DEDUP_WINDOW` (s) | 3600 |
 * | `UPSTASH_KEEP_SETTLED` | 0: the settled entries of a key that stay, for readers without a group and for groups that come later |
 * | `SLACK_EVENTS_TOPIC` | the key that `health()` tries before one has been used; default: `slack_events` |
 *
 * ## Runtimes
 *
 * Workers, Deno, Bun, Node, browsers. In a Worker make the backend within the request or the scheduled event that uses it:
 * a subscription cannot outlive them, and publishes that wait together travel as one request, which the platform
 * ends for all of them when it belongs to another request of the Worker. `createConsumer(…).drain(…)` takes what is there
 * and opens no subscription.
 *
 * @example
 * ```ts
 * import { createConsumer } from "@slack-mcp/queue";
 * import { fromEnv } from "@slack-mcp/queue/upstash";
 *
 * const consumer = createConsumer({ handler: ({ payload }) => void payload });
 *
 * const worker = {
 *   async scheduled(_event: unknown, env: Record<string, unknown>): Promise<void> {
 *     await using backend = fromEnv(env);
 *     await consumer.drain(backend, "slack_events", { deadlineMs: 25_000 });
 *   },
 * };
 *
 * if (typeof worker.scheduled !== "function") throw new Error("a Worker needs a handler");
 * ```
 *
 * @module
 */
import { PortableBackend } from "../../core/backend.ts";
import type { FromEnvOptions } from "../../core/config/registry.ts";
import { backendOptions } from "../../core/backend_options.ts";
import type { StreamsOptions } from "../streams/options.ts";
import type { UpstashClient } from "./client.ts";
import { createDriver } from "./driver.ts";
import { optionsFromEnv, type UpstashOptions } from "./options.ts";

export type { StreamsOptions, UpstashClient, UpstashOptions };

/** Queues on Upstash Redis over HTTP. */
export class UpstashBackend extends PortableBackend {
  /**
   * Makes a backend that sends its first request when it is first used.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   * @throws {ConfigError} No URL or token, and no client.
   */
  constructor(options: UpstashOptions) {
    super(createDriver(options), backendOptions(options));
  }
}

/**
 * Makes a backend as the `UPSTASH_…` variables describe it.
 *
 * @param env The environment.
 * @param options The observer.
 * @returns A backend that connects when it is first used.
 * @throws {ConfigError} A variable that is missing or wrong.
 */
export function fromEnv(env: object, { observer }: FromEnvOptions = {}): UpstashBackend {
  return new UpstashBackend({ ...optionsFromEnv(env), observer });
}
