/**
 * The numbers of keys and groups in the tables. They are read once, and stay valid as long as the database is the same.
 *
 * @module
 */
import { bind, type BoundStatement, type SqlPort } from "./port.ts";
import { FIND, GROUP, QUEUE } from "./statements.ts";

/** The number of a key. */
export interface QueueId {
  readonly k: number;
  /** The generation of the database that it was read in. */
  readonly generation: number;
}

/** The numbers of a key and of a group of it. */
export interface GroupIds extends QueueId {
  readonly g: number;
}

/** The numbers of a key and of a group that may not exist. */
export interface FoundIds extends QueueId {
  readonly g: number | null;
}

/** The most keys, and groups, whose numbers are remembered. */
const MAX_KNOWN = 10_000;

/** Finds and remembers numbers. */
export class Ids {
  readonly #port: SqlPort;
  readonly #queues: Map<string, QueueId> = new Map();
  readonly #groups: Map<string, GroupIds> = new Map();

  /** Numbers of a database. */
  constructor(port: SqlPort) {
    this.#port = port;
  }

  /** Returns the number of a key, which is created where it is new. */
  async queue(key: string, signal: AbortSignal): Promise<QueueId> {
    const known = this.#queues.get(key);
    if (known?.generation === this.#port.generation) return known;
    const ids = await this.#read(bind(QUEUE, { key }), "write", signal);
    return remember(this.#queues, key, ids!);
  }

  /** Returns the numbers of a group, which is created where it is new. */
  async group(key: string, group: string, signal: AbortSignal): Promise<GroupIds> {
    const name = JSON.stringify([key, group]);
    const known = this.#groups.get(name);
    if (known?.generation === this.#port.generation) return known;
    const ids = await this.#read(bind(GROUP, { key, group }), "write", signal);
    return remember(this.#groups, name, ids as GroupIds);
  }

  /** Returns the numbers of a group that exists, and creates nothing. */
  async existing(key: string, group: string, signal: AbortSignal): Promise<GroupIds | undefined> {
    const ids = await this.lookUp(key, group, signal);
    return ids?.g === null ? undefined : ids as GroupIds | undefined;
  }

  /** Returns the numbers of a key that exists and of a group of it, where there is one, and creates nothing. */
  lookUp(key: string, group: string, signal: AbortSignal): Promise<FoundIds | undefined> {
    return this.#read(bind(FIND, { key, group }), "read", signal);
  }

  /** Forgets all numbers, after some were found to be gone. */
  forget(): void {
    this.#queues.clear();
    this.#groups.clear();
  }

  /** Reads the numbers that a list selects last. */
  async #read(
    list: readonly BoundStatement[],
    mode: "read" | "write",
    signal: AbortSignal,
  ): Promise<FoundIds | undefined> {
    const { generation } = this.#port;
    const answers = await this.#port.run(list, { mode, signal, generation });
    const row = answers.at(-1)![0];
    if (row === undefined) return undefined;
    const g = typeof row.g === "number" ? row.g : null;
    return { k: Number(row.k), g, generation };
  }
}

function remember<T>(known: Map<string, T>, name: string, value: T): T {
  for (const oldest of known.keys()) {
    if (known.size < MAX_KNOWN) break;
    known.delete(oldest);
  }
  known.set(name, value);
  return value;
}
