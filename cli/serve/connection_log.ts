/**
 * Log lines about the connection to the queue.
 *
 * @module
 */
import type { ConnectedEvent, DisconnectedEvent } from "../../core/observer.ts";
import { type Clock, monotonic } from "../../core/util/clock.ts";
import type { Incidents } from "./incidents.ts";
import type { Log } from "./log.ts";

/** The most losses that are told within {@link INTERVAL_MS}. */
const MAX_TOLD = 3;
const INTERVAL_MS = 60_000;

/**
 * Writes a line when the queue is lost, and one when it is back. Of one that comes and goes, three losses a minute are told,
 * the others are counted. The last line is always true: a loss that was not told at once is told later, where it lasts.
 */
export class ConnectionLog {
  readonly #log: Log;
  readonly #incidents: Incidents;
  readonly #clock: Clock;
  /** When the latest losses were told. */
  readonly #toldAt: number[] = [];
  /** Set while the queue is lost: whether a line has told, and the timer of that line. */
  #loss: { told: boolean; timer: unknown } | undefined;
  /** Called when the queue is found lost. */
  onLoss: (() => void) | undefined;

  /** Creates one that writes to `log`, and tells of short losses through `incidents`. */
  constructor(log: Log, incidents: Incidents, clock: Clock) {
    this.#log = log;
    this.#incidents = incidents;
    this.#clock = clock;
  }

  /** True while the queue is lost. */
  get lost(): boolean {
    return this.#loss !== undefined;
  }

  /** The queue is lost. */
  disconnected({ backend, error }: DisconnectedEvent): void {
    this.close();
    const loss = { told: false, timer: undefined as unknown };
    const since = monotonic(this.#clock);
    const tell = () => {
      const now = monotonic(this.#clock);
      loss.told = true;
      this.#toldAt.push(now);
      if (this.#toldAt.length > MAX_TOLD) this.#toldAt.shift();
      const seconds = Math.round((now - since) / 1000);
      this.#log("error", "the queue cannot be reached", { backend, ...seconds > 0 && { seconds }, error });
    };
    const oldest = this.#toldAt.length < MAX_TOLD ? -Infinity : this.#toldAt[0]!;
    const waitMs = oldest + INTERVAL_MS - since;
    if (waitMs <= 0) tell();
    else loss.timer = this.#clock.setTimeout(tell, waitMs);
    this.#loss = loss;
    this.onLoss?.();
  }

  /** The queue is back. */
  connected({ backend, downMs, failures }: ConnectedEvent): void {
    const told = this.#loss?.told ?? true;
    this.close();
    const details = { backend, seconds: Math.round(downMs / 1000), failures };
    if (told) this.#log("info", "the queue can be reached again", details);
    else this.#incidents.report({ level: "warn", message: "the queue was away for a moment", details });
  }

  /** Stops its timer. */
  close(): void {
    this.#clock.clearTimeout(this.#loss?.timer);
    this.#loss = undefined;
  }
}
