/**
 * One message, as the model of a queue knows it.
 *
 * @module
 */

/** One message as one group sees it. */
export interface Entry {
  readonly n: number;
  readonly orderingKey: string | undefined;
  /** Epoch milliseconds between which it took its place behind others of its ordering key. */
  placedFrom: number;
  placedBy: number;
  /** True where the order of publishing decides between two of the same millisecond. */
  placedAtOnce: boolean;
  /** Deliveries that counted. */
  attempts: number;
  state: "waiting" | "held" | "orphaned" | "dead";
  /** Not to be delivered before, by the broker's clock. */
  notBefore: number;
  /** To be deliverable at the latest; `Infinity` where that cannot be said. */
  readyBy: number;
  /** False once something happened whose effect on the count is not known. */
  exact: boolean;
  /** It has waited for its time since it was last given back or published. */
  delayed: boolean;
  /** When it last came; `-Infinity`: not yet. */
  deliveredAt: number;
  /** The second copy of a message that may come twice: to be acknowledged, and no more. */
  readonly twin: boolean;
  /** The delivery's holder. */
  holder: unknown;
  /** The message's history, for the text of a failure. */
  readonly story: string[];
}

/** The entry of a second copy, which the model forgets when it is acknowledged. */
export function twinOf(n: number, attempts: number, holder: unknown): Entry {
  return {
    n,
    orderingKey: undefined,
    placedFrom: 0,
    placedBy: 0,
    placedAtOnce: false,
    attempts,
    state: "held",
    notBefore: 0,
    readyBy: Infinity,
    exact: false,
    delayed: false,
    deliveredAt: -Infinity,
    twin: true,
    holder,
    story: ["the second copy"],
  };
}

/** Whether one message certainly has its place before another of its ordering key. */
export function isBefore(one: Entry, other: Entry): boolean {
  if (one.placedAtOnce && other.placedAtOnce) return one.n < other.n;
  return one.placedBy < other.placedFrom;
}
