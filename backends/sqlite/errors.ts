/**
 * Classifies SQLite's errors, and makes those of this backend. Not every runtime gives the number beside the message, so
 * both are read.
 *
 * @module
 */
import { type ErrorCode, QueueError } from "../../core/errors.ts";

/** The kind of a failure. */
export type SqliteFault =
  | "busy"
  | "full"
  | "io"
  | "readonly"
  | "corrupt"
  | "not-a-database"
  | "cannot-open"
  | "other";

/** SQLite's primary result codes. */
const BY_NUMBER: Readonly<Record<number, SqliteFault>> = {
  5: "busy",
  6: "busy",
  8: "readonly",
  10: "io",
  11: "corrupt",
  13: "full",
  14: "cannot-open",
  26: "not-a-database",
};

const BY_MESSAGE: readonly (readonly [RegExp, SqliteFault])[] = [
  [/is locked/i, "busy"],
  [/readonly database/i, "readonly"],
  [/disk is full/i, "full"],
  [/disk I\/O error/i, "io"],
  [/malformed/i, "corrupt"],
  [/not a database/i, "not-a-database"],
  [/unable to open/i, "cannot-open"],
];

/** Returns the kind of an error that SQLite threw. */
export function faultOf(error: unknown): SqliteFault {
  if (!(error instanceof Error)) return "other";
  const { errcode } = error as { errcode?: unknown };
  const byNumber = typeof errcode === "number" ? BY_NUMBER[errcode & 0xff] : undefined;
  return byNumber ?? BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1] ?? "other";
}

const CODES: Readonly<Record<SqliteFault, ErrorCode>> = {
  busy: "unavailable",
  full: "queue-full",
  io: "unavailable",
  readonly: "unauthorized",
  corrupt: "config",
  "not-a-database": "config",
  "cannot-open": "unavailable",
  other: "internal",
};

/** Returns the code of an error that SQLite threw before anything was committed. */
export function codeOf(error: unknown): ErrorCode {
  return CODES[faultOf(error)];
}

/** Makes the error of a disk without room. */
export function diskFull(code: "queue-full" | "unavailable", cause: unknown): QueueError {
  return new QueueError(code, "the disk is full", { backend: "sqlite", cause });
}

/** Makes the error of a lock that another process holds for too long. */
export function locked(cause: unknown): QueueError {
  return new QueueError("unavailable", "another process holds the lock of the database", { backend: "sqlite", cause });
}

/** Makes the error of a file that is not the one that was opened. */
export function replaced(path: string): QueueError {
  return new QueueError(
    "unavailable",
    `${path} was deleted or replaced while it was in use: it is opened anew, without what only the old file had`,
    { backend: "sqlite" },
  );
}
