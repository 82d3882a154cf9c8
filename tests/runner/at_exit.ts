/**
 * What a process does at its very end.
 *
 * @module
 */
import process from "node:process";

/**
 * Runs something, without waiting for it, when this process ends. For what must not be left behind: Deno leaves out a
 * file's hooks where its last test is skipped, and ends with the event "unload" alone.
 */
export function atExit(end: () => void): void {
  process.on("exit", end);
  (globalThis as { addEventListener?: typeof addEventListener }).addEventListener?.("unload", end);
}
