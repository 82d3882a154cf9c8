/**
 * Looks into the tables, and writes nothing.
 *
 * @module
 */
import type { DriverInspection } from "../../core/driver.ts";
import type { PeekedMessage } from "../../core/protocol.ts";
import { bodyOfBytes } from "../../core/util/bytes.ts";
import { bodiesOf } from "./bodies.ts";
import type { Ids } from "./ids.ts";
import { bind, type Row, type SqlPort, textOf } from "./port.ts";
import { INSPECT_GROUPS, INSPECT_KEYS, INSPECT_OLDEST, INSPECT_PEEK, MESSAGE_BODIES } from "./statements.ts";

/** Keys on one page. */
const PAGE = 1_000;

/** The looks of the SQL driver. */
export class SqlInspection implements DriverInspection {
  readonly #port: SqlPort;
  readonly #ids: Ids;
  readonly #now: () => number;

  /** Looks into a database, at the time that `now` tells. */
  constructor(port: SqlPort, ids: Ids, now: () => number) {
    this.#port = port;
    this.#ids = ids;
    this.#now = now;
  }

  /** Names the keys that have been used. */
  async keys(
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly keys: readonly string[]; readonly cursor: string | undefined }> {
    const list = bind(INSPECT_KEYS, { after: cursor ?? null, limit: PAGE });
    const [rows] = await this.#port.run(list, { mode: "read", signal });
    const keys = rows!.map(({ name }) => textOf(name)!);
    return { keys, cursor: keys.length === PAGE ? keys.at(-1) : undefined };
  }

  /** Names the groups that have received from a key. */
  async groups(key: string, signal: AbortSignal): Promise<readonly string[]> {
    const [rows] = await this.#port.run(bind(INSPECT_GROUPS, { key }), { mode: "read", signal });
    return rows!.map(({ name }) => textOf(name)!);
  }

  /** Tells when the oldest message was published. */
  async oldest(key: string, group: string, signal: AbortSignal): Promise<number | undefined> {
    const found = await this.#ids.lookUp(key, group, signal);
    if (found === undefined) return undefined;
    const { k, g, generation } = found;
    const list = bind(INSPECT_OLDEST, { k, g, now: this.#now() });
    const [rows] = await this.#port.run(list, { mode: "read", signal, generation });
    const at = rows![0]?.at;
    return typeof at === "number" ? at : undefined;
  }

  /** Reads the oldest messages in their order; those whose delay is not over have no place in it and come last. */
  async peek(
    key: string,
    { group, limit }: { readonly group: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<readonly PeekedMessage[]> {
    const found = await this.#ids.lookUp(key, group, signal);
    if (found === undefined) return [];
    const { k, g, generation } = found;
    const list = bind(INSPECT_PEEK, { k, g, now: this.#now(), limit });
    const [reached, unread, scheduled] = await this.#port.run(list, { mode: "read", signal, generation });
    const placed = [...reached!, ...unread!].sort((a, b) => Number(a.seq) - Number(b.seq));
    const rows = [...placed, ...scheduled!].slice(0, limit);
    const numberOf = ({ seq }: Row) => Number(seq);
    const bodyOf = await bodiesOf(this.#port, rows, { numberOf, statements: MESSAGE_BODIES, signal, generation });
    const headed = new Set<string | undefined>();
    return rows.map((row) => peeked(row, bodyOf(row), headed));
  }
}

/** Reads a message; `headed` has the ordering keys of those before it. */
function peeked(row: Row, body: string | Uint8Array, headed: Set<string | undefined>): PeekedMessage {
  const orderingKey = textOf(row.okey);
  const headers = textOf(row.headers);
  const free = row.held === 0 && !headed.has(orderingKey);
  if (orderingKey !== undefined) headed.add(orderingKey);
  return {
    id: textOf(row.id)!,
    state: row.state === "behind" ? free ? "ready" : "blocked" : row.state as PeekedMessage["state"],
    attempts: Number(row.attempts),
    orderingKey,
    headers: headers === undefined ? {} : JSON.parse(headers),
    publishedAt: new Date(Number(row.at)),
    ...typeof body === "string" ? { body } : bodyOfBytes(body),
  };
}
