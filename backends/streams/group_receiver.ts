/**
 * The receiving side of the streams driver, for one key and group.
 *
 * @module
 */
import type { DriverReceiveOptions, RawDelivery } from "../../core/driver.ts";
import { delay } from "../../core/util/async.ts";
import { type Clock, monotonic } from "../../core/util/clock.ts";
import { withReadableBodies } from "./bodies.ts";
import { readDeliveries } from "./entries.ts";
import type { GroupKeys } from "./keys.ts";
import { LeaseGroups, MAX_LEASE_GROUP } from "./lease_groups.ts";
import { keysFor } from "./script.ts";
import { RECEIVE } from "./scripts.ts";
import type { StreamsTransport } from "./transport.ts";

/** The most bytes of messages in one answer, but for one message that is larger. */
const MOST_BYTES = 2 * 1024 * 1024;

/** The fewest, after receives that failed. */
const FEWEST_BYTES = 64 * 1024;

/** How many messages are read at first, where their size is not known. */
const FIRST_STEP = 16;

/** There are more messages than one call looks at, and those that it saw wait behind others of their ordering keys. */
const MORE = -2;

/** What comes next waits behind others of its ordering key that are in hand, or most of it does. */
const BEHIND = -3;

/** The most milliseconds that a look waits for a settlement in that case: without one it would find nothing. */
const BEHIND_MS = 20;

/** After this many runs that were each settled at once, the server is asked to keep the next ones as one. */
const WHOLE_RUNS = 2;

/**
 * Milliseconds from a look that emptied the queue to the next one, unless a publisher announces a message sooner.
 * Some publishers announce nothing, such as Python's.
 */
const PAUSE_MS = 250;

/** A look that took all there was. */
interface Drained {
  /** The result of {@link StreamsTransport.version} before it. */
  readonly version: unknown;
  /** When to look again, by the monotonic clock. */
  readonly until: number;
}

/** An empty queue, and what to wait for. */
interface Empty {
  /** Milliseconds until something becomes due; negative: nothing will. */
  readonly dueMs: number;
  /** The last entries of the stream and of the wake stream. */
  readonly streamId: string;
  readonly wakeId: string;
}

/** Leases messages of one key for one group. */
export class GroupReceiver {
  readonly keys: GroupKeys;
  readonly leaseGroups: LeaseGroups;
  readonly #transport: StreamsTransport;
  readonly #clock: Clock;
  readonly #onAnswer: () => void;
  /** How many bytes the next answer may have: fewer after an answer that did not arrive. */
  #bytes = MOST_BYTES;
  /** How many messages fit into that, by the size of the last ones. */
  #step = FIRST_STEP;
  /** Set from a look that took all there was until the next receive. */
  #drained: Drained | undefined;
  /** Set from a look that found what comes next to wait until a settlement is sent, or a receive has waited for it. */
  #behind: { readonly until: number; readonly freed: PromiseWithResolvers<void> } | undefined;
  /** How many times settlements were sent. */
  #settlings = 0;
  /** How many runs were settled as a whole since one was not. */
  #wholeRuns = 0;

  /**
   * A receiver over a transport.
   *
   * @param onAnswer Called when the server has answered, before anything is waited for.
   */
  constructor(
    transport: StreamsTransport,
    keys: GroupKeys,
    { clock, onAnswer }: { readonly clock: Clock; readonly onAnswer: () => void },
  ) {
    this.#onAnswer = onAnswer;
    this.#transport = transport;
    this.keys = keys;
    this.#clock = clock;
    const unique = () => crypto.randomUUID().replaceAll("-", "");
    this.leaseGroups = new LeaseGroups(() => monotonic(clock), unique);
  }

  /** Leases what is there; waits for the first where there is nothing. */
  async receive(options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const { signal, waitMs } = options;
    const max = Math.min(options.max, MAX_LEASE_GROUP);
    const until = monotonic(this.#clock) + waitMs;
    if (this.#behind) await this.#waitForTurn(options);
    await this.#pause(options);
    while (!signal.aborted) {
      const version = this.#transport.version?.(this.keys);
      const found = await this.#lease(max, options, version);
      if (Array.isArray(found)) {
        // Not to be called off either: these are leased.
        return [...await withReadableBodies(this.#transport, this.keys, found, new AbortController().signal)];
      }
      if (found.dueMs === MORE) continue;
      const now = monotonic(this.#clock);
      if (waitMs <= 0 || until <= now) break;
      const left = Math.min(until - now, found.dueMs < 0 ? Infinity : Math.max(found.dueMs, 1));
      await this.#transport.wait({ keys: this.keys, version, ...found }, left, signal);
    }
    return [];
  }

  /**
   * Notes that settlements were sent: what waited behind them may be free.
   *
   * @param wholes For each run of which messages were settled: whether all were.
   */
  settling(wholes: readonly boolean[]): void {
    this.#settlings += 1;
    for (const whole of wholes) this.#wholeRuns = whole ? this.#wholeRuns + 1 : 0;
    this.#behind?.freed.resolve();
    this.#behind = undefined;
  }

  async #waitForTurn({ waitMs, signal }: DriverReceiveOptions): Promise<void> {
    const behind = this.#behind;
    const ms = behind ? Math.min(waitMs, behind.until - monotonic(this.#clock)) : 0;
    if (ms > 0) await delay(ms, this.#clock, signal, behind!.freed.promise).catch(() => undefined); // called off
    if (this.#behind === behind) this.#behind = undefined;
  }

  /** Waits where the last look took all there was and nothing is new: another one would be a request for nothing. */
  async #pause({ waitMs, signal }: DriverReceiveOptions): Promise<void> {
    const drained = this.#drained;
    this.#drained = undefined;
    if (!drained || !this.#transport.unchanged?.(this.keys, drained.version)) return;
    const ms = Math.min(waitMs, drained.until - monotonic(this.#clock));
    const { version } = drained;
    if (ms > 0) await this.#transport.wait({ keys: this.keys, version, streamId: "", wakeId: "" }, ms, signal);
  }

  async #lease(
    max: number,
    { leaseMs, waitMs, maxPerOrderingKey = 1 }: DriverReceiveOptions,
    version: unknown,
  ): Promise<RawDelivery[] | Empty> {
    const { leaseGroups, keys } = this;
    let askedAt = monotonic(this.#clock);
    const sweep = askedAt - leaseGroups.sweptAt >= leaseMs;
    if (sweep) leaseGroups.sweptAt = askedAt;
    for (;; askedAt = monotonic(this.#clock)) {
      const group = leaseGroups.reserve(leaseMs, max);
      const args = [
        keys.group,
        group.name,
        group.registered ? "1" : "0",
        String(max),
        String(Math.ceil(leaseMs)),
        sweep ? "1" : "0",
        keys.channel,
        String(this.#bytes),
        String(this.#step),
        String(maxPerOrderingKey),
        waitMs <= 0 ? "0" : this.#transport.unchanged ? "2" : "1",
        this.#wholeRuns >= WHOLE_RUNS ? "1" : "0",
      ];
      const settlings = this.#settlings;
      let answer: unknown[];
      try {
        // Not to be called off on its way: what it leases must not be lost. The transport bounds it.
        const { signal } = new AbortController();
        answer = await this.#transport.run(RECEIVE, keysFor(RECEIVE, keys), args, signal) as unknown[];
      } catch (error) {
        // It may have leased messages that will never be heard of: that lease must run out by itself.
        leaseGroups.end(group);
        this.#bytes = Math.max(FEWEST_BYTES, this.#bytes / 2);
        this.#step = Math.max(1, Math.floor(this.#step / 4));
        throw error;
      }
      this.#onAnswer();
      if (answer[0] === -1) {
        leaseGroups.end(group);
        continue;
      }
      if (typeof answer[1] === "number") {
        leaseGroups.gave(group, max, 0);
        return { dueMs: answer[1], streamId: String(answer[2]), wakeId: String(answer[3]) };
      }
      const deliveries = readDeliveries(answer, group, {
        leasedForMs: monotonic(this.#clock) - askedAt,
        together: maxPerOrderingKey > 1,
      });
      leaseGroups.gave(group, max, deliveries.length);
      this.#learn(deliveries);
      const dueMs = answer.at(-1);
      if (dueMs === BEHIND) {
        // What was settled meanwhile may have freed something that this look did not see.
        if (this.#settlings === settlings) {
          this.#behind = { until: askedAt + BEHIND_MS, freed: this.#behind?.freed ?? Promise.withResolvers<void>() };
        }
      } else if (typeof dueMs === "number") {
        this.#drained = { version, until: askedAt + (dueMs < 0 ? PAUSE_MS : Math.min(dueMs, PAUSE_MS)) };
      }
      return deliveries;
    }
  }

  #learn(deliveries: readonly RawDelivery[]): void {
    this.#bytes = Math.min(MOST_BYTES, this.#bytes * 2);
    let bytes = 0;
    for (const { body } of deliveries) if (typeof body === "string") bytes += body.length;
    const fit = Math.floor(this.#bytes * deliveries.length / Math.max(1, bytes));
    this.#step = Math.max(1, Math.min(fit, MAX_LEASE_GROUP));
  }
}
