/**
 * Wakes the other processes on a database file: a byte written to a file beside it after each commit, and watched.
 *
 * Watching the database or its log itself would wake before the commit is there to be seen.
 *
 * @module
 */
import { closeSync, type FSWatcher, openSync, watch, writeSync } from "node:fs";

const ONE_BYTE = new Uint8Array(1);

/** One process's use of the bell. */
export class Bell {
  readonly #path: string;
  readonly #onRing: () => void;
  #handle: number | undefined;
  #watcher: FSWatcher | undefined;
  #broken = false;

  /** Opens nothing yet. `onRing` is called when a process may have rung, this one included. */
  constructor(database: string, onRing: () => void) {
    this.#path = `${database}-bell`;
    this.#onRing = onRing;
  }

  /** True while the file is watched. */
  get watching(): boolean {
    return this.#watcher !== undefined;
  }

  /** Wakes every process that watches. Never throws: a process that misses it looks by itself after a while. */
  ring(): void {
    try {
      writeSync(this.#open(), ONE_BYTE, 0, 1, 0);
    } catch {
      this.#closeHandle(); // a full disk, or the file is gone: it is opened again the next time
    }
  }

  /** Starts to watch, where the file system can be watched. */
  listen(): void {
    if (this.#watcher !== undefined || this.#broken) return;
    try {
      this.#open();
      const watcher = watch(this.#path, () => this.#onRing());
      watcher.on("error", () => this.#giveUp());
      this.#watcher = watcher;
    } catch {
      this.#giveUp();
    }
  }

  /** Closes what was opened. It can be used again. */
  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#broken = false;
    this.#closeHandle();
  }

  /** Stops watching for good, such as where the system's limit of watches is reached. */
  #giveUp(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#broken = true;
  }

  #open(): number {
    if (this.#handle === undefined) {
      closeSync(openSync(this.#path, "a", 0o600)); // creates it
      this.#handle = openSync(this.#path, "r+");
    }
    return this.#handle;
  }

  #closeHandle(): void {
    if (this.#handle === undefined) return;
    const handle = this.#handle;
    this.#handle = undefined;
    closeSync(handle);
  }
}
