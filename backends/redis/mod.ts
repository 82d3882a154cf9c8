/**
 * Queues on Redis Streams over TCP, for Redis 6.2 or newer and Valkey.
 *
 * A key is a stream of that name. Each entry has a field `data` with the payload as JSON, which is what the Python
 * Slack MCP Server writes and reads, so either side can be the other's publisher or consumer. Where there is something to
 * say, an entry also has `id` (the publisher's), `orderingKey`, `headers` (JSON), `at` (when it was published, where the
 * entry's own id says something later) and `expires` (epoch milliseconds). Everything else that a queue needs is in helper keys that
 * start with `{key}:`, which no pattern such as `slack:*` finds and which share the key's slot on a cluster.
 *
 * Sharing a Redis with the Python server has conditions: it reads only keys that match `slack:*`, so never the default key
 * `slack_events`; a Python consumer without a group, its default, misses what consumers of this module have settled, unless
 * `REDIS_KEEP_SETTLED` keeps it; a Python publisher trims what is unsettled. They are all in
 * `docs/python.md`.
 *
 * ## Delivery semantics
 *
 * Every operation is one Lua script: one round trip, and it happens whole or not at all.
 *
 * 1. *Confirmed*: a publish resolves on the server's answer. With an append-only file that is synced `always` nothing
 *    confirmed is lost. With `everysec` nothing is lost when the server is killed, since a publish waits until its write has
 *    left the server (see `durable`), and up to a second when the machine dies. Without such a file a restart loses all.
 *    A replica that takes the server's place has what had reached it by then: with `replicas`, a publish waits for that,
 *    also one that is repeated and recognized. A send whose answer was lost is repeated by itself, and the server remembers
 *    the batch: it adds nothing twice, unless the server was killed while it wrote that batch to its file, and is
 *    restarted once more before `BGREWRITEAOF` (`docs/operations.md` says why). A user who may not use INFO has publishes
 *    confirmed by the server's answer alone.
 *    **A server that evicts** (`maxmemory-policy allkeys-…`) drops whole queues when its memory is full, whatever was
 *    confirmed: set it to `noeviction`, which refuses publishes instead. The observer is told once, and `health()` warns.
 *    Leases and settlements are not waited for so: with `everysec`, those of the last moments before a kill may be
 *    forgotten, and their messages come again at once, also where a handler still runs or `ack()` returned `true`.
 * 2. *At least once*: what is delivered is pending in the group until it is settled. The lease of a consumer who is gone
 *    ends after `leaseMs` since its last receive or renewal, and at most an eighth of it later; then the next who receives
 *    takes it over.
 * 3. *Leases* are renewed together. Settling is fenced: it is done where the lease owns the entry, also after a renewal whose
 *    answer was lost; a late settlement returns `false` and changes nothing. A consumer that is dropped without `return()`
 *    keeps what it has prefetched, renewed, until the backend is closed.
 * 4. *Attempts* are the group's own delivery counter.
 * 5. *Delays*, of any length, are by the server's clock, and never early.
 * 6. *Dead letters* are a stream for each group, with all fields of the entry, cause and attempts; replaying puts one back
 *    for that group alone. An entry without `data`, or with something else than a JSON object in it, goes there too.
 * 7. *Bounded*: what every group of the stream has settled leaves it wherever it stands, but for `keepSettled` of it, and
 *    nothing else ever does, counting groups that are not ours. `maxLength` counts what is unsettled, delayed and retried
 *    messages included: it refuses with `"queue-full"`, or drops the oldest with `overflow: "drop-oldest"`. **A Python
 *    publisher trims by count** (`MAXLEN ~ 10000`), whatever is still unsettled: keep it above your backlog.
 *    A group that nobody uses any more keeps its messages for ever: `XGROUP DESTROY key group`.
 * 8. *Groups* are the stream's own. A new one starts with the oldest entry still there.
 * 9. *`consume`* acknowledges by asking; leaving the loop releases, uncounted, to the place that the message had.
 * 10. *Backpressure*: no more than `prefetch` are pending for one consumer, and one answer holds 2 MB of messages at most.
 * 11. *Abort and close*: a receive that is on its way is waited for and what it leased is given back.
 * 12. *Reconnects* for ever, after 50 ms to 2 s. A connection on which something is waited for and no byte has arrived for
 *    `timeoutMs` (half of it while it is being made) is given up; on a cluster, each node's by itself. A server that is a
 *    read-only replica is left: behind a Sentinel, a proxy or a name, a new connection leads to the one that took its
 *    place, also where the process starts while the name still leads to the old one. What was on its way is repeated
 *    where that is safe. A connection whose `SELECT` is refused is no connection.
 * 13. *Idle cost*: 240 commands an hour for each key and group that is waited for, also for a user who may not use `CLIENT`
 *    or `XREAD`; two connections for all of them, and on a cluster one more for each key. A message costs a part of three
 *    script calls: up to 1,000 travel in one. A message that arrives while consumers are idle wakes every process that
 *    waits for its key: each looks once, with one script and one read, and one of them gets it.
 * 14. *Secrets*: the password is handed to the client as an option, never as part of a URL, and taken out of every error.
 *    Of a URL that cannot be read nothing behind the scheme is shown.
 * 15. *Ordering keys*: of one key, group and ordering key one message is leased at a time, or one turn. What waits behind
 *    it is read once, stays pending in the group, and stands in a sorted set of the group; the script that settles,
 *    expires or drops the one before brings the next up, in the same call. All of it is on the server: a restart or a
 *    failover keeps what its file or the replica has. Any publisher that adds the field `orderingKey` takes part. **A
 *    consumer of another kind in the same group** knows nothing of them: what it reads or claims is in no order, and
 *    another message of that ordering key may be handled meanwhile. Give it a group of its own.
 *
 * Order: first in, first out per key. What comes again at the same time comes in the order in which it was
 * published. Dedup: a publisher's id is remembered for an hour (`dedupWindowMs`), and so is a batch that was never answered,
 * so that an id which an `"unknown-outcome"` names is safe to publish again, from any process.
 *
 * `health()` tries whether a publish to the key that was used last would be taken, and adds nothing: it is not ok on a
 * read-only replica, on a full server, and for a user who may not use the key.
 *
 * `inspect` looks by scripts that change nothing. Its `keys` go through all keys of the database (SCAN), on a cluster of
 * every primary; groups of other programs are among its `groups`. Of delayed messages the next to be due stands for all in
 * `oldest`. The observer is told once when the server is lost and once when it is back, also while consumers are idle.
 *
 * ## Configuration
 *
 * | variable | meaning |
 * |---|---|
 * | `REDIS_URL` | `redis://user:password@host:port/database`; `rediss://` for TLS. User and password percent-encoded |
 * | `REDIS_USERNAME`, `REDIS_PASSWORD` | where the URL has none |
 * | `REDIS_SSL` | `true`: TLS also with `redis://` |
 * | `REDIS_TIMEOUT` (s), `REDIS_MAX_RETRIES`, `REDIS_RETRY_DELAY` (s) | 5, 3, 0.1 |
 * | `REDIS_MESSAGE_TTL` (s) | unsettled messages leave by themselves; default: never |
 * | `REDIS_MAX_LENGTH` | the most unsettled messages of a key; default: no limit |
 * | `REDIS_KEEP_SETTLED`, else `REDIS_STREAM_MAXLEN` | 0: the settled entries of a key that stay, for readers without a group and for groups that come later |
 * | `REDIS_OVERFLOW` | `reject` (default) or `drop-oldest` |
 * | `REDIS_DEDUP_WINDOW` (s) | 3600 |
 * | `REDIS_MAX_CONNECTIONS` | 10, of which two are used. On a cluster each key that is waited for has one; those of keys that nobody waits for are closed beyond this number |
 * | `REDIS_REPLICAS` | 0: the number of replicas that must have a publish before it is confirmed |
 * | `REDIS_DURABLE` | `false`: do not wait for a write to leave a server that syncs `everysec` |
 * | `SLACK_EVENTS_TOPIC` | the key that `health()` tries before one has been used; default: `slack_events` |
 *
 * Whether messages outlive a restart is the server's own configuration. Sentinel, Cluster and anything else that ioredis
 * can reach: `new RedisBackend({ client })`. Such a client must be made without `keyPrefix`, `stringNumbers`,
 * `replyMapping: "resp3"` and `monitor`; its time limits do not hold for the connection that waits. Give it
 * `maxLoadingRetryTime: 250`, so that it notices soon when a server has loaded its file.
 *
 * ## Runtimes
 *
 * Deno, Bun, Node. In Workers use `@slack-mcp/queue/upstash`.
 *
 * @example
 * ```ts
 * import { RedisBackend } from "@slack-mcp/queue/redis";
 *
 * const backend = new RedisBackend({ url: "redis://localhost:6379/0", prefetch: 50 });
 *
 * async function main(): Promise<void> {
 *   await backend.publish("slack_events", { type: "event_callback" }, { id: "Ev123" });
 *   for await (const delivery of backend.receive("slack_events", { group: "bots" })) {
 *     await delivery.ack();
 *   }
 * }
 *
 * if (backend.capabilities.order !== "fifo") await main();
 * await backend.close();
 * ```
 *
 * @module
 */
import { PortableBackend } from "../../core/backend.ts";
import type { FromEnvOptions } from "../../core/config/registry.ts";
import { backendOptions } from "../../core/backend_options.ts";
import type { StreamsOptions } from "../streams/options.ts";
import type { RedisClient } from "./client.ts";
import { createDriver } from "./driver.ts";
import { optionsFromEnv, type RedisOptions } from "./options.ts";
import { SharedTimers } from "./timers.ts";

export type { RedisClient, RedisOptions, StreamsOptions };

/** The clock of every backend whose options have none. */
const timers = /* @__PURE__ */ new SharedTimers();

/** Queues on Redis Streams over TCP. */
export class RedisBackend extends PortableBackend {
  /**
   * Makes a backend that connects when it is first used.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   * @throws {ConfigError} A URL that is not of Redis, or a client that changes keys or replies.
   */
  constructor(options: RedisOptions = {}) {
    super(createDriver(options), { ...backendOptions(options), clock: options.clock ?? timers });
  }
}

/**
 * Makes a backend as the `REDIS_…` variables describe it.
 *
 * @param env The environment.
 * @param options The observer.
 * @returns A backend that connects when it is first used.
 * @throws {ConfigError} A variable that is missing or wrong.
 */
export function fromEnv(env: object, { observer }: FromEnvOptions = {}): RedisBackend {
  return new RedisBackend({ ...optionsFromEnv(env), observer });
}
