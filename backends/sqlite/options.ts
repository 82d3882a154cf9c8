/**
 * Options of the SQLite backend, and how the environment gives them.
 *
 * @module
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EnvReader, readQueueFields } from "../../core/config/env_reader.ts";
import { BACKEND_CHECKS, type BackendOptions } from "../../core/backend_options.ts";
import { oneOf, text, type Validators } from "../../core/util/validate.ts";
import { SQL_CHECKS, type SqlOptions } from "../sql/options.ts";

/** Options of `SqliteBackend`. */
export interface SqliteOptions extends BackendOptions, SqlOptions {
  /**
   * The database file. Created where there is none; its folder must exist.
   *
   * @default "queue.db"
   */
  readonly path?: string | undefined;
  /**
   * When a commit is on the disk: `"full"`, before a publish resolves; `"normal"`, soon after. With either, nothing is
   * lost when a process is killed; with `"normal"` a power cut may take the last moments.
   *
   * @default "full"
   */
  readonly sync?: "full" | "normal" | undefined;
}

/** The checks of {@link SqliteOptions}. */
export const SQLITE_CHECKS: Validators<SqliteOptions> = {
  ...BACKEND_CHECKS,
  ...SQL_CHECKS,
  path: text,
  sync: oneOf("full", "normal"),
};

/** The file, where nothing names another. */
const DEFAULT_PATH = "queue.db";

const ALLOWED = "the path of a file, or file: and a path";

/** Returns why a text is not the path of a database file; `undefined` where it is. */
export function refusalOf(path: string): string | undefined {
  if (path.includes(":memory:") || /[?&]mode=memory/.test(path)) {
    return `must be ${ALLOWED}, found a database in memory: for that use QUEUE_BACKEND=memory`;
  }
  if (path.includes("\0")) return `must be ${ALLOWED}, found a NUL character in it`;
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(path)?.[1]?.toLowerCase(); // one letter is a drive
  if (scheme !== undefined && scheme !== "file") return `must be ${ALLOWED}, found the scheme "${scheme}:"`;
  if (scheme === "file" && /[?#]/.test(path)) return `must be ${ALLOWED}, found parameters after it`;
  if (scheme === "file" && /^file:\/\/[^/]/i.test(path)) return `must be ${ALLOWED}, found the name of a host in it`;
  if (/[/\\]$/.test(path)) return `must be ${ALLOWED}, found a folder`;
  return undefined;
}

/** Returns the absolute path of a text that {@link refusalOf} accepts. */
export function pathOf(path: string): string {
  if (!/^file:/i.test(path)) return resolve(path);
  if (/^file:\/\//i.test(path)) return fileURLToPath(path);
  const rest = path.slice("file:".length);
  return resolve(/%[0-9a-f]{2}/i.test(rest) ? decodeURIComponent(rest) : rest);
}

/** `SQLITE_URL` may be a plain path, which is no URL: it is read here, not with the fields of every backend. */
class SqliteReader extends EnvReader {
  override url(): undefined {
    return undefined;
  }

  path(): string {
    for (const name of ["SQLITE_URL", "SQLITE_PATH"] as const) {
      const path = this.string(name)?.trim();
      if (path === undefined || path === "") continue;
      const refusal = refusalOf(path);
      if (refusal === undefined) return path;
      this.problem(`${name} ${refusal}`);
    }
    return DEFAULT_PATH;
  }
}

/**
 * Reads the `SQLITE_…` variables.
 *
 * @throws {ConfigError} Every problem, all of them at once.
 */
export function optionsFromEnv(env: object): SqliteOptions {
  const reader = new SqliteReader(env);
  const path = reader.path();
  const { timeoutMs, maxRetries, retryDelayMs, messageTtlMs, maxLength, durable } = readQueueFields(reader, "SQLITE");
  const sync = reader.oneOf("SQLITE_SYNC", ["full", "normal"]) ?? (durable ? "full" : "normal");
  const overflow = reader.oneOf("SQLITE_OVERFLOW", ["reject", "drop-oldest"]);
  const dedupWindowMs = reader.seconds("SQLITE_DEDUP_WINDOW", { min: 1 });
  reader.check();
  return { path, sync, timeoutMs, maxRetries, retryDelayMs, messageTtlMs, maxLength, overflow, dedupWindowMs };
}
