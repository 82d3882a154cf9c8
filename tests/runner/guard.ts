/**
 * Writes down what nobody catches, a line each, into the file that `GUARD_LOG` names. The runner preloads it,
 * since `deno test` reports such errors as nothing at all once a file has imported `node:test`: not even
 * one that is thrown while the file loads.
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import process from "node:process";

const log = process.env.GUARD_LOG;

function note(kind: string, error: unknown): void {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  const [first, ...frames] = text.split("\n");
  const where = frames.find((frame) => frame.includes("file:")) ?? "";
  if (log) appendFileSync(log, `${kind} in ${Deno.mainModule}: ${first} ${where.trim()}\n`);
}

globalThis.addEventListener("error", (event) => note("uncaught error", event.error));
globalThis.addEventListener("unhandledrejection", (event) => note("unhandled rejection", event.reason));
