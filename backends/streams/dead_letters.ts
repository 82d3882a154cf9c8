/**
 * The dead letters of a group: a stream of their own.
 *
 * @module
 */
import type { DriverDeadLetterQuery, DriverDeadLetters } from "../../core/driver.ts";
import type { DeadLetter } from "../../core/protocol.ts";
import { withBytes } from "./bodies.ts";
import { readDeadLetter } from "./entries.ts";
import { type GroupKeys, groupKeys } from "./keys.ts";
import { keysFor, type Script } from "./script.ts";
import { LIST, PICK, PURGE, REPLAY } from "./scripts.ts";
import type { StreamsTransport } from "./transport.ts";

/** Dead letters of one page, and of one step of a replay or a purge. */
const PAGE = 100;

/** Bytes of one page, but for a letter that is larger alone. */
const PAGE_BYTES = 1024 * 1024;

/** Returned by a replay that has put nothing back yet: delayed messages that are due come first. */
const MORE_DUE = -1;

const ENTRY_ID = /^\d+-\d+$/;

/** The id that follows. */
function after(id: string): string {
  const dash = id.indexOf("-") + 1;
  return id.slice(0, dash) + (BigInt(id.slice(dash)) + 1n);
}

interface Page {
  readonly letters: readonly DeadLetter[];
  readonly cursor: string | undefined;
}

/** Dead letters over a transport. */
export class StreamsDeadLetters implements DriverDeadLetters {
  readonly #transport: StreamsTransport;

  /** Over this transport. */
  constructor(transport: StreamsTransport) {
    this.#transport = transport;
  }

  /** The oldest first; a page ends where it becomes too large. */
  async list(
    key: string,
    { group, ids, limit }: DriverDeadLetterQuery,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<Page> {
    const keys = groupKeys(key, group);
    if (ids) return await this.#pick(keys, ids, cursor, signal);
    const args = [cursor ?? "-", String(Math.min(limit, PAGE)), String(PAGE_BYTES)];
    const answer = await this.#transport.run(LIST, keysFor(LIST, keys), args, signal) as unknown[];
    const more = answer.at(-1) === "1";
    const letters = await this.#read(more ? answer.slice(0, -1) : answer, keys, signal);
    const last = letters.at(-1);
    return { letters, cursor: more && last ? after(last.id) : undefined };
  }

  async #pick(
    keys: GroupKeys,
    ids: readonly string[],
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<Page> {
    const from = Number(cursor ?? 0);
    const known = ids.filter((id) => ENTRY_ID.test(id));
    const args = [String(PAGE_BYTES), ...known.slice(from, from + PAGE)];
    const [count, ...entries] = await this.#transport.run(PICK, keysFor(PICK, keys), args, signal) as unknown[];
    const next = from + Number(count);
    return {
      letters: await this.#read(entries, keys, signal),
      cursor: next < known.length ? String(next) : undefined,
    };
  }

  #read(entries: readonly unknown[], keys: GroupKeys, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    const { stream, group } = keys;
    const letters = entries.map((entry) => readDeadLetter(entry as unknown[], stream, group));
    return withBytes(this.#transport, keys, letters, signal);
  }

  /** Puts them back for their group alone. */
  replay(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number> {
    return this.#each(REPLAY, groupKeys(key, query.group), query, signal);
  }

  /** Removes them. */
  purge(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number> {
    return this.#each(PURGE, groupKeys(key, query.group), query, signal);
  }

  /** In steps, so that no script holds the server up for long. */
  async #each(
    script: Script,
    keys: GroupKeys,
    { ids, limit }: DriverDeadLetterQuery,
    signal: AbortSignal,
  ): Promise<number> {
    const { group, channel } = keys;
    const names = keysFor(script, keys);
    const known = ids?.filter((id) => ENTRY_ID.test(id)).slice(0, limit);
    let total = 0;
    for (let from = 0;; from += PAGE) {
      const step = Math.min(PAGE, (known?.length ?? limit) - from);
      if (step <= 0) return total;
      const some = known?.slice(from, from + step) ?? [];
      const args = [group, channel, String(step), ...some];
      let count: number;
      do count = Number(await this.#transport.run(script, names, args, signal)); while (count === MORE_DUE);
      total += count;
      if (!known && count < step) return total;
    }
  }
}
