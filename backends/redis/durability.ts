/**
 * Makes a confirmation durable on a server with an append-only file that is synced once a second, and on one with
 * replicas.
 *
 * Such a server answers before it has handed a write to its operating system, for as long as a sync is under way: a
 * server that is killed in that moment loses a write that it has answered. So after a publish its buffer is read, and
 * the publish counts as confirmed when what was in it has left. A server that syncs always, or keeps no such file, is
 * not asked.
 *
 * A replica gets a write after it was answered. A replica that takes the server's place in that moment does not have it;
 * where replicas are to have it first, a WAIT follows each publish. WAIT waits for the last write of its own connection:
 * a publish that is repeated over a new connection and recognized writes nothing there. So a write that leaves nothing
 * behind goes before each WAIT.
 *
 * Everything that a user of the server may be refused is asked before the write. After it, a failure is always
 * `"unknown-outcome"`.
 *
 * @module
 */
import { delay } from "../../core/util/async.ts";
import { QueueError } from "../../core/errors.ts";
import { messageOf } from "../../core/util/redact.ts";
import { TOUCH } from "../streams/scripts.ts";

/** Milliseconds between two readings of the buffer. */
const LOOK_MS = 2;

/** How much the server has written to its file and how much it has not. */
interface Buffer {
  readonly written: number;
  readonly waiting: number;
}

/** Reads a number out of the text of INFO. */
export function numberOf(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
}

/** When a write counts as confirmed. */
export interface WriteGuardOptions {
  /** Whether it must be out of the hands of a server that syncs once a second. */
  readonly durable: boolean;
  /** The number of replicas that must have it. */
  readonly replicas: number;
  /** Milliseconds that replicas get for it. */
  readonly replicaWaitMs: number;
}

/** Sends a command over the connection that is guarded. */
export type Call = (command: string, args: string[]) => Promise<unknown>;

/** Guards the writes of one connection. */
export class WriteGuard {
  readonly #call: Call;
  readonly #options: WriteGuardOptions;
  #flushes = false;
  /** Counts connections: what one has answered says nothing about the next. */
  #connection = 0;

  /** A guard that asks by `call`. */
  constructor(call: Call, options: WriteGuardOptions) {
    this.#call = call;
    this.#options = options;
  }

  /** True where an answer of the server is all that there is to wait for. */
  get idle(): boolean {
    return !this.#flushes && this.#options.replicas === 0;
  }

  /** The connection that a write is about to use, for {@link written}. */
  get connection(): number {
    return this.#connection;
  }

  /** To be called when the connection is lost: the next one may lead to another server. */
  reset(): void {
    this.#connection += 1;
    this.#flushes = false;
  }

  /**
   * Asks a new connection what its writes need.
   *
   * @param persistence INFO's section of that name; `undefined` where this user may not ask.
   * @throws The server's refusal of WAIT, where replicas are to be waited for.
   */
  async prepare(persistence: string | undefined): Promise<void> {
    const { durable, replicas } = this.#options;
    if (replicas > 0) await this.#call("WAIT", ["0", "0"]);
    if (!durable || persistence === undefined || numberOf(persistence, "aof_enabled") === 0) return;
    // Not every user may ask, and once a second is what it is unless somebody chose otherwise.
    const [, policy] = await this.#call("CONFIG", ["GET", "appendfsync"]).then(
      (answer) => answer as string[],
      () => ["appendfsync", "everysec"],
    );
    this.#flushes = policy === "everysec";
  }

  /**
   * Resolves when what was written is safe.
   *
   * @param connection The connection that it was written on.
   * @param probe A key that never exists.
   * @throws {QueueError} `"unknown-outcome"`: it is written, and may yet be lost.
   */
  async written(connection: number, probe: string, signal: AbortSignal): Promise<void> {
    const { replicas } = this.#options;
    const check = () => {
      if (signal.aborted) throw signal.reason;
      if (connection !== this.#connection) throw new Error("the connection was lost before it was safe");
    };
    try {
      check();
      if (replicas > 0) await this.#replicated(probe);
      check();
      if (this.#flushes) await this.#flushed(check);
      check();
    } catch (error) {
      throw new QueueError("unknown-outcome", `it was written, but ${messageOf(error)}`, { cause: error });
    }
  }

  async #replicated(probe: string): Promise<void> {
    const { replicas, replicaWaitMs } = this.#options;
    // Written together, so that no other connection comes between them.
    const [, reached] = await Promise.all([
      this.#call("EVAL", [TOUCH.source, "1", probe]),
      this.#call("WAIT", [String(replicas), String(Math.ceil(replicaWaitMs))]),
    ]);
    if (Number(reached) < replicas) throw new Error(`only ${reached} of ${replicas} replicas have confirmed it`);
  }

  async #flushed(check: () => void): Promise<void> {
    const first = await this.#look();
    if (first.waiting === 0) return;
    for (;;) {
      const { written, waiting } = await this.#look();
      // Others write too, so the buffer need not be seen empty. A file that was written anew is smaller.
      if (waiting === 0 || written >= first.written + first.waiting || written < first.written) return;
      check();
      await delay(LOOK_MS);
    }
  }

  async #look(): Promise<Buffer> {
    const info = String(await this.#call("INFO", ["persistence"]));
    return { written: numberOf(info, "aof_current_size"), waiting: numberOf(info, "aof_buffer_length") };
  }
}
