/**
 * Opens a database file: creates it, refuses one that is not a queue's, and brings its tables to this module's version.
 *
 * @module
 */
import { type BigIntStats, closeSync, existsSync, openSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ConfigError, QueueError } from "../../core/errors.ts";
import type { StatementList } from "../sql/port.ts";
import { faultOf } from "./errors.ts";
import { SCHEMA } from "../sql/statements.ts";

/** Options of {@link openDatabase}. */
export interface OpenOptions {
  readonly path: string;
  /** `"full"`: a commit is on the disk before it returns. `"normal"`: soon after. */
  readonly sync: "full" | "normal";
  /** The list at index n brings tables of version n to n + 1. Default: those of this module. */
  readonly migrations?: readonly StatementList[];
}

/** The steps from an empty file to the present tables. */
const MIGRATIONS: readonly StatementList[] = [SCHEMA];

/** Bytes of the largest file that is checked for damage when it is opened. The check takes some tenths of a second. */
const CHECKED_BYTES = 64_000_000;

/** Bytes to which SQLite cuts its log back when it starts anew. */
const LOG_BYTES = 16_000_000;

function problem(path: string, why: string, cause?: unknown): ConfigError {
  return new ConfigError(`Cannot open ${path}: ${why}`, { backend: "sqlite", cause });
}

/** The advice for a file that cannot be read. */
const DAMAGED = "the file is damaged; it is left as it is: move it away and start again, or recover what it holds " +
  'with the sqlite3 program (".recover")';

/** Makes the error of a damaged file. */
export function damaged(path: string, cause: unknown): ConfigError {
  return problem(path, DAMAGED, cause);
}

/** Creates the file where there is none, for its owner alone. */
function createFile(path: string): void {
  const folder = dirname(path);
  if (!existsSync(folder)) throw problem(path, `the folder ${folder} does not exist`);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw problem(path, "it is a folder");
  try {
    closeSync(openSync(path, "a+", 0o600));
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOSPC") throw new QueueError("unavailable", "the disk is full", { backend: "sqlite", cause: error });
    const why = code === "EROFS" ? "the file system is read-only" : "this process may not write there";
    throw problem(path, `${why} (${code ?? (error as Error).name})`, error);
  }
  // SQLite keeps its log beside the file: writing the file alone is not enough.
  const probe = `${path}-bell`;
  try {
    closeSync(openSync(probe, "a", 0o600));
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOSPC") return; // it is not needed to read what is there
    throw problem(path, `this process may not create files in ${folder} (${code ?? (error as Error).name})`, error);
  }
}

/** Returns the version of the tables; 0 where there are none yet. */
function versionOf(db: DatabaseSync, path: string): number {
  const tables = db.prepare("select name from sqlite_schema where type = 'table'").all().map(({ name }) =>
    String(name)
  );
  if (tables.includes("mq_meta")) {
    const row = db.prepare("select version from mq_meta").get();
    if (row === undefined) throw damaged(path, undefined);
    return Number(row.version);
  }
  const foreign = tables.find((name) => !name.startsWith("sqlite_"));
  if (foreign === undefined) return 0;
  const shown = foreign.length > 40 ? `${foreign.slice(0, 40)}…` : foreign;
  throw problem(
    path,
    `it is the database of another program, with a table ${JSON.stringify(shown)}; it is left as it is`,
  );
}

function refuseNewer(version: number, known: number, path: string): void {
  if (version <= known) return;
  throw problem(
    path,
    `its tables have version ${version}, and this release knows up to ${known}: use the release that wrote it, or a newer one`,
  );
}

/** Copies a database of an older version, as a reader beside the process that holds the write lock. */
function backUp(path: string, version: number): void {
  const copy = `${path}.version-${version}`;
  try {
    closeSync(openSync(copy, "wx", 0o600)); // SQLite writes into an empty file, and leaves its mode alone
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return; // an earlier start made it, and did not get further
    throw problem(path, `its tables are of version ${version}, and no copy could be made before changing them`, error);
  }
  const reader = new DatabaseSync(path, { timeout: 0 });
  try {
    reader.prepare("vacuum into ?").run(copy);
  } finally {
    reader.close();
  }
}

/** Brings the tables to the last version, one process at a time. */
function migrate(db: DatabaseSync, path: string, migrations: readonly StatementList[]): void {
  if (versionOf(db, path) === migrations.length) return;
  db.exec("begin immediate");
  try {
    const version = versionOf(db, path); // another process may have done it while we waited for the lock
    refuseNewer(version, migrations.length, path);
    if (version > 0 && version < migrations.length) backUp(path, version);
    for (const { text } of migrations.slice(version).flat()) db.exec(text);
    db.exec("commit");
  } catch (error) {
    if (db.isTransaction) db.exec("rollback");
    throw error;
  }
}

/**
 * Opens a database.
 *
 * @throws {ConfigError} The file cannot be used: not ours, damaged, newer, read-only, or there is no folder for it.
 * @throws {unknown} What SQLite throws where somebody else holds the lock at this moment.
 */
export function openDatabase({ path, sync, migrations = MIGRATIONS }: OpenOptions): DatabaseSync {
  createFile(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    const version = versionOf(db, path);
    refuseNewer(version, migrations.length, path);
    if (version === 0) db.exec("pragma auto_vacuum = incremental"); // takes effect before the first table alone
    const mode = db.prepare("pragma journal_mode = wal").get()?.journal_mode;
    if (mode !== "wal") throw problem(path, `this file system has no memory to share (journal mode ${mode})`);
    db.exec(`pragma synchronous = ${sync}`);
    db.exec(`pragma journal_size_limit = ${LOG_BYTES}`);
    if (version > 0 && statSync(path).size <= CHECKED_BYTES) {
      const found = db.prepare("pragma quick_check(1)").get()?.quick_check;
      if (found !== "ok") throw damaged(path, undefined);
    }
    migrate(db, path, migrations);
    return db;
  } catch (error) {
    db?.close();
    switch (faultOf(error)) {
      case "not-a-database":
        throw problem(path, "it is not a SQLite database; it is left as it is", error);
      case "corrupt":
        throw damaged(path, error);
      case "readonly":
        throw problem(path, "this process may not write there", error);
      default:
        throw error;
    }
  }
}

/** Identifies the database file and its log by their places on the disk; `undefined` where one is not there. */
export function identityOf(path: string): string | undefined {
  const [file, log] = [path, `${path}-wal`].map((name) =>
    statSync(name, { throwIfNoEntry: false }) as Stats | BigIntStats | undefined
  );
  return file && log && `${file.dev}:${file.ino}:${log.ino}`;
}
