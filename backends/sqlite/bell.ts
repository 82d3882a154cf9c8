/**
 * Wakes the other processes on a database file: a byte written to a file beside it after each commit, and watched.
 *
 * Watching the database or its log itself would wake before the commit is there to be seen.
 *
 * @module
 */
import { closeSync, type FSWatcher, openSync, watch, writeSync } from "node:fs";

const ONE_BYTE = new Uint8Array(1);

/** One process's hand on the bell. */
export class Bell {
  readonly #path: string;
  readonly #onRing: () => void;
  #handle: number | undefined;
  #watcher: FSWatcher | undefined;
  #broken = false;

  /** Nothing is opened yet. `onRing` is called when somebody may have rung, this process included. */
  constructor(database: string, onRing: () => void) {
    this.#path = `${database}-bell`;
    this.#onRing = onRing;
  }

  /** True where rings of others are heard. */
  get watching(): boolean {
    return this.#watcher !== undefined;
  }

  /** Wakes whoever watches. Never throws: who does not hear it looks by itself after a while. */
  ring(): void {
    try {
      writeSync(this.#open(), ONE_BYTE, 0, 1, 0);
    } catch {
      this.#closeHandle(); // a full disk, or the file is gone: opened anew the next time
    }
  }

  /** Begins to listen, where that is possible on this file system. */
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

  /** No watching here, such as where the system's limit of watches is reached. */
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
