/**
 * The history of a Redis server out of its append-only file: an exact record, in order, of every command that changed
 * something, with the commands that a script ran between `MULTI` and `EXEC`. The file must never have been rewritten.
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { groupKeys } from "../../../backends/streams/keys.ts";
import { LeaseHistory } from "./lease_history.ts";

const [STAR, HASH] = [0x2a, 0x23];

/** Yields the commands of an append-only file; those of a transaction together. */
function* transactionsOf(file: Uint8Array): Generator<string[][], undefined> {
  const text = new TextDecoder();
  let at = 0;
  const line = (): string => {
    const end = file.indexOf(0x0a, at);
    const found = text.decode(file.subarray(at + 1, end - 1));
    at = end + 1;
    return found;
  };
  let together: string[][] | undefined;
  while (at < file.length) {
    if (file[at] === HASH) {
      line();
      continue;
    }
    if (file[at] !== STAR) throw new Error(`Cannot read the append-only file at byte ${at}: ${file[at]}`);
    const command: string[] = [];
    for (let left = Number(line()); left > 0; left--) {
      const length = Number(line());
      command.push(text.decode(file.subarray(at, at + length)));
      at += length + 2;
    }
    if (command[0] === "MULTI") together = [];
    else if (command[0] === "EXEC") {
      yield together ?? [];
      together = undefined;
    } else if (together) together.push(command);
    else yield [command];
  }
}

/** Compares the ids of entries. */
function isBefore(one: string, other: string): boolean {
  const [[ms, seq], [otherMs, otherSeq]] = [one, other].map((id) => id.split("-").map(Number)) as [number[], number[]];
  return ms! < otherMs! || ms === otherMs && seq! < otherSeq!;
}

/** The last that a transaction did to an entry that is pending. */
type Change = { readonly holder: string; readonly attempts: number } | "acked";

/** Reads the history of a key and group. */
class HistoryReader {
  readonly history = new LeaseHistory();
  readonly #stream: string;
  readonly #leases: string;
  readonly #group: string;
  /** Entries of the stream that may be there still. */
  #entries: string[] = [];
  #now = 0;

  constructor(key: string, group: string) {
    const { stream, leases } = groupKeys(key, group);
    [this.#stream, this.#leases, this.#group] = [stream, leases, group];
  }

  /** Reads a transaction: what counts is what it leaves behind, since nobody sees anything in between. */
  take(commands: readonly string[][]): void {
    const { history } = this;
    const [changes, ends] = [new Map<string, Change>(), new Map<string, number>()];
    const [removals, dropped] = [new Array<string>(), new Array<string>()];
    for (const [name = "", key = "", ...rest] of commands) {
      if (name === "ZADD" && key === this.#leases) {
        ends.set(rest[1]!, Number(rest[0]));
      } else if (key !== this.#stream && !(name === "XGROUP" && rest[0] === this.#stream)) {
        continue;
      } else if (name === "XADD") {
        this.#accept(rest);
      } else if (name === "XCLAIM" && rest[0] === this.#group) {
        const [, holder = "", , id = ""] = rest;
        const option = (word: string) => Number(rest[rest.indexOf(word) + 1]);
        this.#now = Math.max(this.#now, option("TIME"));
        changes.set(id, { holder, attempts: option("RETRYCOUNT") });
      } else if (name === "XACK" && rest[0] === this.#group) {
        for (const id of rest.slice(1)) changes.set(id, "acked");
      } else if (name === "XDEL") {
        removals.push(...rest);
      } else if (name === "XTRIM") {
        removals.push(...this.#trim(rest));
      } else if (name === "XGROUP" && key === "DELCONSUMER") {
        dropped.push(rest[2]!);
      }
    }
    this.#apply(changes);
    for (const [lease, end] of ends) history.lasts(lease, end);
    for (const id of [...removals, ...dropped.flatMap((lease) => history.heldBy(lease))]) history.removed(id);
  }

  #accept([id = "", ...fields]: string[]): void {
    const named = (field: string) => fields[fields.indexOf(field) + 1]!;
    this.#entries.push(id);
    this.history.accepted(id, named("orderingKey"), (JSON.parse(named("data")) as { readonly n: number }).n);
  }

  #trim([strategy, first, second]: string[]): string[] {
    if (strategy !== "MINID") throw new Error(`Cannot read a trim by ${strategy}`);
    const min = first === "=" || first === "~" ? second! : first!;
    let gone = 0;
    while (gone < this.#entries.length && isBefore(this.#entries[gone]!, min)) gone += 1;
    return this.#entries.splice(0, gone);
  }

  /** What is done comes before what is leased: one script may do both. */
  #apply(changes: ReadonlyMap<string, Change>): void {
    const { history } = this;
    for (const [id, change] of changes) {
      if (change === "acked") history.settled(id);
      else if (!change.holder.startsWith("lease:")) history.returned(id, this.#now);
    }
    for (const [id, change] of changes) {
      if (change === "acked" || !change.holder.startsWith("lease:")) continue;
      history.leased(id, { lease: change.holder, attempts: change.attempts, at: this.#now });
    }
  }
}

/** Reads the history of a key and group out of transactions. */
export function readTransactions(key: string, group: string, transactions: Iterable<string[][]>): LeaseHistory {
  const reader = new HistoryReader(key, group);
  for (const commands of transactions) reader.take(commands);
  reader.history.end();
  return reader.history;
}

/**
 * Reads the history of a key and group out of the directory of a server that has stopped.
 *
 * @param dir The server's directory.
 */
export async function readRedisHistory(dir: string, key: string, group: string): Promise<LeaseHistory> {
  const names = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith(".aof")).sort();
  const files = await Promise.all(names.map((name) => readFile(join(dir, name))));
  return readTransactions(key, group, files.values().flatMap(transactionsOf));
}
