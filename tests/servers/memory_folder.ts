/**
 * A folder of files in memory, for servers that sync what they write. What a process has written there is there after a
 * kill, as it is on a disk.
 *
 * @module
 */
import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";

const MEMORY = "/dev/shm";
/** Bytes that must be free there, for all servers of the moment. */
const LEAST_BYTES = 4 * 1024 ** 3;

/** The folder, or that of other temporary files where there is none or not enough room. */
export function memoryFolder(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    if (bavail * bsize >= LEAST_BYTES) return MEMORY;
  } catch {
    // there is none
  }
  return tmpdir();
}
