/**
 * A model of a queue, as simple as it can be: the random run is compared with it.
 *
 * @module
 */
import type { QueueDepth } from "../core/protocol.ts";
import { check, equal } from "./check.ts";
import { type Entry, isBefore, twinOf } from "./model_entry.ts";

/** The capabilities that the model depends on. */
export interface ModelRules {
  readonly fifo: boolean;
  readonly attempts: boolean;
  /** See `Broker.countsUnseen`. */
  readonly countsUnseen?: boolean | undefined;
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
  /** Those of each ordering key. */
  readonly #lanes: Map<string, Set<Entry>> = new Map();
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
    const entry: Entry = {
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
    };
    this.entries.set(n, entry);
    if (orderingKey === undefined) return;
    const lane = this.#lanes.get(orderingKey) ?? new Set();
    this.#lanes.set(orderingKey, lane.add(entry));
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
    check(entry.state !== "dead", () => tell("a message that was given up came again"));
    check(entry.state !== "held", () => tell("a message that somebody holds came"));
    const early = entry.notBefore - at;
    // Where it has come before, this may be the copy that was never delayed again.
    check(
      early <= this.#rules.skewMs || repeats && entry.attempts > 0,
      () => tell(`a message came ${early} ms too early`),
    );
    if (this.#rules.attempts && entry.exact && (!this.#rules.countsUnseen || attempts <= entry.attempts)) {
      equal(attempts, entry.attempts + 1, () => tell("the attempts"));
    }
    if (this.#rules.fifo && this.#fresh.has(n) && entry.orderingKey === undefined) {
      const first = this.#fresh.values().find((one) => this.entries.get(one)?.orderingKey === undefined);
      check(first === n, () => tell(`message ${first} was published before, and waits`));
    }
    for (const other of this.#lane(entry)) {
      if (!other.exact) continue;
      const named = `message ${other.n} of the same ordering key`;
      check(other.state !== "held", () => tell(`${named} is held`));
      check(
        other.state === "dead" || !isBefore(other, entry),
        () => tell(`${named} came before: ${other.story.slice(-4).join(", ")}`),
      );
    }
    entry.attempts = attempts;
    entry.deliveredAt = at;
    entry.state = "held";
    this.#fresh.delete(n);
    entry.holder = holder;
    entry.story.push(`delivered at ${at} as attempt ${attempts}`);
    return entry;
  }

  /** The others of its ordering key. */
  *#lane(entry: Entry): Iterable<Entry> {
    if (entry.orderingKey === undefined) return;
    for (const other of this.#lanes.get(entry.orderingKey)!) if (other !== entry) yield other;
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

  /** A lease of it ended before anybody was handed the delivery, which the broker has counted. */
  unseen(n: number): void {
    const entry = this.entries.get(n);
    if (!entry) return;
    entry.exact = false;
    entry.story.push("delivered too late to be handed out");
  }

  /** Acknowledged. */
  done(entry: Entry): void {
    if (entry.twin) return;
    this.entries.delete(entry.n);
    if (entry.orderingKey !== undefined) this.#lanes.get(entry.orderingKey)!.delete(entry);
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
    return this.entries.values().filter((entry) => entry.state === state).toArray();
  }

  /** Those that should have come when nothing came. */
  overdue(at: number): Entry[] {
    return this.entries.values().filter((entry) =>
      (entry.state === "waiting" || entry.state === "orphaned") && entry.readyBy < at && !this.#waitsBehind(entry)
    ).toArray();
  }

  /** Whether another message of its ordering key is, or may be, in front of it. */
  #waitsBehind(entry: Entry): boolean {
    return [...this.#lane(entry)].some((other) =>
      other.state !== "dead" && (other.state === "held" || other.placedFrom <= entry.placedBy)
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

  /** Returns the expected depth; `undefined` while some lease may or may not have ended. */
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
