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

const ENTRY_ID = /^\d+-\d+$/;

/** The id that follows. */
function after(id: string): string {
  const dash = id.indexOf("-") + 1;
  return id.slice(0, dash) + (BigInt(id.slice(dash)) + 1n);
}

/** Dead letters over a transport. */
export class StreamsDeadLetters implements DriverDeadLetters {
  readonly #transport: StreamsTransport;

  /** Over this transport. */
  constructor(transport: StreamsTransport) {
    this.#transport = transport;
  }

  /** The oldest first. */
  async list(
    key: string,
    { group, ids, limit }: DriverDeadLetterQuery,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly letters: readonly DeadLetter[]; readonly cursor: string | undefined }> {
    const keys = groupKeys(key, group);
    const known = ids?.filter((id) => ENTRY_ID.test(id));
    const count = Math.min(limit, PAGE);
    const from = Number(cursor ?? 0);
    const answer = known
      ? await this.#transport.run(PICK, keysFor(PICK, keys), known.slice(from, from + PAGE), signal)
      : await this.#transport.run(LIST, keysFor(LIST, keys), [cursor ?? "-", String(count)], signal);
    const read = (answer as unknown[][]).map((entry) => readDeadLetter(entry, key, group));
    const letters = await withBytes(this.#transport, keys, read, signal);
    if (known) return { letters, cursor: from + PAGE < known.length ? String(from + PAGE) : undefined };
    const last = letters.at(-1);
    return { letters, cursor: last && letters.length === count ? after(last.id) : undefined };
  }

  /** Puts them back for their group alone. */
  async replay(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number> {
    const keys = groupKeys(key, query.group);
    return await this.#each(REPLAY, keys, query, signal);
  }

  /** Removes them. */
  async purge(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number> {
    const keys = groupKeys(key, query.group);
    return await this.#each(PURGE, keys, query, signal);
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
      const count = Number(await this.#transport.run(script, names, [group, channel, String(step), ...some], signal));
      total += count;
      if (!known && count < step) return total;
    }
  }
}
