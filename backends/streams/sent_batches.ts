/**
 * Where a publisher's batches are remembered on the server: one field of the publisher's hash for each, used again once
 * the batch is answered. A batch that was never answered keeps its field, so that any process can find out later whether
 * its messages arrived.
 *
 * @module
 */
import type { DriverMessage } from "../../core/driver.ts";

/** The most batches of a key that are remembered without an answer. Of more, the oldest is forgotten. */
const MAX_UNANSWERED = 1_000;

/** So many answered batches are remembered too: somebody between the server and the publisher may send one twice. */
const ANSWERED = 8;

/** The fields of one key's batches. */
export class SentBatches {
  readonly #tag: string;
  readonly #free: string[] = [];
  readonly #answered: Map<string, string> = new Map();
  readonly #unanswered: Map<string, string> = new Map();
  #made = 0;

  /** `tag` sets these fields apart from those of every other object. */
  constructor(tag: string) {
    this.#tag = tag;
  }

  /** The field for a batch, by its token: a batch that is sent again has the same. */
  field(token: string): string {
    return this.#unanswered.get(token) ?? this.#answered.get(token) ?? this.#free.pop() ??
      this.#tag + (this.#made++).toString(36);
  }

  /** Notes the end of an attempt: `unknown` where the batch may have arrived without an answer. */
  ended(token: string, field: string, unknown: boolean, answered: boolean): void {
    if (answered) this.#unanswered.delete(token);
    // An attempt that certainly sent nothing says nothing of an earlier one.
    else if (!unknown && this.#unanswered.has(token)) return;
    this.#answered.delete(token);
    const batches = unknown ? this.#unanswered : this.#answered;
    batches.set(token, field);
    if (batches.size <= (unknown ? MAX_UNANSWERED : ANSWERED)) return;
    const [oldest, spare] = batches.entries().next().value!;
    batches.delete(oldest);
    this.#free.push(spare);
  }
}

/** An id that was made: what it shares with all of its publisher, and what is its own. */
interface MadeId {
  readonly publisher: string;
  readonly own: string;
}

/** The parts of an id that was made. */
export function partsOf(id: string): MadeId {
  const dash = id.lastIndexOf("-");
  const own = id.slice(dash + 1);
  return dash > 0 && /^[0-9a-z]{1,12}$/.test(own) ? { publisher: id.slice(0, dash), own } : { publisher: id, own: "" };
}

const MADE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-z]{1,12}$/;

/** The parts of an id that a publisher chose, where it looks like one that was made. */
export function madeParts(id: string): MadeId | undefined {
  return MADE.test(id) ? partsOf(id) : undefined;
}

/** Ids that were made have nothing else in what is their own. */
const RANGES = /^[0-9a-z: ]*$/;

/** The parts of their own of messages' ids, as `first:last` where they follow one another, or `one`. */
export function rangesOf(messages: readonly DriverMessage[]): string {
  const ranges = collectRanges(messages, (id) => id.slice(id.lastIndexOf("-") + 1));
  // Ids of another shape are rare: each is looked at only where there are any.
  return RANGES.test(ranges) ? ranges : collectRanges(messages, (id) => partsOf(id).own);
}

function collectRanges(messages: readonly DriverMessage[], ownOf: (id: string) => string): string {
  const ranges: string[] = [];
  let [first, last, next] = ["", "", NaN];
  const close = () => first !== "" && ranges.push(first === last ? first : `${first}:${last}`);
  for (const { id } of messages) {
    const own = ownOf(id);
    if (own === "") continue;
    const n = parseInt(own, 36);
    if (n === next) {
      last = own;
    } else {
      close();
      first = last = own;
    }
    next = n + 1;
  }
  close();
  return ranges.join(" ");
}
