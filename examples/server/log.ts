/**
 * The log: one JSON line for each entry.
 *
 * @module
 */

/** The severity. */
export type Level = "info" | "warn" | "error";

/** Takes one line. */
export type Log = (level: Level, message: string, details?: Readonly<Record<string, unknown>>) => void;

/** The most causes that are written of one error. */
const MAX_CAUSES = 4;

/** Writes to the standard output. An error is written as its name, code and message, with its causes. */
export function jsonLog(level: Level, message: string, details: Readonly<Record<string, unknown>> = {}): void {
  console.log(JSON.stringify({ time: new Date().toISOString(), level, message, ...details }, plain));
}

function plain(_name: string, value: unknown): unknown {
  return value instanceof Error ? describe(value, 0) : value;
}

/** Clients wrap errors in errors: the innermost often names the host or the system's code, such as ECONNREFUSED. */
function describe(error: Error, depth: number): Readonly<Record<string, unknown>> {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    name: error.name,
    ...code === undefined ? {} : { code },
    message: error.message,
    ...cause instanceof Error && depth < MAX_CAUSES ? { cause: describe(cause, depth + 1) } : {},
  };
}
