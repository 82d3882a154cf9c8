/**
 * The receiving side of the streams driver, for one key and group.
 *
 * @module
 */
import type { DriverReceiveOptions, RawDelivery } from "../../core/driver.ts";
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
    while (!signal.aborted) {
      const version = this.#transport.version?.(this.keys);
      const found = await this.#lease(max, options);
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

  async #lease(
    max: number,
    { leaseMs, maxPerOrderingKey = 1 }: DriverReceiveOptions,
  ): Promise<RawDelivery[] | Empty> {
    const { leaseGroups, keys } = this;
    const now = monotonic(this.#clock);
    const sweep = now - leaseGroups.sweptAt >= leaseMs;
    if (sweep) leaseGroups.sweptAt = now;
    for (;;) {
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
      ];
      let answer: unknown[];
      try {
        // Not to be called off on its way: what it leases must not be lost. The transport bounds it.
        const { signal } = new AbortController();
        answer = await this.#transport.run(RECEIVE, keysFor(RECEIVE, keys), args, signal) as unknown[];
      } catch (error) {
        // It may have leased messages that will never be heard of: that lease must run out by itself.
        leaseGroups.end(leaseMs, group);
        this.#bytes = Math.max(FEWEST_BYTES, this.#bytes / 2);
        this.#step = Math.max(1, Math.floor(this.#step / 4));
        throw error;
      }
      this.#onAnswer();
      if (answer[0] === -1) {
        leaseGroups.end(leaseMs, group);
        continue;
      }
      if (typeof answer[1] === "number") {
        leaseGroups.gave(group, max, 0);
        return { dueMs: answer[1], streamId: String(answer[2]), wakeId: String(answer[3]) };
      }
      const deliveries = readDeliveries(answer, group);
      leaseGroups.gave(group, max, deliveries.length);
      this.#learn(deliveries);
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
