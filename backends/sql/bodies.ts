/**
 * Reads bodies whole. A text column keeps any bytes, but what is read of it as text ends at a NUL, and has U+FFFD in place of
 * what is no UTF-8. Such a body is read once more, as bytes.
 *
 * @module
 */
import { bytesIn } from "../../core/util/bytes.ts";
import { bytesOf } from "../../core/util/json.ts";
import { bind, type Row, type RunOptions, type SqlPort, type StatementList, textOf } from "./port.ts";

const encoder = new TextEncoder();

/** Where texts are written to count their bytes, which is faster than a new array for each. */
const scratch = new Uint8Array(65_536);

/** Tells whether a text is all that its column holds. */
function isWhole(text: string, bytes: number): boolean {
  if (text.includes("\ufffd")) return false;
  if (text.length === bytes) return true; // ASCII
  return bytes === (bytes <= scratch.length ? encoder.encodeInto(text, scratch).written : bytesOf(text));
}

/**
 * Returns a function from a row to its body: text, or bytes where the text does not tell all.
 *
 * @param rows Rows with a `body` and its length in `bytes`.
 * @param numberOf Returns the number of a row, by which `statements` read its body as bytes.
 */
export async function bodiesOf(
  port: SqlPort,
  rows: readonly Row[],
  { numberOf, statements, ...options }: {
    readonly numberOf: (row: Row) => number;
    readonly statements: StatementList;
  } & Pick<RunOptions, "signal" | "generation">,
): Promise<(row: Row) => string | Uint8Array> {
  const doubtful = rows.filter(({ body, bytes }) => !isWhole(textOf(body)!, Number(bytes)));
  const read = new Map<number, Uint8Array>();
  if (doubtful.length > 0) {
    const list = bind(statements, { numbers: JSON.stringify(doubtful.map(numberOf)) });
    const [found] = await port.run(list, { mode: "read", ...options });
    for (const { number, body } of found!) read.set(Number(number), bytesIn(body)!);
  }
  // One that was read and is gone since has lost its lease, or was purged.
  return (row) => read.get(numberOf(row)) ?? textOf(row.body)!;
}
