/**
 * Keeps a log readable while something goes wrong often.
 *
 * @module
 */
import { type Clock, monotonic } from "../../core/util/clock.ts";
import type { Details, Level, Log } from "./log.ts";

/** Milliseconds between two lines of one kind. */
const INTERVAL_MS = 60_000;
/** The most kinds that are told apart. */
const MAX_KINDS = 100;

/** Something that went wrong. */
export interface Incident {
  /** The severity of its line. */
  readonly level: Level;
  /** The message of its line. Incidents of one message are of one kind. */
  readonly message: string;
  /** The kind within a message, such as an error's code. It must not be an id. */
  readonly variant?: string | undefined;
  /** Further fields of the line. */
  readonly details: Details;
}

/** One kind of incident, from its first line until it is over. */
interface Kind {
  readonly since: number;
  /** How often it came. */
  count: number;
  /** How often it came since its last line. */
  leftOut: number;
  /** The latest one. */
  last: Incident;
  timer: unknown;
}

/**
 * Writes the first incident of a kind at once. Later ones are counted, and once a minute one line tells of the latest,
 * with the count of those that were left out (`more`). When a minute brings none, one line tells that it is over.
 */
export class Incidents {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #kinds = new Map<string, Kind>();
  #closed = false;

  /** Creates one that writes to `log`. */
  constructor(log: Log, { clock, intervalMs = INTERVAL_MS }: { clock: Clock; intervalMs?: number | undefined }) {
    this.#log = log;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /**
   * Takes an incident.
   *
   * @returns Whether a line was written.
   */
  report(incident: Incident): boolean {
    const { level, message, details } = incident;
    const name = this.#nameOf(incident);
    const known = this.#kinds.get(name);
    if (known) {
      known.count++;
      known.leftOut++;
      known.last = incident;
      return false;
    }
    this.#log(level, message, details);
    if (this.#closed) return true;
    const kind: Kind = { since: monotonic(this.#clock), count: 1, leftOut: 0, last: incident, timer: undefined };
    this.#kinds.set(name, kind);
    this.#arm(name, kind);
    return true;
  }

  /** Writes what is counted and not yet told, and stops its timers. */
  close(): void {
    this.#closed = true;
    for (const kind of this.#kinds.values()) {
      this.#clock.clearTimeout(kind.timer);
      if (kind.leftOut > 0) this.#tell(kind);
    }
    this.#kinds.clear();
  }

  /** A stranger's or an application's errors must not fill the memory: past a bound they are told apart by message alone. */
  #nameOf({ message, variant = "" }: Incident): string {
    const name = `${message}\n${variant}`;
    return this.#kinds.has(name) || this.#kinds.size < MAX_KINDS ? name : message;
  }

  #arm(name: string, kind: Kind): void {
    kind.timer = this.#clock.setTimeout(() => {
      if (kind.leftOut > 0) {
        this.#tell(kind);
        this.#arm(name, kind);
        return;
      }
      this.#kinds.delete(name);
      const { count, since, last } = kind;
      if (count > 1) this.#log("info", `over: ${last.message}`, { count, seconds: this.#secondsSince(since) });
    }, this.#intervalMs);
  }

  #tell(kind: Kind): void {
    const { leftOut, since, last: { level, message, details } } = kind;
    kind.leftOut = 0;
    // The latest of those that were counted is told in full; `more` are the others.
    this.#log(level, message, { ...details, more: leftOut - 1, seconds: this.#secondsSince(since) });
  }

  #secondsSince(since: number): number {
    return Math.round((monotonic(this.#clock) - since) / 1000);
  }
}
