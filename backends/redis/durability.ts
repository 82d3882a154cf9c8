/**
 * What a confirmation is worth on a server with an append-only file that is synced once a second, and on one with replicas.
 *
 * Such a server answers before it has handed a write to its operating system, for as long as a sync is under way: if it is
 * killed in that moment, the write is gone although it was confirmed. So after a publish its buffer is looked at, and the
 * publish counts as confirmed when what was in it has left. A server that syncs always, or keeps no such file, is not
 * asked.
 *
 * A replica gets a write after it was confirmed. If it takes the server's place in that moment, the write is gone; where
 * so many replicas are to have it first, a WAIT follows each publish.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";

/** Milliseconds between two looks. */
const LOOK_MS = 2;

/** How much has been written and how much has not. */
interface Buffer {
  readonly written: number;
  readonly waiting: number;
}

function numberOf(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
}

/** When a write counts as confirmed. */
export interface WriteGuardOptions {
  /** Whether it must be out of the hands of a server that syncs once a second. */
  readonly durable: boolean;
  /** So many replicas must have it. */
  readonly replicas: number;
  /** Milliseconds that replicas get for it. */
  readonly replicaWaitMs: number;
}

/** Looks after the writes of one connection. */
export class WriteGuard {
  readonly #call: (command: string, args: string[]) => Promise<unknown>;
  readonly #options: WriteGuardOptions;
  #needed: Promise<boolean> | undefined;
  /** The server is known to lose nothing that it has answered. */
  idle = false;

  /** A guard that asks by these means. */
  constructor(call: (command: string, args: string[]) => Promise<unknown>, options: WriteGuardOptions) {
    this.#call = call;
    this.#options = options;
    this.reset();
  }

  /** To be called when the connection is a new one: it may lead to another server. */
  reset(): void {
    this.#needed = undefined;
    this.idle = !this.#options.durable && this.#options.replicas === 0;
  }

  /**
   * Resolves when what was written so far is safe.
   *
   * @throws {QueueError} `"unknown-outcome"`: it is written, and too few replicas have it.
   */
  async written(): Promise<void> {
    if (this.#options.replicas > 0) await this.#replicated();
    if (this.#options.durable) await this.#flushed();
  }

  async #replicated(): Promise<void> {
    const { replicas, replicaWaitMs } = this.#options;
    const reached = Number(await this.#call("WAIT", [String(replicas), String(Math.ceil(replicaWaitMs))]));
    if (reached >= replicas) return;
    throw new QueueError("unknown-outcome", `it was written, and ${reached} of ${replicas} replicas have confirmed it`);
  }

  async #flushed(): Promise<void> {
    this.#needed ??= this.#isNeeded();
    try {
      if (!await this.#needed) {
        this.idle = this.#options.replicas === 0;
        return;
      }
    } catch (error) {
      this.#needed = undefined;
      throw error;
    }
    const first = await this.#look();
    if (first.waiting === 0) return;
    for (;;) {
      const { written, waiting } = await this.#look();
      // Others write too, so the buffer need not be seen empty. A file that was written anew is smaller.
      if (waiting === 0 || written >= first.written + first.waiting || written < first.written) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async #isNeeded(): Promise<boolean> {
    const info = String(await this.#call("INFO", ["persistence"]));
    if (numberOf(info, "aof_enabled") === 0) return false;
    const [, policy] = await this.#call("CONFIG", ["GET", "appendfsync"]).then(
      (answer) => answer as string[],
      () => ["appendfsync", "everysec"], // not everybody may ask, and this is what it is unless somebody chose otherwise
    );
    return policy === "everysec";
  }

  async #look(): Promise<Buffer> {
    const info = String(await this.#call("INFO", ["persistence"]));
    return { written: numberOf(info, "aof_current_size"), waiting: numberOf(info, "aof_buffer_length") };
  }
}
