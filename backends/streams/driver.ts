/**
 * The driver on Redis Streams: the delivery contract once, over a {@link StreamsTransport}.
 *
 * Every operation is one script, so it is one round trip and happens whole or not at all. The wire format is in
 * `entries.ts` and `lua/send.lua`; what a lease is, in `lua/receive.lua` and `lease_groups.ts`.
 *
 * Decisions that the contract leaves to a backend:
 *
 * - **Order.** What becomes deliverable again at the same time comes in the order in which it was published, as do all
 *   releases and retries without a delay. Ids are compared as numbers of any length and never taken for a time.
 * - **Leases** belong to a consumer name of the group. A settlement is done where that name owns the entry, and answers
 *   `true` for nothing else. A renewal starts the idle time of its entries anew, so a foreign `XAUTOCLAIM` whose idle time
 *   is no less than the lease leaves them alone; an entry that it claims in spite of that is the foreign consumer's.
 * - **A consumer that is dropped without `return()`** keeps its prefetched messages, renewed, until the backend is closed:
 *   leave the loop, call `return()`, or pass a `signal`.
 * - **Ids of publishers** are each remembered for the `dedupWindowMs` of the publisher that sent them.
 * - **Settled messages** leave the stream wherever they stand, but for `keepSettled` of them. What a group of another kind
 *   has settled amid waiting messages leaves when the queue is full or the front passes it.
 * - **Expired messages** leave with the next publish or receive of the key, for all groups, but for those in a consumer's
 *   hand.
 * - **Ordering keys** are in `lua/shared/lanes.lua`. What waits behind another stays pending in the group, so nothing trims
 *   it. A message that somebody else took away, or settled, frees its ordering key when the group comes to it or looks for
 *   lost entries, which each consumer does once in the length of a lease.
 * - **A full server** (`maxmemory`) refuses publishes with `"queue-full"`. Consumers go on: they receive, renew and settle.
 * - **Counts** are exact up to 100,000 entries on one side of a group's place in the stream, whatever was removed; where more
 *   stand on both sides, the unread are as many as the server says, within what was counted. Of the unread the first
 *   100,000 are looked through for such as wait behind others of their ordering keys, where the group has any in hand or
 *   there are some among the twenty at either end.
 *
 * @module
 */
import { DEFAULT_DEDUP_WINDOW_MS } from "../../core/defaults.ts";
import type { Clock } from "../../core/util/clock.ts";
import { systemClock } from "../../core/util/clock.ts";
import type {
  ConnectionListener,
  DriverDeadLetters,
  DriverDepth,
  DriverInspection,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
  SettleResult,
} from "../../core/driver.ts";
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import type { Capabilities, Finding } from "../../core/protocol.ts";
import { StreamsDeadLetters } from "./dead_letters.ts";
import { readDepth } from "./depth.ts";
import { diagnoseStream, dropStream } from "./diagnose.ts";
import { GroupReceiver } from "./group_receiver.ts";
import { StreamsInspection } from "./inspection.ts";
import { groupKeys } from "./keys.ts";
import type { Lease } from "./lease_groups.ts";
import type { StreamsOptions } from "./options.ts";
import { StreamsPublisher } from "./publisher.ts";
import { keysFor } from "./script.ts";
import { EXTEND, SETTLE } from "./scripts.ts";
import { extendArguments, readExtended, readSettled, renewalLost, settleArguments } from "./settlements.ts";
import type { StreamsTransport } from "./transport.ts";

/** The options of a backend on this engine. */
export interface StreamsDriverOptions extends StreamsOptions {
  /** The backend's name. */
  readonly name: string;
  /** The largest payload in bytes. */
  readonly maxPayloadBytes: number;
  /** The most bytes of body in one batch. */
  readonly maxBatchBytes: number;
  /** The longest wait for a message in milliseconds. */
  readonly maxWaitMs: number;
  /** Commands that an idle consumer costs in an hour. */
  readonly idleCostPerHour: number;
  /** Default: the platform's. */
  readonly clock?: Clock | undefined;
}

/** The most groups whose state is kept. An older one is made anew when it is used again. */
const MAX_GROUPS = 1_000;

/** Moves messages through Redis Streams. */
export class StreamsDriver implements QueueDriver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly maxBatchMessages = 1_000;
  readonly maxBatchBytes: number;
  readonly maxWaitMs: number;
  readonly deadLetters: DriverDeadLetters;
  readonly inspect: DriverInspection;
  readonly #transport: StreamsTransport;
  readonly #clock: Clock;
  readonly #publisher: StreamsPublisher;
  readonly #keepSettled: string;
  #listener: ConnectionListener | undefined;
  readonly #receiving: ConstructorParameters<typeof GroupReceiver>[2];
  readonly #groups: Map<string, GroupReceiver> = new Map();
  /** The key that was used last. */
  #recentKey: string;

  /** A driver over a transport. */
  constructor(transport: StreamsTransport, options: StreamsDriverOptions) {
    this.#transport = transport;
    this.#clock = options.clock ?? systemClock;
    this.#receiving = { clock: this.#clock, onAnswer: () => this.#listener?.back() };
    this.name = options.name;
    this.maxBatchBytes = options.maxBatchBytes;
    this.maxWaitMs = options.maxWaitMs;
    const { maxLength, overflow, dedupWindowMs = DEFAULT_DEDUP_WINDOW_MS, keepSettled = 0 } = options;
    const limits = { maxLength, dropOldest: overflow === "drop-oldest", dedupWindowMs, keepSettled };
    this.#publisher = new StreamsPublisher(transport, options.name, limits, this.#clock);
    this.#keepSettled = String(keepSettled);
    this.#recentKey = options.healthKey ?? "slack_events";
    this.capabilities = Object.freeze<Capabilities>({
      durable: true,
      delay: true,
      ttl: true,
      dedup: true,
      groups: true,
      deadLetters: true,
      replay: true,
      fencing: true,
      extend: true,
      release: true,
      attempts: true,
      headers: true,
      maxLength: true,
      depth: true,
      inspect: true,
      orderingKeys: true,
      order: "fifo",
      consume: "pull",
      maxPayloadBytes: options.maxPayloadBytes,
      idleCostPerHour: options.idleCostPerHour,
    });
    this.deadLetters = new StreamsDeadLetters(transport);
    this.inspect = new StreamsInspection(transport);
  }

  /** Tells the listener when the server has answered, since a receive may wait for long afterwards. */
  observeConnection(listener: ConnectionListener): void {
    this.#listener = listener;
  }

  /** Texts that must never be seen. */
  get secrets(): readonly string[] {
    return this.#transport.secrets;
  }

  /** Waits for a connection. */
  connect(_key: string, signal: AbortSignal): Promise<void> | undefined {
    return this.#transport.connect?.(signal);
  }

  /** Sends a batch with one script. */
  send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    this.#recentKey = key;
    return this.#publisher.send(key, messages, signal);
  }

  #group(key: string, group: string): GroupReceiver {
    this.#recentKey = key;
    const id = JSON.stringify([key, group]);
    const receiver = this.#groups.get(id) ?? new GroupReceiver(this.#transport, groupKeys(key, group), this.#receiving);
    // The group that was used last stands last.
    this.#groups.delete(id);
    this.#groups.set(id, receiver);
    if (this.#groups.size > MAX_GROUPS) this.#groups.delete(this.#groups.keys().next().value!);
    return receiver;
  }

  /** Leases what is there; waits for the first where there is nothing. */
  receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    return this.#group(key, options.group).receive(options).catch((error) => this.#waitOut(error));
  }

  /** Settles with one script. */
  async settle(
    key: string,
    group: string,
    settlements: readonly Settlement[],
    signal: AbortSignal,
  ): Promise<SettleResult[]> {
    const receiver = this.#group(key, group);
    const { keys, leaseGroups } = receiver;
    const { args, order, wholes } = settleArguments(settlements);
    const leases = settlements.map((settlement) => settlement.lease as Lease);
    for (const [i, lease] of leases.entries()) {
      lease.unanswered = true;
      // Were the entry received under the same name once more, a repetition of what gives it back, whose answer was lost,
      // would give the new delivery back, too.
      if (settlements[i]!.kind === "retry" || settlements[i]!.kind === "release") leaseGroups.end(lease.group);
    }
    const head = [group, keys.channel, this.#keepSettled];
    const running = this.#transport.run(SETTLE, keysFor(SETTLE, keys), head.concat(args), signal);
    receiver.settling(wholes);
    const answer = await running.catch((error) => this.#waitOut(error));
    const results = readSettled(answer, order);
    for (const [i, lease] of leases.entries()) {
      lease.unanswered = false;
      if (results[i] === true) lease.group.held -= 1;
    }
    return results;
  }

  /** Renews with one script. */
  async extend(
    key: string,
    group: string,
    leases: readonly unknown[],
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<boolean[]> {
    const { keys, leaseGroups } = this.#group(key, group);
    const all = leases as readonly Lease[];
    const { args, parts } = extendArguments(all, () => leaseGroups.fresh());
    const head = [group, String(Math.ceil(leaseMs))];
    try {
      const answers = await this.#transport.run(EXTEND, keysFor(EXTEND, keys), head.concat(args), signal);
      return readExtended(answers as string[], parts, all);
    } catch (error) {
      renewalLost(all);
      return this.#waitOut(error);
    }
  }

  /** Counts, with one script where not many entries stand on both sides of the group's place. */
  depth(key: string, group: string, signal: AbortSignal): Promise<DriverDepth> {
    return readDepth(this.#transport, groupKeys(key, group), signal);
  }

  /** A consumer makes room on a full server, so it never gives up on one. */
  #waitOut(error: unknown): never {
    if (this.classify(error) !== "queue-full") throw error;
    throw new QueueError("unavailable", "the server has no memory left", { cause: error });
  }

  /** Tries whether the key that was used last could be published to; before the first use, `healthKey`. */
  ping(signal: AbortSignal): Promise<readonly string[]> {
    return this.#transport.ping(this.#recentKey, signal);
  }

  /** Looks into the stream and at the server. */
  async diagnose(key: string, _group: string, signal: AbortSignal): Promise<readonly Finding[]> {
    const server = this.#transport.diagnose?.(signal) ?? [];
    return (await Promise.all([server, diagnoseStream(this.#transport, key, { clock: this.#clock, signal })])).flat();
  }

  /** Removes a queue with everything that belongs to it and the group. */
  dropQueue(key: string, group: string, signal: AbortSignal): Promise<void> {
    return dropStream(this.#transport, { key, group, sent: this.#publisher.sentKeys(key) }, signal);
  }

  /** Closes what the transport opened. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  /** Names an error. */
  classify(error: unknown): ErrorCode {
    return error instanceof QueueError ? error.code : this.#transport.classify(error);
  }

  /** Returns the milliseconds that the server asked to wait. */
  retryAfterMs(error: unknown): number | undefined {
    return this.#transport.retryAfterMs?.(error);
  }
}
