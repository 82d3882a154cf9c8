/**
 * Keeps room on the disk for the messages that wait, and gives space back while nothing happens.
 *
 * @module
 */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";

/** Pages that stay in the file for later messages, and pages that one step gives back: 1 MB and 8 MB. */
const PAGES = { kept: 256, step: 2_000 } as const;

/** Bytes of a page, as SQLite makes them. */
const PAGE_BYTES = 4_096;

/** Bytes that publishes leave free on the disk, so that what waits can still be taken and settled. */
const RESERVED_BYTES = 1_000_000;

/**
 * Tells whether the disk has room for `bytes` more, and then still for taking and settling what waits and for working
 * the log into the file.
 */
export function hasRoom(db: DatabaseSync, path: string, bytes: number): boolean {
  const wanted = RESERVED_BYTES + 2 * bytes;
  if (freeBytes(path) >= wanted + sizeOf(`${path}-wal`)) return true;
  // Pages inside the file that nothing uses any more are room too.
  const inside = freePages(db) * PAGE_BYTES;
  checkpoint(db);
  return freeBytes(path) + Math.max(0, inside - RESERVED_BYTES) >= wanted;
}

/** Works the log into the file and empties it, unless another connection reads at this moment. */
export function checkpoint(db: DatabaseSync): void {
  try {
    db.prepare("pragma wal_checkpoint(truncate)").all();
  } catch {
    // No room for it, or another connection writes: the log stays as it is.
  }
}

/** Gives space back to the disk, one step at a time. */
export function giveBack(db: DatabaseSync): void {
  try {
    const free = freePages(db);
    if (free <= PAGES.kept) return;
    db.prepare(`pragma incremental_vacuum(${Math.min(PAGES.step, free - PAGES.kept)})`).all();
    checkpoint(db);
  } catch {
    // Another connection writes: the next step tries again.
  }
}

function freePages(db: DatabaseSync): number {
  return Number(db.prepare("pragma freelist_count").get()?.freelist_count);
}

/** Returns the bytes that this process may still write; `Infinity` where that cannot be known. */
function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return Infinity; // this runtime, or its permissions, do not tell: the disk itself does when it is full
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
