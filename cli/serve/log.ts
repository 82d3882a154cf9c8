/**
 * The log: one JSON line for each entry.
 *
 * @module
 */

/** The severity. */
export type Level = "info" | "warn" | "error";

/** Further fields of a line. */
export type Details = Readonly<Record<string, unknown>>;

/** Takes one line. */
export type Log = (level: Level, message: string, details?: Details) => void;

/** The most causes that are written of one error. */
const MAX_CAUSES = 4;

/** Returns a log that hands each line, without its end, to `write`. */
export function createLog(write: (line: string) => void): Log {
  return (level, message, details = {}) =>
    write(JSON.stringify({ time: new Date().toISOString(), level, message, ...details }, plain));
}

/** Writes an error as its name, code and message, with its causes. */
function plain(_name: string, value: unknown): unknown {
  return value instanceof Error ? describe(value, 0) : value;
}

/** Clients wrap errors in errors: the innermost often names the host or the system's code, such as ECONNREFUSED. */
function describe(error: Error, depth: number): Details {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    name: error.name,
    ...code === undefined ? {} : { code },
    message: error.message,
    ...cause instanceof Error && depth < MAX_CAUSES ? { cause: describe(cause, depth + 1) } : {},
  };
}
