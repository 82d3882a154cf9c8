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
  /** Deliveries that counted. */
  attempts: number;
  state: "waiting" | "held" | "orphaned" | "dead";
  /** Not to be delivered before, by the broker's clock. */
  notBefore: number;
  /** To be deliverable at the latest; `Infinity` where that cannot be said. */
  readyBy: number;
  /** False once something happened whose effect on the count is not known. */
  exact: boolean;
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

/** The messages of one key, in one group. */
export class GroupModel {
  /** All but those that are done. */
  readonly entries: Map<number, Entry> = new Map();
  readonly #done: Set<number> = new Set();
  /** Never delayed and never delivered, in the order of their publishing. */
  readonly #fresh: Set<number> = new Set();
  readonly #rules: ModelRules;

  /** An empty group. */
  constructor(rules: ModelRules) {
    this.#rules = rules;
  }

  /** A message was confirmed. */
  published(n: number, at: number, delayMs: number): void {
    const readyBy = delayMs > 0 ? at + delayMs + this.#rules.leaseMs : at;
    if (delayMs === 0) this.#fresh.add(n);
    this.entries.set(n, {
      n,
      attempts: 0,
      state: "waiting",
      notBefore: at + delayMs,
      readyBy,
      exact: true,
      holder: undefined,
      story: [`published at ${at} with a delay of ${delayMs}`],
    });
  }

  /** A message came: may it? */
  delivered(n: number, attempts: number, at: number, holder: unknown): Entry {
    check(!this.#done.has(n), `message ${n} was settled, and came again`);
    const entry = this.entries.get(n);
    check(entry, `message ${n} was never published, and came`);
    const tell = (what: string) => `${what}; message ${n}: ${entry.story.slice(-8).join(", ")}; now ${at}`;
    check(entry.state !== "dead", tell("a message that was given up came again"));
    check(entry.state !== "held", tell("a message that somebody holds came"));
    const early = entry.notBefore - at;
    check(early <= this.#rules.skewMs, tell(`a message came ${early} ms too early`));
    if (this.#rules.attempts && entry.exact) equal(attempts, entry.attempts + 1, tell("the attempts"));
    if (this.#rules.fifo && this.#fresh.has(n)) {
      const [first] = this.#fresh;
      check(first === n, tell(`message ${first} was published before, and waits`));
    }
    entry.attempts = attempts;
    entry.state = "held";
    this.#fresh.delete(n);
    entry.holder = holder;
    entry.story.push(`delivered at ${at} as attempt ${attempts}`);
    return entry;
  }

  /** It was given back: it may come at once, or after a delay. */
  back(entry: Entry, at: number, delayMs: number, counted: boolean): void {
    entry.state = "waiting";
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
    this.entries.delete(entry.n);
    this.#done.add(entry.n);
  }

  /** Given up. */
  died(entry: Entry): void {
    entry.state = "dead";
    entry.story.push("died");
  }

  /** All dead letters were put back. */
  replayed(at: number): void {
    for (const entry of this.in("dead")) {
      entry.attempts = 0;
      this.back(entry, at, 0, true);
    }
  }

  /** The entries in a state. */
  in(state: Entry["state"]): Entry[] {
    return [...this.entries.values()].filter((entry) => entry.state === state);
  }

  /** Those that should have come when nothing came. */
  overdue(at: number): Entry[] {
    return [...this.entries.values()].filter(({ state, readyBy }) =>
      (state === "waiting" || state === "orphaned") && readyBy < at
    );
  }

  /** What depth must answer; `undefined` while some lease may or may not have ended. */
  depth(at: number): QueueDepth | undefined {
    const unsure = [...this.entries.values()].some(({ state, notBefore, readyBy }) =>
      (state === "waiting" || state === "orphaned") && notBefore <= at && readyBy >= at && notBefore !== readyBy
    );
    if (unsure) return undefined;
    const waiting = this.in("waiting");
    const ended = this.in("orphaned").filter(({ readyBy }) => readyBy < at).length;
    return {
      ready: waiting.filter(({ notBefore }) => notBefore <= at).length + ended,
      inFlight: this.in("held").length + this.in("orphaned").length - ended,
      delayed: waiting.filter(({ notBefore }) => notBefore > at).length,
      blocked: 0,
      dead: this.in("dead").length,
    };
  }
}
