/**
 * Looks at the disk that a database is on.
 *
 * @module
 */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Finding } from "../../core/protocol.ts";

/** Bytes below which a disk is full to publishes, and bytes below which it soon will be. */
const BYTES = { full: 1_500_000, scarce: 100_000_000 } as const;

/** The part of a disk that must be free, where the disk is small. */
const SCARCE_PART = 0.05;

/** Looks at the disk of a file. Where this runtime or its permissions do not tell, nothing is found. */
export function diagnoseDisk(path: string): Finding[] {
  let free: number;
  let size: number;
  try {
    const { bavail, bsize, blocks } = statfsSync(dirname(path));
    [free, size] = [bavail * bsize, blocks * bsize];
  } catch {
    return [];
  }
  const full = free < BYTES.full;
  if (!full && free >= Math.min(BYTES.scarce, size * SCARCE_PART)) return [];
  return [{
    severity: full ? "error" : "warning",
    setting: "SQLITE_PATH",
    problem: `the disk of ${path} is ${full ? "full" : "nearly full"}: ${Math.floor(free / 1_000)} KB of ${
      Math.round(size / 1_000_000)
    } MB are free, and a publish on a full disk is refused`,
    repair: "make room on that disk, or set SQLITE_PATH to a file on another one",
  }];
}
