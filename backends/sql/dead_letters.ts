/**
 * The dead letters of a group.
 *
 * @module
 */
import type { DriverDeadLetterQuery, DriverDeadLetters } from "../../core/driver.ts";
import type { DeadLetter } from "../../core/protocol.ts";
import { bind, type Row, type SqlPort, type StatementList, textOf } from "./port.ts";
import { bodyOfBytes } from "../../core/util/bytes.ts";
import { bodiesOf } from "./bodies.ts";
import { DEAD_BODIES, DEAD_LIST, DEAD_PURGE, DEAD_REPLAY } from "./statements.ts";
import type { Ids } from "./ids.ts";
import { STEP } from "./outgoing.ts";

/** Dead letters on one page. */
const PAGE = 100;

function letterOf(row: Row, body: string | Uint8Array, key: string, group: string): DeadLetter {
  const headers = textOf(row.headers);
  return {
    id: String(row.n),
    messageId: textOf(row.id)!,
    key,
    group,
    payload: undefined,
    ...typeof body === "string" ? { body } : bodyOfBytes(body),
    headers: headers === undefined ? {} : JSON.parse(headers),
    attempts: Number(row.attempts),
    cause: { name: textOf(row.cause_name)!, message: textOf(row.cause_message)! },
    publishedAt: new Date(Number(row.at)),
    diedAt: new Date(Number(row.died)),
  };
}

/** Returns the numbers in the ids of letters, or null for all. An id that is not a number names no letter. */
function numbersOf(ids: readonly string[] | undefined): string | null {
  return ids === undefined ? null : JSON.stringify(ids.filter((id) => /^[1-9]\d{0,15}$/.test(id)).map(Number));
}

/** Lists, replays and purges dead letters. */
export class SqlDeadLetters implements DriverDeadLetters {
  readonly #port: SqlPort;
  readonly #ids: Ids;
  readonly #now: () => number;

  /** Creates the dead letters of a database. `now` tells the time. */
  constructor(port: SqlPort, ids: Ids, now: () => number) {
    this.#port = port;
    this.#ids = ids;
    this.#now = now;
  }

  async list(
    key: string,
    { group, ids, limit }: DriverDeadLetterQuery,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly letters: readonly DeadLetter[]; readonly cursor: string | undefined }> {
    const found = await this.#ids.existing(key, group, signal);
    if (found === undefined) return { letters: [], cursor: undefined };
    const values = { g: found.g, after: Number(cursor ?? 0), ids: numbersOf(ids), limit: Math.min(PAGE, limit) };
    const { generation } = found;
    const [rows] = await this.#port.run(bind(DEAD_LIST, values), { mode: "read", signal, generation });
    const numberOf = ({ n }: Row) => Number(n);
    const bodyOf = await bodiesOf(this.#port, rows!, { numberOf, statements: DEAD_BODIES, signal, generation });
    const full = rows!.length === values.limit;
    return {
      letters: rows!.map((row) => letterOf(row, bodyOf(row), key, group)),
      cursor: full ? String(rows!.at(-1)!.n) : undefined,
    };
  }

  async replay(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number> {
    const count = await this.#each(DEAD_REPLAY, key, query, signal);
    if (count > 0) this.#port.ring();
    return count;
  }

  purge(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number> {
    return this.#each(DEAD_PURGE, key, query, signal);
  }

  /** Runs the statements in steps, so that many letters do not hold the database for long. */
  async #each(
    statements: StatementList,
    key: string,
    { group, ids, limit }: DriverDeadLetterQuery,
    signal: AbortSignal,
  ): Promise<number> {
    const found = await this.#ids.existing(key, group, signal);
    if (found === undefined) return 0;
    for (let count = 0;;) {
      const step = Math.min(STEP, limit - count);
      const { k, g, generation } = found;
      const list = bind(statements, { k, g, now: this.#now(), ids: numbersOf(ids), limit: step });
      const answers = await this.#port.run(list, { mode: "write", signal, generation });
      const done = answers.at(-1)!.length;
      count += done;
      if (done < step || count >= limit) return count;
    }
  }
}
