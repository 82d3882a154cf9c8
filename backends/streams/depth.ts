/**
 * The counts of a queue. One script does it where few entries stand on one side of the group's place in the stream; else
 * both sides are counted in parts, so that no call holds the server up.
 *
 * @module
 */
import type { DriverDepth } from "../../core/driver.ts";
import type { GroupKeys } from "./keys.ts";
import { keysFor } from "./script.ts";
import { BLOCKED, COUNT, DEPTH } from "./scripts.ts";
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

/**
 * Counts unread messages behind others of their ordering keys, further than the first call did.
 *
 * @param from The last entry that was looked at, empty where there are no more; and the lanes of those in front.
 */
async function countBlocked(
  transport: StreamsTransport,
  keys: GroupKeys,
  [from, lanes]: readonly [string, readonly string[]],
  signal: AbortSignal,
): Promise<number> {
  const free = new Set(lanes);
  let blocked = 0;
  for (let seen = PART; from !== "" && seen < MOST; seen += PART) {
    const args = [keys.group, from, String(PART)];
    const [count, last, more] = await transport.run(BLOCKED, keysFor(BLOCKED, keys), args, signal) as [
      number,
      string,
      unknown[],
    ];
    blocked += Number(count);
    for (const lane of more.map(String)) {
      if (free.has(lane)) blocked += 1;
      else free.add(lane);
    }
    from = String(last);
  }
  return blocked;
}

/** Counts the messages of a key as a group sees them. */
export async function readDepth(
  transport: StreamsTransport,
  keys: GroupKeys,
  signal: AbortSignal,
): Promise<DriverDepth> {
  const answer = await transport.run(DEPTH, keysFor(DEPTH, keys), [keys.group, String(PART)], signal) as unknown[];
  const [ready, inFlight, delayed, dead, blocked] = answer.slice(0, 5).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const [looked, free, last, pending, lag] = answer.slice(5);
  const behind = await countBlocked(transport, keys, [String(looked), (free as unknown[]).map(String)], signal);
  const unread = last === undefined
    ? 0
    : await countUnread(transport, keys, [String(last), Number(pending), Number(lag)], signal);
  return { ready: Math.max(0, ready + unread - behind), inFlight, delayed, blocked: blocked + behind, dead };
}
