/**
 * One JSON line per thing worth knowing.
 *
 * @module
 */

/** How bad it is. */
export type Level = "info" | "warn" | "error";

/** Takes one line. */
export type Log = (level: Level, message: string, details?: Readonly<Record<string, unknown>>) => void;

/** Writes to the standard output. An error is written as its name, code and message. */
export function jsonLog(level: Level, message: string, details: Readonly<Record<string, unknown>> = {}): void {
  console.log(JSON.stringify({ time: new Date().toISOString(), level, message, ...details }, plain));
}

function plain(_name: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { code } = value as { code?: unknown };
  return { name: value.name, ...code === undefined ? {} : { code }, message: value.message };
}
