/**
 * Shared by the commands about dead letters.
 *
 * @module
 */
import type { LeasingBackend } from "../core/protocol.ts";
import { UsageError } from "./arguments.ts";
import type { Io } from "./io.ts";
import { supported } from "./looks.ts";
import { Progress } from "./render.ts";

/** Letters of one step: an operator sees how far it is, and can stop it between two. */
const STEP = 100;

/** Which letters a command is about. */
export interface Letters {
  readonly key: string;
  readonly group: string;
  /** Their ids; none: all. */
  readonly ids: readonly string[];
}

/**
 * Refuses a line that names no letters and does not say `--all`, or both.
 *
 * @throws {UsageError}
 */
export function checkChoice(command: string, ids: readonly string[], all: boolean): void {
  if (ids.length > 0 && all) throw new UsageError(`${command}: ids and --all exclude each other`);
  if (ids.length === 0 && !all) throw new UsageError(`${command}: name ids, or say --all for all dead letters`);
}

/** Counts the letters that a command is about: no more than there are now. */
export async function countOf(backend: LeasingBackend, { key, group, ids }: Letters, io: Io): Promise<number> {
  if (ids.length > 0) return ids.length;
  const depth = await supported(backend.depth(key, { group, signal: io.signal }));
  if (depth) return depth.dead;
  let count = 0;
  for await (const _letter of backend.deadLetters.list(key, { group, signal: io.signal })) count++;
  return count;
}

/**
 * Replays or purges letters in steps, with a progress bar.
 *
 * @param total The most letters: those that die again meanwhile are left alone.
 * @returns How many.
 */
export async function inSteps(
  backend: LeasingBackend,
  { key, group, ids }: Letters,
  { io, how, total }: { readonly io: Io; readonly how: "replay" | "purge"; readonly total: number },
): Promise<number> {
  const progress = new Progress(io, how === "replay" ? "replayed" : "purged", total);
  let done = 0;
  try {
    for (let from = 0; from < total && !io.signal.aborted; from += STEP) {
      const limit = Math.min(STEP, total - from);
      const query = ids.length > 0 ? { ids: ids.slice(from, from + limit) } : { limit };
      const count = await backend.deadLetters[how](key, { group, ...query, signal: io.signal });
      done += count;
      progress.show(done);
      if (ids.length === 0 && count < limit) break;
    }
  } finally {
    progress.end();
  }
  return done;
}
