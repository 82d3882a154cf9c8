/**
 * Queues in one SQLite file: nothing to install, no server, and nothing is lost at a restart.
 *
 * For one computer: any number of processes on it, on Deno, Bun and Node at once, publish into and consume from one
 * file. It uses `node:sqlite`, which each of these runtimes brings along.
 *
 * ## Delivery semantics
 *
 * Every operation is one transaction: it happens whole or not at all, whenever a process is killed.
 *
 * 1. *Confirmed*: a publish resolves when its transaction is committed. With `sync: "full"`, the default, it is then on
 *    the disk and survives a power cut; the event loop stands still while the disk writes it. With `"normal"` it survives
 *    the end of the process, however hard, and a power cut may take the last moments. With either, what was settled in
 *    the last moments before a power cut may come again. A file that another process has locked is tried again, without
 *    holding up the event loop, and then is `"unavailable"`: nothing was sent. A batch whose answer was lost adds nothing
 *    when it is repeated.
 * 2. *At least once*: a lease that ends without a settlement brings the message back.
 * 3. *Leases* are renewed while a message is in hand. Settling is fenced by a token for each receive: a late settlement
 *    returns `false` and changes nothing.
 * 4. *Attempts* are counted in the file, per group: the end of a process, however hard, takes none. A power cut may take
 *    the counts of the last moments with either setting, since what is leased is not waited for: a message then has the
 *    attempts of its last delivery that had reached the disk. The next publish with `"full"` takes all before it along;
 *    with `"normal"` they are on the disk once SQLite has worked its log into the file (every 1,000 pages).
 * 5. *Delays*, of any length, go by the computer's clock and are never early. A clock that is set back by more than a
 *    second is noticed at the next receive, and leases and delays are moved with it.
 * 6. *Dead letters* are kept per group, listed, replayed and purged. A body that is not a JSON object goes there too;
 *    one that is no UTF-8 keeps its bytes (`bodyEncoding`), also after a replay.
 * 7. *Bounded*: what every group has settled is deleted at once. `maxLength` counts what waits or is in flight; a full
 *    key refuses with `"queue-full"`, or with `overflow: "drop-oldest"` drops the oldest message that is not in flight.
 *    A full disk is `"queue-full"` for a publish. A group that nobody uses any more keeps its messages.
 * 8. *Groups* each see every message; a new one starts at the oldest message kept. Their number costs a publish nothing.
 * 9. *`consume`* acknowledges by asking; leaving the loop releases, uncounted, to the place that the message had.
 * 10. *Backpressure*: no more than `prefetch` are leased. No operation but `depth` costs more with a longer backlog.
 * 11. *Abort and close*: what is held is released, then the file is closed.
 * 12. *Reconnects*: a file that is deleted or replaced under a running process is an error once, then opened anew.
 * 13. *Idle cost*: while a consumer waits, its process looks once a second at a counter that all processes share in
 *    memory; a publish of another process wakes it within milliseconds.
 * 14. *Secrets*: there are none.
 * 15. *Ordering keys*: of one key, group and ordering key one message is leased at a time. A retry, a release and a lost
 *    lease keep the place; whatever removes a message lets the next one follow, in the same transaction.
 *
 * Order: first in, first out per key. Dedup: a publisher's id is remembered for an hour (`dedupWindowMs`).
 *
 * ## Configuration
 *
 * | variable | what |
 * |---|---|
 * | `SQLITE_URL`, else `SQLITE_PATH` | the file: a path, or `file:` and a path; default: `queue.db` where the process runs |
 * | `SQLITE_SYNC` | `full` (default) or `normal`; `SQLITE_DURABLE=false` is `normal` too |
 * | `SQLITE_TIMEOUT` (s), `SQLITE_MAX_RETRIES`, `SQLITE_RETRY_DELAY` (s) | 5, 3, 0.1 |
 * | `SQLITE_MESSAGE_TTL` (s) | unsettled messages leave by themselves; default: never |
 * | `SQLITE_MAX_LENGTH` | the most unsettled messages of a key; default: no limit |
 * | `SQLITE_OVERFLOW` | `reject` (default) or `drop-oldest` |
 * | `SQLITE_DEDUP_WINDOW` (s) | 3600 |
 *
 * ## The file
 *
 * It is created for its owner alone (mode 600); its folder must exist. Beside it stand SQLite's log (`-wal`, `-shm`), a
 * bell (`-bell`) by which processes wake each other, and a note of the computer that uses it (`-host`). Delete all of
 * them together, and only while no process uses them. Space that is not needed any more is given back while consumers
 * are idle.
 *
 * A start refuses, with a `ConfigError`, a file that is no database, that is damaged, that belongs to another program or
 * that a newer release has written, and leaves it as it is. Before the tables of an older release are changed, the file
 * is copied beside itself (`queue.db.version-1`). **One computer**: a file on a network file system (NFS, SMB, Ceph, AFS and
 * others, as Linux names them), or one that another computer used within the last minute, is refused; containers on one computer may share a volume.
 *
 * To copy a database in use: `sqlite3 queue.db ".backup copy.db"`.
 *
 * ## Runtimes
 *
 * Deno ≥ 2.9, Bun ≥ 1.4, Node ≥ 22.13. Deno needs `--allow-read` and `--allow-write` for the folder. In Workers there are
 * no files.
 *
 * @example Nothing is lost when the process ends
 * ```ts
 * import { SqliteBackend } from "@slack-mcp/queue/sqlite";
 * import assert from "node:assert/strict";
 * import { mkdtempSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 *
 * const path = join(mkdtempSync(join(tmpdir(), "queue-")), "queue.db");
 * {
 *   await using backend = new SqliteBackend({ path });
 *   await backend.publish("slack_events", { type: "event_callback" }, { id: "Ev123", orderingKey: "C1:1700000000.1" });
 * }
 * await using backend = new SqliteBackend({ path });
 * for await (const delivery of backend.receive("slack_events")) {
 *   assert.equal(delivery.orderingKey, "C1:1700000000.1");
 *   await delivery.ack();
 *   break;
 * }
 * ```
 *
 * @module
 */
import { PortableBackend } from "../../core/backend.ts";
import type { FromEnvOptions } from "../../core/config/registry.ts";
import { backendOptions } from "../../core/backend_options.ts";
import { ConfigError } from "../../core/errors.ts";
import type { SqlOptions } from "../sql/options.ts";
import { createDriver, createTransport } from "./driver.ts";
import { optionsFromEnv, type SqliteOptions } from "./options.ts";

export type { SqliteOptions, SqlOptions };

/** Queues in one SQLite file. */
export class SqliteBackend extends PortableBackend {
  /**
   * A backend that opens its file when it is first used.
   *
   * @param options Where the file is and how it is used.
   * @throws {TypeError | RangeError} An option that is not as described.
   * @throws {ConfigError} A path that is not that of a file.
   */
  constructor(options: SqliteOptions = {}) {
    super(createDriver(createTransport(options), options), backendOptions(options));
  }
}

/**
 * A backend as the `SQLITE_…` variables describe it. The file is opened at once, so that what is wrong with it shows
 * at the start.
 *
 * @param env The environment.
 * @param options The observer.
 * @returns The backend.
 * @throws {ConfigError} A variable that is wrong, or a file that cannot be used.
 */
export function fromEnv(env: object, { observer }: FromEnvOptions = {}): SqliteBackend {
  const options = { ...optionsFromEnv(env), observer };
  const transport = createTransport(options);
  try {
    transport.open();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    // Locked at this moment: the first use waits for it.
  } finally {
    void transport.close();
  }
  return new SqliteBackend(options);
}
