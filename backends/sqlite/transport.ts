/**
 * The SQL engine's port on `node:sqlite`: one connection, each list of statements one transaction of this process.
 *
 * No call waits for a lock while it holds the event loop. A lock that another connection has is tried again after timers
 * of a few milliseconds, and given up as `"unavailable"` after a tenth of a second.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Clock, monotonic, systemClock } from "../../core/util/clock.ts";
import { delay } from "../../core/util/async.ts";
import type { Finding } from "../../core/protocol.ts";
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import type { BoundStatement, Row, RunOptions, SqlPort } from "../sql/port.ts";
import { Bell } from "./bell.ts";
import { damaged, identityOf, openDatabase, type OpenOptions } from "./database.ts";
import { diagnoseDisk } from "./diagnose.ts";
import { codeOf, diskFull, faultOf, locked, replaced } from "./errors.ts";
import { type fileSystemOf, HostNote, refuseNetwork } from "./host.ts";
import { checkpoint, giveBack, hasRoom } from "./space.ts";

/** Options of {@link SqliteTransport}. */
export interface TransportOptions extends OpenOptions {
  /** Default: the platform's. */
  readonly clock?: Clock | undefined;
  /** This computer's use of the file. Default: by its identity. */
  readonly host?: HostNote | undefined;
  /** Returns the number of a folder's file system. Default: what the platform says. */
  readonly systemOf?: typeof fileSystemOf | undefined;
}

/** Milliseconds for which a lock that another connection holds is tried again. */
const LOCK_PATIENCE_MS = 100;

/** Milliseconds between two looks for what others have written. The bell wakes sooner, where it is watched. */
const LOOK_MS = { heard: 1_000, unheard: 25 } as const;

/** Looks between two steps of giving space back. */
const TIDY_EVERY = 5;

/** Wakes a call that waits for another connection's write. */
type Waiter = () => void;

/** One connection to a database file. */
export class SqliteTransport implements SqlPort {
  generation = 0;
  version = 0;
  /** Transactions so far. */
  transactions = 0;
  readonly #options: TransportOptions;
  readonly #clock: Clock;
  readonly #host: HostNote;
  readonly #bell: Bell;
  readonly #waiters: Set<Waiter> = new Set();
  readonly #statements: Map<string, StatementSync> = new Map();
  #db: DatabaseSync | undefined;
  /** Identifies the file that is open. */
  #identity: string | undefined;
  #sync: "full" | "normal";
  #seenVersion: unknown;
  /** Looks so far for what others have written. */
  looks = 0;
  #lookTimer: unknown;
  #closed = false;

  /** A connection that is made when it is first used. */
  constructor(options: TransportOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#sync = options.sync;
    this.#host = options.host ?? new HostNote(options.path);
    this.#bell = new Bell(options.path, () => this.#look());
  }

  /**
   * Opens the file at once, so that a file that cannot be used is reported now.
   *
   * @throws {ConfigError} The file cannot be used.
   * @throws {unknown} What SQLite throws where another connection holds the lock at this moment.
   */
  open(): void {
    this.#connection();
  }

  run(list: readonly BoundStatement[], options: RunOptions): Promise<Row[][]> {
    const { mode, signal, generation, bytes } = options;
    return this.#withPatience(() => {
      const db = this.#connection();
      if (generation !== undefined && generation !== this.generation) throw replaced(this.#options.path);
      if (bytes !== undefined && !hasRoom(db, this.#options.path, bytes)) throw diskFull("queue-full", undefined);
      return this.#transact(db, list, mode, bytes !== undefined);
    }, signal);
  }

  ring(): void {
    this.#bell.ring();
    this.#wake();
  }

  wait(version: number, ms: number, signal: AbortSignal): Promise<void> {
    if (version !== this.version || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake);
        this.#clock.clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        if (this.#waiters.size === 0) this.#stopLooking();
        resolve();
      };
      const timer = this.#clock.setTimeout(wake, ms);
      signal.addEventListener("abort", wake);
      this.#waiters.add(wake);
      this.#bell.listen();
      this.#lookLater();
    });
  }

  diagnose(): readonly Finding[] {
    return diagnoseDisk(this.#options.path);
  }

  classify(error: unknown): ErrorCode {
    return error instanceof QueueError ? error.code : codeOf(error);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#disconnect();
    this.#host.leave();
    this.#wake();
    return Promise.resolve();
  }

  /** Ends the connection; the next use makes a new one. */
  disconnect(): void {
    this.#disconnect();
    this.#wake();
  }

  /** Does the work, and again while another connection holds the lock. Where it rejects, nothing was done. */
  async #withPatience<T>(work: () => T, signal: AbortSignal): Promise<T> {
    const until = monotonic(this.#clock) + LOCK_PATIENCE_MS;
    if (signal.aborted) {
      const why = "the call was given up before the database was asked";
      throw new QueueError("timeout", why, { backend: "sqlite", cause: signal.reason });
    }
    for (let tries = 0;; tries++) {
      try {
        return work();
      } catch (error) {
        if (faultOf(error) !== "busy") throw error;
        if (signal.aborted || monotonic(this.#clock) >= until) throw locked(error);
        // Ends early where the caller gives up, who then learns that it was the lock.
        const pause = delay(1 + Math.random() * Math.min(8, 1 + tries), this.#clock, signal);
        await pause.catch(() => undefined);
        if (signal.aborted) throw locked(error);
      }
    }
  }

  #connection(): DatabaseSync {
    if (this.#closed) throw new QueueError("closed", "the database is closed", { backend: "sqlite" });
    const { path } = this.#options;
    if (this.#db !== undefined) {
      this.#host.check();
      if (identityOf(path) === this.#identity) return this.#db;
      this.#disconnect();
      this.version += 1;
      throw replaced(path);
    }
    refuseNetwork(path, this.#options.systemOf);
    this.#host.check();
    this.#db = openDatabase(this.#options);
    this.#sync = this.#options.sync;
    this.#identity = identityOf(path);
    this.#seenVersion = this.#dataVersion();
    return this.#db;
  }

  #transact(db: DatabaseSync, list: readonly BoundStatement[], mode: "read" | "write", adds: boolean): Row[][] {
    this.transactions += 1;
    const single = mode === "read" && list.length === 1;
    let committing = false;
    try {
      if (mode === "write") this.#syncTo(db, adds);
      if (!single) this.#statement(db, mode === "write" ? "begin immediate" : "begin").run();
      const answers = list.map(({ text, values }) => this.#statement(db, text).all(...values) as Row[]);
      committing = mode === "write";
      if (!single) this.#statement(db, "commit").run();
      return answers;
    } catch (error) {
      // A transaction that did not begin must not be taken for one that did.
      if (db.isTransaction) db.exec("rollback");
      throw this.#explained(error, committing, adds);
    }
  }

  /**
   * A publish waits until it is on the disk, where the options say so; what is leased or settled need not. The end of a
   * process takes neither, and after a power cut what was settled in the last moments comes again.
   */
  #syncTo(db: DatabaseSync, adds: boolean): void {
    const wanted = adds ? this.#options.sync : "normal";
    if (wanted === this.#sync) return;
    db.exec(`pragma synchronous = ${wanted}`);
    this.#sync = wanted;
  }

  /** Returns the error to throw: another one where the operator or the caller needs more than SQLite's own words. */
  #explained(error: unknown, committing: boolean, adds: boolean): unknown {
    const about = { backend: "sqlite", cause: error };
    switch (faultOf(error)) {
      case "corrupt":
      case "not-a-database":
        this.#disconnect();
        return damaged(this.#options.path, error);
      case "io":
        // Whether the commit is in the log shows when the file is opened again.
        this.#disconnect();
        return new QueueError(
          committing ? "unknown-outcome" : "unavailable",
          "the disk failed while the database was in use",
          about,
        );
      case "full":
        // Waiting messages can be taken and settled again as soon as the log is merged into the file.
        if (this.#db !== undefined) checkpoint(this.#db);
        return diskFull(adds ? "queue-full" : "unavailable", error);
      case "readonly":
        return new QueueError("unauthorized", "this process may not write the database any more", about);
      default:
        return error;
    }
  }

  #statement(db: DatabaseSync, text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) this.#statements.set(text, statement = db.prepare(text));
    return statement;
  }

  #disconnect(): void {
    this.#bell.close();
    this.#stopLooking();
    this.#statements.clear();
    const db = this.#db;
    if (db === undefined) return;
    this.#db = undefined;
    this.generation += 1;
    try {
      db.close();
    } catch {
      // A damaged file: what is left of it stays as it is.
    }
  }

  #wake(): void {
    this.version += 1;
    for (const wake of [...this.#waiters]) wake();
  }

  /** Counts up whenever another connection has committed. */
  #dataVersion(): unknown {
    return this.#statement(this.#db!, "pragma data_version").get()?.data_version;
  }

  /** Wakes the calls that wait, where another connection has committed since the last look. */
  #look(): void {
    if (this.#db === undefined) return this.#wake();
    try {
      const version = this.#dataVersion();
      if (version === this.#seenVersion && identityOf(this.#options.path) === this.#identity) return;
      this.#seenVersion = version;
    } catch {
      // A call that waits finds out what is wrong when it reads.
    }
    this.#wake();
  }

  #lookLater(): void {
    if (this.#lookTimer !== undefined) return;
    this.#lookTimer = this.#clock.setTimeout(() => {
      this.#lookTimer = undefined;
      this.#look();
      if (++this.looks % TIDY_EVERY === 0 && this.#db !== undefined) giveBack(this.#db);
      if (this.#waiters.size > 0) this.#lookLater();
    }, this.#bell.watching ? LOOK_MS.heard : LOOK_MS.unheard);
  }

  #stopLooking(): void {
    this.#clock.clearTimeout(this.#lookTimer);
    this.#lookTimer = undefined;
  }
}
