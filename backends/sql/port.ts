/**
 * The database as the SQL engine needs it: lists of statements, each run as one transaction, and a way to wait until
 * somebody else has written.
 *
 * No value passes from one statement of a list to the next, so a list can travel to a database that is elsewhere.
 *
 * @module
 */
import type { Finding } from "../../core/protocol.ts";
import type { ErrorCode } from "../../core/errors.ts";

/** A value that is bound to a parameter. */
export type SqlValue = string | number | null;

/** One statement, with numbered parameters. */
export interface Statement {
  /** The text, with `?1`, `?2` and so on. */
  readonly text: string;
  /** The name of each parameter, in order. */
  readonly params: readonly string[];
}

/** Statements that run as one transaction. */
export type StatementList = readonly Statement[];

/** One statement with its values. */
export interface BoundStatement {
  /** The text, with `?1`, `?2` and so on. */
  readonly text: string;
  /** The value of each parameter, in order. */
  readonly values: readonly SqlValue[];
}

/** One row of an answer, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** How a list runs. */
export interface RunOptions {
  /** `"write"` takes the write lock before the first statement. */
  readonly mode: "read" | "write";
  /** The list must not run once it has aborted. */
  readonly signal: AbortSignal;
  /** The generation that the list's numbers were read in. In another one the list must not run. Default: any. */
  readonly generation?: number | undefined;
  /** Bytes of messages that the list adds. Where there is no room for them it must not run, and reject with `"queue-full"`. */
  readonly bytes?: number | undefined;
}

/** How the engine reaches a database. */
export interface SqlPort {
  /** Counts up whenever the database is another one than before: what was read of it does not hold any more. */
  readonly generation: number;
  /** Counts up whenever something may have become deliverable. */
  readonly version: number;
  /** Runs the statements in order as one transaction and resolves with the rows of each. */
  run(list: readonly BoundStatement[], options: RunOptions): Promise<Row[][]>;
  /** Wakes every call of `wait`, in any process: something may have become deliverable. */
  ring(): void;
  /** Resolves when `version` is another one, after `ms` milliseconds, or when the signal aborts. */
  wait(version: number, ms: number, signal: AbortSignal): Promise<void>;
  /** Looks at what the database is on. */
  diagnose?(): readonly Finding[];
  /** Names an error that `run` threw. */
  classify(error: unknown): ErrorCode;
  /** Closes what was opened. */
  close(): Promise<void>;
}

/** Gives each statement of a list its values, by name. */
export function bind(list: StatementList, values: Readonly<Record<string, SqlValue>>): BoundStatement[] {
  return list.map(({ text, params }) => ({ text, values: params.map((name) => values[name] ?? null) }));
}

/** A text of an answer; one with a NUL in it comes as bytes. */
export function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}
