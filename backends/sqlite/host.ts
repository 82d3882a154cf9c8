/**
 * The computer that uses a database file. SQLite's write-ahead log needs memory that all users of the file share, so
 * they must run on one computer: a second one would damage the file, and neither would notice.
 *
 * A small file beside the database names the one that uses it, and when it last did.
 *
 * @module
 */
import { readFileSync, statfsSync, writeFileSync } from "node:fs";
import { hostname, platform } from "node:os";
import { dirname } from "node:path";
import { ConfigError } from "../../core/errors.ts";

/** Milliseconds after which a computer that has not used the file counts as gone. */
const GONE_MS = 60_000;

/** Milliseconds between two notes of our use. */
const NOTE_MS = 5_000;

/**
 * File systems that other computers see too, by the number that Linux has for each (`man 2 statfs`). One that runs as a
 * program of its own (FUSE, such as sshfs) has one number with those on a disk: the note of the other computer tells.
 */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "SMB"],
  [0xfe534d42, "SMB"],
  [0x00c36400, "Ceph"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0x0bd00bd0, "Lustre"],
  [0x01161970, "GFS2"],
  [0x7461636f, "OCFS2"],
]);

/** The content of the note. */
interface Note {
  readonly host: string;
  /** Epoch milliseconds; 0: not in use any more. */
  readonly at: number;
}

/** Returns a name of this computer; `undefined` where this process may not know one: then nothing is checked. */
export function hostIdentity(): string | undefined {
  try {
    // Containers of one computer have names of their own; they share its kernel, and with it the memory.
    return platform() === "linux" ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() : hostname();
  } catch {
    return undefined; // not permitted
  }
}

/** Returns the number of the file system that a folder is on; undefined where this process may not know. */
export function fileSystemOf(folder: string): number | undefined {
  try {
    return statfsSync(folder).type;
  } catch {
    return undefined; // this runtime, or its permissions, do not tell
  }
}

/**
 * Refuses a file on a network.
 *
 * @param path The file.
 * @param systemOf Returns the number of a folder's file system.
 * @throws {ConfigError} It is on one.
 */
export function refuseNetwork(path: string, systemOf: typeof fileSystemOf = fileSystemOf): void {
  const type = systemOf(dirname(path));
  const name = type !== undefined && NETWORK.get(type >>> 0); // some runtimes read it with a sign
  if (!name) return;
  throw new ConfigError(
    `Cannot use ${path}: it is on a network file system (${name}), and all users of a SQLite file must run on one computer`,
    { backend: "sqlite" },
  );
}

/** This computer's use of a database file. */
export class HostNote {
  readonly #path: string;
  readonly #database: string;
  readonly #identity: string | undefined;
  readonly #now: () => number;
  #notedAt = -Infinity;

  /** Reads and writes nothing yet. */
  constructor(database: string, identity: string | undefined = hostIdentity(), now: () => number = Date.now) {
    this.#path = `${database}-host`;
    this.#database = database;
    this.#identity = identity;
    this.#now = now;
  }

  /**
   * Checks that no other computer uses the file, and notes that this one does. Does so once in five seconds.
   *
   * @throws {ConfigError} Another computer uses it.
   */
  check(): void {
    const now = this.#now();
    if (this.#identity === undefined || Math.abs(now - this.#notedAt) < NOTE_MS) return;
    const other = this.#read();
    const age = now - (other?.at ?? 0);
    if (other !== undefined && other.host !== this.#identity && Math.abs(age) < GONE_MS) {
      throw new ConfigError(
        `Cannot use ${this.#database}: another computer used it ${Math.round(age / 1_000)} s ago, and all users of ` +
          `a SQLite file must run on one; stop the other one, or wait ${GONE_MS / 1_000} s after it has ended`,
        { backend: "sqlite" },
      );
    }
    this.#write(now);
    this.#notedAt = now;
  }

  /** Notes that this process no longer uses the file. Other processes of this computer note their use again. */
  leave(): void {
    if (this.#notedAt === -Infinity) return;
    this.#notedAt = -Infinity;
    this.#write(0);
  }

  #read(): Note | undefined {
    try {
      const { host, at } = JSON.parse(readFileSync(this.#path, "utf8")) as Partial<Note>;
      return typeof host === "string" && typeof at === "number" ? { host, at } : undefined;
    } catch {
      return undefined; // not there yet, or being written at this moment
    }
  }

  #write(at: number): void {
    const note: Note = { host: this.#identity!, at };
    try {
      writeFileSync(this.#path, `${JSON.stringify(note)}\n`, { mode: 0o600 });
    } catch {
      // A full disk, or a folder that is gone: the database itself says so, with a better message.
    }
  }
}
