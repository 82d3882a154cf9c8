/**
 * What a queue must do, as simply as it can be said: the bookkeeping that the random run is held against.
 *
 * @module
 */
import type { QueueDepth } from "../core/protocol.ts";
import { check, equal } from "./check.ts";

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
  /** Who holds it. */
  holder: unknown;
  /** What happened to it, for the message of a failure. */
  readonly story: string[];
}

/** What the broker declares, as far as the model depends on it. */
export interface ModelRules {
  readonly fifo: boolean;
  readonly attempts: boolean;
  /** Milliseconds by which the clocks may differ. */
  readonly skewMs: number;
  readonly leaseMs: number;
}

/** When a call began and when it had its answer, in epoch milliseconds: the broker did it in between. */
export interface Span {
  readonly from: number;
  readonly by: number;
}

/** The messages of one key, in one group. */
export class GroupModel {
  /** All but those that are done. */
  readonly entries: Map<number, Entry> = new Map();
  /** When each last came. */
  readonly #done: Map<number, number> = new Map();
  /** Those that were delayed and done. */
  readonly #doneDelayed: Set<number> = new Set();
  /** Those that may come twice. */
  readonly #repeated: Set<number> = new Set();
  /** Never delayed and never delivered, in the order of their publishing. */
  readonly #fresh: Set<number> = new Set();
  readonly #rules: ModelRules;

  /** An empty group. */
  constructor(rules: ModelRules) {
    this.#rules = rules;
  }

  /** A message was confirmed. */
  published(n: number, { from: at, by }: Span, delayMs: number, orderingKey?: string): void {
    const readyBy = delayMs > 0 ? at + delayMs + this.#rules.leaseMs : at;
    if (delayMs === 0) this.#fresh.add(n);
    this.entries.set(n, {
      n,
      orderingKey,
      // A delayed message takes its place when it is due.
      placedFrom: at + delayMs - this.#rules.skewMs,
      placedBy: by + delayMs + this.#rules.skewMs,
      placedAtOnce: delayMs === 0,
      attempts: 0,
      state: "waiting",
      notBefore: at + delayMs,
      readyBy,
      exact: true,
      delayed: delayMs > 0,
      deliveredAt: -Infinity,
      twin: false,
      holder: undefined,
      story: [`published at ${at} with a delay of ${delayMs}`],
    });
  }

  /** Whether a message may come twice: see {@link crashed}. */
  mayRepeat(n: number): boolean {
    return this.#repeated.has(n);
  }

  /** Whether any message may come twice. */
  get repeats(): boolean {
    return this.#repeated.size > 0;
  }

  /**
   * A process or a connection broke that may have been copying a message whose delay was over: those that wait, or have
   * come a moment ago, may come twice.
   */
  crashed(at: number): void {
    const recent = at - this.#rules.leaseMs;
    for (const entry of this.entries.values()) {
      if (!entry.delayed || entry.state !== "waiting" && entry.deliveredAt < recent) continue;
      this.#repeated.add(entry.n);
      entry.exact = false;
      entry.story.push(`perhaps copied at ${at}`);
    }
    for (const n of this.#doneDelayed) if (this.#done.get(n)! >= recent) this.#repeated.add(n);
  }

  /** The connections of all leases are broken: what killed consumers held may come at once. */
  disconnected(): void {
    for (const entry of this.in("orphaned")) entry.notBefore = 0;
  }

  /** A message came: may it? */
  delivered(n: number, attempts: number, at: number, holder: unknown): Entry {
    const repeats = this.#repeated.has(n);
    const entry = this.entries.get(n);
    if (repeats && (entry ? entry.state === "held" || entry.state === "dead" : this.#done.has(n))) {
      return twinOf(n, attempts, holder);
    }
    check(!this.#done.has(n), `message ${n} was settled, and came again`);
    check(entry, `message ${n} was never published, and came`);
    const tell = (what: string) => `${what}; message ${n}: ${entry.story.slice(-8).join(", ")}; now ${at}`;
    check(entry.state !== "dead", tell("a message that was given up came again"));
    check(entry.state !== "held", tell("a message that somebody holds came"));
    const early = entry.notBefore - at;
    // Where it has come before, this may be the copy that was never delayed again.
    check(early <= this.#rules.skewMs || repeats && entry.attempts > 0, tell(`a message came ${early} ms too early`));
    if (this.#rules.attempts && entry.exact) equal(attempts, entry.attempts + 1, tell("the attempts"));
    if (this.#rules.fifo && this.#fresh.has(n) && entry.orderingKey === undefined) {
      const first = [...this.#fresh].find((one) => this.entries.get(one)?.orderingKey === undefined);
      check(first === n, tell(`message ${first} was published before, and waits`));
    }
    if (entry.orderingKey !== undefined) {
      for (const other of this.entries.values()) {
        if (other === entry || other.orderingKey !== entry.orderingKey || !other.exact) continue;
        check(other.state !== "held", tell(`message ${other.n} of the same ordering key is held`));
        check(
          other.state === "dead" || !isBefore(other, entry),
          tell(`message ${other.n} of the same ordering key came before: ${other.story.slice(-4).join(", ")}`),
        );
      }
    }
    entry.attempts = attempts;
    entry.deliveredAt = at;
    entry.state = "held";
    this.#fresh.delete(n);
    entry.holder = holder;
    entry.story.push(`delivered at ${at} as attempt ${attempts}`);
    return entry;
  }

  /** It was given back: it may come at once, or after a delay. */
  back(entry: Entry, at: number, delayMs: number, counted: boolean): void {
    entry.state = "waiting";
    entry.delayed = delayMs > 0;
    entry.notBefore = at + delayMs;
    entry.readyBy = delayMs > 0 ? at + delayMs + this.#rules.leaseMs : at;
    if (!counted) entry.attempts--;
    entry.story.push(`${counted ? "retried" : "released"} at ${at} with a delay of ${delayMs}`);
  }

  /** Its holder was killed: its lease may end after a third of its length, and has ended after all of it. */
  orphaned(entry: Entry, at: number): void {
    entry.state = "orphaned";
    entry.notBefore = at + this.#rules.leaseMs / 4;
    entry.readyBy = at + this.#rules.leaseMs;
    entry.story.push(`orphaned at ${at}`);
  }

  /** Nobody can say what became of its settlement: it may come at any time, or never. */
  doubtful(entry: Entry): void {
    entry.state = "orphaned";
    entry.notBefore = 0;
    entry.readyBy = Infinity;
    entry.exact = false;
    entry.story.push("in doubt");
  }

  /** Acknowledged. */
  done(entry: Entry): void {
    if (entry.twin) return;
    this.entries.delete(entry.n);
    this.#done.set(entry.n, entry.deliveredAt);
    if (entry.delayed) this.#doneDelayed.add(entry.n);
  }

  /** Given up. */
  died(entry: Entry): void {
    entry.state = "dead";
    entry.story.push("died");
  }

  /** All dead letters were put back. */
  replayed({ from: at, by }: Span): void {
    for (const entry of this.in("dead")) {
      entry.attempts = 0;
      entry.placedFrom = at - this.#rules.skewMs;
      entry.placedBy = by + this.#rules.skewMs;
      entry.placedAtOnce = false;
      this.back(entry, at, 0, true);
    }
  }

  /** The entries in a state. */
  in(state: Entry["state"]): Entry[] {
    return [...this.entries.values()].filter((entry) => entry.state === state);
  }

  /** Those that should have come when nothing came. */
  overdue(at: number): Entry[] {
    const late = [...this.entries.values()].filter(({ state, readyBy }) =>
      (state === "waiting" || state === "orphaned") && readyBy < at
    );
    return late.filter((entry) => !this.#waitsBehind(entry));
  }

  /** Whether another message of its ordering key is, or may be, in front of it. */
  #waitsBehind(entry: Entry): boolean {
    if (entry.orderingKey === undefined) return false;
    return [...this.entries.values()].some((other) =>
      other !== entry && other.orderingKey === entry.orderingKey && other.state !== "dead" &&
      (other.state === "held" || other.placedFrom <= entry.placedBy)
    );
  }

  /** Returns how many visible messages wait behind another of their ordering key. */
  #blocked(at: number): number {
    const keys = new Map<string, number>();
    for (const { orderingKey, state, placedBy } of this.entries.values()) {
      if (orderingKey === undefined || state === "dead" || placedBy > at) continue;
      keys.set(orderingKey, (keys.get(orderingKey) ?? 0) + 1);
    }
    return [...keys.values()].reduce((sum, count) => sum + count - 1, 0);
  }

  /** What depth must answer; `undefined` while some lease may or may not have ended. */
  depth(at: number): QueueDepth | undefined {
    const unsure = [...this.entries.values()].some(({ state, notBefore, readyBy }) =>
      (state === "waiting" || state === "orphaned") && notBefore <= at && readyBy >= at && notBefore !== readyBy
    );
    if (unsure) return undefined;
    const waiting = this.in("waiting");
    const ended = this.in("orphaned").filter(({ readyBy }) => readyBy < at).length;
    const blocked = this.#blocked(at);
    return {
      ready: waiting.filter(({ notBefore }) => notBefore <= at).length + ended - blocked,
      inFlight: this.in("held").length + this.in("orphaned").length - ended,
      delayed: waiting.filter(({ notBefore }) => notBefore > at).length,
      blocked,
      dead: this.in("dead").length,
    };
  }
}

/** The entry of a second copy, which the model forgets when it is acknowledged. */
function twinOf(n: number, attempts: number, holder: unknown): Entry {
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
function isBefore(one: Entry, other: Entry): boolean {
  if (one.placedAtOnce && other.placedAtOnce) return one.n < other.n;
  return one.placedBy < other.placedFrom;
}
