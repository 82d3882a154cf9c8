/**
 * The counts of a queue. One script does it where few entries stand on one side of the group's place in the stream; else
 * both sides are counted in parts, so that no call holds the server up.
 *
 * @module
 */
import type { DriverDepth } from "../../core/driver.ts";
import type { GroupKeys } from "./keys.ts";
import { keysFor } from "./script.ts";
import { COUNT, DEPTH } from "./scripts.ts";
import type { StreamsTransport } from "./transport.ts";

/** Entries on each side that one call counts. */
const PART = 2_000;

/** Entries on each side that are counted at most. */
const MOST = 100_000;

/** One side of a group's place: the entries between two ids. */
class Side {
  count = 0;
  /** The stream's length when the last entry was counted; undefined while there are more. */
  length: number | undefined;
  #first: string;
  readonly #last: string;

  constructor(first: string, last: string) {
    this.#first = first;
    this.#last = last;
  }

  async next(transport: StreamsTransport, keys: GroupKeys, signal: AbortSignal): Promise<boolean> {
    const args = [this.#first, this.#last, String(PART)];
    const [count, last, length] = await transport.run(COUNT, keysFor(COUNT, keys), args, signal) as [
      number,
      string,
      number,
    ];
    this.count += Number(count);
    this.#first = `(${last}`;
    if (Number(count) <= PART) this.length = Number(length);
    return this.length !== undefined;
  }
}

async function countUnread(
  transport: StreamsTransport,
  keys: GroupKeys,
  [last, pending, lag]: readonly [string, number, number],
  signal: AbortSignal,
): Promise<number> {
  const [read, unread] = [new Side("-", last), new Side(`(${last}`, "+")];
  while (unread.count < MOST) {
    if (await read.next(transport, keys, signal)) return read.length! - read.count;
    if (await unread.next(transport, keys, signal)) return unread.count;
  }
  const args = ["-", "-", "0"];
  const [, , length] = await transport.run(COUNT, keysFor(COUNT, keys), args, signal) as [number, string, number];
  const most = Number(length) - Math.max(read.count, pending);
  return Math.max(unread.count, lag < 0 ? most : Math.min(lag, most));
}

/** Counts the messages of a key as a group sees them. */
export async function readDepth(
  transport: StreamsTransport,
  keys: GroupKeys,
  signal: AbortSignal,
): Promise<DriverDepth> {
  const answer = await transport.run(DEPTH, keysFor(DEPTH, keys), [keys.group, String(PART)], signal) as unknown[];
  const [ready, inFlight, delayed, dead] = answer.slice(0, 4).map(Number) as [number, number, number, number];
  const [last, pending, lag] = answer.slice(4);
  const unread = last === undefined
    ? 0
    : await countUnread(transport, keys, [String(last), Number(pending), Number(lag)], signal);
  return { ready: Math.max(0, ready + unread), inFlight, delayed, dead };
}
