/**
 * The driver on Redis Streams: the delivery contract once, over a {@link StreamsTransport}.
 *
 * Every operation is one script, so it is one round trip and happens whole or not at all. The wire format is in
 * `entries.ts` and `lua/send.lua`, what a lease is in `lua/receive.lua` and `lease_groups.ts`.
 *
 * @module
 */
import { DEFAULT_DEDUP_WINDOW_MS } from "../../core/defaults.ts";
import type { Clock } from "../../core/util/clock.ts";
import { monotonic, systemClock } from "../../core/util/clock.ts";
import type {
  DriverDeadLetters,
  DriverDepth,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
} from "../../core/driver.ts";
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import type { Capabilities } from "../../core/protocol.ts";
import { withReadableBodies } from "./bodies.ts";
import { StreamsDeadLetters } from "./dead_letters.ts";
import { readDeliveries } from "./entries.ts";
import { byLeaseGroup, type Lease, LeaseGroups } from "./lease_groups.ts";
import { type GroupKeys, groupKeys, type QueueKeys, queueKeys } from "./keys.ts";
import type { StreamsOptions } from "./options.ts";
import { type QueueLimits, readSent, sendCall } from "./outgoing.ts";
import { keysFor } from "./script.ts";
import { DEPTH, EXTEND, RECEIVE, SETTLE } from "./scripts.ts";
import type { StreamsTransport } from "./transport.ts";

/** What a backend says of itself. */
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

/** Every so many batches of a key, a publisher trims what consumers who do not trim have settled. */
const TRIM_EVERY = 128;

/** The keys that are published to, and the groups that are received from, whose names are kept for the next time. */
const MAX_QUEUES = 1_000;

/** The most ids that are remembered because their batch was never answered. */
const MAX_UNCONFIRMED_IDS = 10_000;

function unique(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

/** A batch on its way. */
interface Batch {
  readonly messages: readonly DriverMessage[];
  readonly token: string;
  readonly signal: AbortSignal;
}

/** What is known of a key that is published to. */
interface Queue {
  readonly keys: QueueKeys;
  readonly flying: Set<Batch>;
  batches: number;
}

interface Group {
  /** Receives that are under way. */
  users: number;
  readonly keys: GroupKeys;
  readonly epochs: LeaseGroups;
}

/** Moves messages through Redis Streams. */
export class StreamsDriver implements QueueDriver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly maxBatchMessages = 1_000;
  readonly maxBatchBytes: number;
  readonly maxWaitMs: number;
  readonly deadLetters: DriverDeadLetters;
  readonly #transport: StreamsTransport;
  readonly #clock: Clock;
  readonly #intake: QueueLimits;
  readonly #groups: Map<string, Group> = new Map();
  readonly #tokens: WeakMap<DriverMessage, string> = new WeakMap();
  readonly #unconfirmedIds: Map<string, string> = new Map();
  readonly #queues: Map<string, Queue> = new Map();
  #publisher: string | undefined;
  /** The key that was used last. */
  #recentKey: string;

  /** A driver over a transport. */
  constructor(transport: StreamsTransport, options: StreamsDriverOptions) {
    this.#transport = transport;
    this.#clock = options.clock ?? systemClock;
    this.name = options.name;
    this.maxBatchBytes = options.maxBatchBytes;
    this.#recentKey = options.healthKey ?? "slack_events";
    this.maxWaitMs = options.maxWaitMs;
    this.#intake = {
      maxLength: options.maxLength,
      dropOldest: options.overflow === "drop-oldest",
      dedupWindowMs: options.dedupWindowMs ?? DEFAULT_DEDUP_WINDOW_MS,
    };
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
      orderingKeys: false,
      order: "fifo",
      consume: "pull",
      maxPayloadBytes: options.maxPayloadBytes,
      idleCostPerHour: options.idleCostPerHour,
    });
    this.deadLetters = new StreamsDeadLetters(transport);
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
  async send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    const queue = this.#queue(key);
    const batch: Batch = { messages, token: this.#tokenOf(messages), signal };
    // Whoever publishes with an id of a batch that was given up, but may still arrive, is told of by that batch's token.
    for (const other of queue.flying) if (other.signal.aborted) this.#suspect(other);
    queue.flying.add(batch);
    try {
      const sender = {
        publisher: this.#publisher ??= unique(),
        token: batch.token,
        unconfirmedIds: this.#unconfirmedIds,
        trim: ++queue.batches % TRIM_EVERY === 0,
      };
      const call = sendCall(queue.keys, messages, this.#intake, sender);
      const answer = await this.#transport.run(call.script, call.keys, call.args, signal);
      if (signal.aborted) this.#suspect(batch);
      return readSent(call, answer, messages, { backend: this.name, key, maxLength: this.#intake.maxLength });
    } catch (error) {
      if (signal.aborted || this.classify(error) === "unknown-outcome") this.#suspect(batch);
      throw error;
    } finally {
      queue.flying.delete(batch);
    }
  }

  #queue(key: string): Queue {
    this.#recentKey = key;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      for (const [silent, { flying }] of this.#queues) {
        if (this.#queues.size < MAX_QUEUES) break;
        if (flying.size === 0) this.#queues.delete(silent);
      }
      this.#queues.set(key, queue = { keys: queueKeys(key), flying: new Set(), batches: 0 });
    }
    return queue;
  }

  /** What names a batch: the first id that was made for it, else a token that its first message keeps. */
  #tokenOf(messages: readonly DriverMessage[]): string {
    const made = messages.find((message) => !message.explicitId);
    if (made) return made.id;
    let token = this.#tokens.get(messages[0]!);
    if (token === undefined) this.#tokens.set(messages[0]!, token = unique());
    return token;
  }

  #suspect({ messages, token }: Batch): void {
    for (const { id, explicitId } of messages) if (!explicitId) this.#unconfirmedIds.set(id, token);
    for (const id of this.#unconfirmedIds.keys()) {
      if (this.#unconfirmedIds.size <= MAX_UNCONFIRMED_IDS) break;
      this.#unconfirmedIds.delete(id);
    }
  }

  #group(key: string, group: string): Group {
    this.#recentKey = key;
    const id = JSON.stringify([key, group]);
    let found = this.#groups.get(id);
    if (found === undefined) {
      for (const [unused, { users }] of this.#groups) {
        if (this.#groups.size < MAX_QUEUES) break;
        if (users === 0) this.#groups.delete(unused);
      }
      found = { users: 0, keys: groupKeys(key, group), epochs: new LeaseGroups(() => monotonic(this.#clock), unique) };
      this.#groups.set(id, found);
    }
    return found;
  }

  /** Leases what is there; waits for the first where there is nothing. */
  async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const group = this.#group(key, options.group);
    group.users += 1;
    try {
      return await this.#receive(group, options);
    } finally {
      group.users -= 1;
    }
  }

  async #receive(group: Group, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const { signal, waitMs } = options;
    const until = monotonic(this.#clock) + waitMs;
    while (!signal.aborted) {
      const version = this.#transport.version?.(group.keys);
      const found = await this.#lease(group, options);
      // Not to be called off either: these are leased.
      if (Array.isArray(found)) return await this.#readable(group.keys, found);
      const left = Math.min(until - monotonic(this.#clock), found.dueMs < 0 ? Infinity : Math.max(found.dueMs, 1));
      if (waitMs <= 0 || until <= monotonic(this.#clock)) break;
      await this.#transport.wait({ keys: group.keys, version, ...found }, left, signal);
    }
    return [];
  }

  async #readable(keys: GroupKeys, found: RawDelivery[]): Promise<RawDelivery[]> {
    return [...await withReadableBodies(this.#transport, keys, found, new AbortController().signal)];
  }

  async #lease(
    { keys, epochs }: Group,
    { group, max, leaseMs }: DriverReceiveOptions,
  ): Promise<RawDelivery[] | { dueMs: number; streamId: string; wakeId: string }> {
    const now = monotonic(this.#clock);
    const sweep = now - epochs.sweptAt >= leaseMs;
    if (sweep) epochs.sweptAt = now;
    for (;;) {
      const epoch = epochs.current(leaseMs, max);
      const { name, registered } = epoch;
      let answer: unknown[];
      try {
        answer = await this.#transport.run(
          RECEIVE,
          keysFor(RECEIVE, keys),
          [
            group,
            name,
            registered ? "1" : "0",
            String(max),
            String(Math.ceil(leaseMs)),
            sweep ? "1" : "0",
            keys.channel,
          ],
          // Not to be called off on its way: what it leases must not be lost. The transport bounds it.
          new AbortController().signal,
        ) as unknown[];
      } catch (error) {
        // It may have leased what we will never hear of: that must run out by itself.
        epochs.end(leaseMs, epoch);
        throw error;
      }
      if (answer[0] === -1) {
        epochs.end(leaseMs, epoch);
        continue;
      }
      if (typeof answer[1] === "number") {
        return { dueMs: answer[1], streamId: String(answer[2]), wakeId: String(answer[3]) };
      }
      const deliveries = readDeliveries(answer, epoch);
      epochs.gave(epoch, deliveries.length);
      return deliveries;
    }
  }

  /** Settles with one script. */
  async settle(
    key: string,
    group: string,
    settlements: readonly Settlement[],
    signal: AbortSignal,
  ): Promise<boolean[]> {
    const { keys } = this.#group(key, group);
    const { args, order } = settleArgs(group, keys.channel, settlements);
    const answer = String(await this.#transport.run(SETTLE, keysFor(SETTLE, keys), args, signal));
    const settled: boolean[] = new Array(settlements.length);
    for (let i = 0; i < order.length; i++) settled[order[i]!] = answer[i] === "1";
    return settled;
  }

  /** Renews with one script. */
  async extend(
    key: string,
    group: string,
    leases: readonly unknown[],
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<boolean[]> {
    const { keys, epochs } = this.#group(key, group);
    const all = leases as readonly Lease[];
    const args = [group, String(Math.ceil(leaseMs))];
    const parts = [...byLeaseGroup(all)].map(([epoch, places]) => {
      const next = epochs.fresh();
      args.push(epoch.name, next.name, String(places.length));
      for (const place of places) args.push(all[place]!.member);
      return { next, places };
    });
    const answers = await this.#transport.run(EXTEND, keysFor(EXTEND, keys), args, signal) as string[];
    const kept: boolean[] = new Array(leases.length);
    for (const [i, { next, places }] of parts.entries()) {
      const answer = answers[i]!;
      for (const [n, place] of places.entries()) {
        kept[place] = answer[n + 1] === "1";
        if (answer[0] === "m" && kept[place]) all[place]!.epoch = next;
      }
    }
    return kept;
  }

  /** Counts with one script. */
  async depth(key: string, group: string, signal: AbortSignal): Promise<DriverDepth> {
    const keys = keysFor(DEPTH, groupKeys(key, group));
    const answer = await this.#transport.run(DEPTH, keys, [group], signal) as number[];
    const [ready = 0, inFlight = 0, waiting = 0, gone = 0] = answer.map((count) => Math.max(0, Number(count)));
    return { ready, inFlight, delayed: waiting, dead: gone };
  }

  /** Tries whether the key that was used last could be published to; before the first use, `healthKey`. */
  ping(signal: AbortSignal): Promise<readonly string[]> {
    return this.#transport.ping(this.#recentKey, signal);
  }

  /** Closes what the transport opened. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  /** Names an error. */
  classify(error: unknown): ErrorCode {
    return error instanceof QueueError ? error.code : this.#transport.classify(error);
  }

  /** What the server asked to wait. */
  retryAfterMs(error: unknown): number | undefined {
    return this.#transport.retryAfterMs?.(error);
  }
}

/** The arguments of the settle script, and which settlement each `1` or `0` of its answer is for. */
function settleArgs(
  group: string,
  channel: string,
  settlements: readonly Settlement[],
): { readonly args: string[]; readonly order: number[] } {
  const args = [group, channel];
  const order: number[] = [];
  const leases = settlements.map((settlement) => settlement.lease as Lease);
  for (const [epoch, places] of byLeaseGroup(leases)) {
    args.push("lease", epoch.name);
    const acks = places.filter((place) => settlements[place]!.kind === "ack");
    // Entries of the stream are acknowledged in one go, replayed ones each in its own stream.
    for (const replayed of [false, true]) {
      const some = acks.filter((place) => leases[place]!.member.startsWith("r") === replayed);
      if (some.length === 0) continue;
      args.push("ack", String(some.length));
      for (const place of some) {
        args.push(leases[place]!.member);
        order.push(place);
      }
    }
    for (const place of places) {
      const settlement = settlements[place]!;
      const { member } = leases[place]!;
      if (settlement.kind === "ack") continue;
      if (settlement.kind === "retry") args.push("retry", member, String(Math.ceil(settlement.delayMs)));
      else if (settlement.kind === "release") args.push("release", member);
      else args.push("dead", member, settlement.cause.name, settlement.cause.message);
      order.push(place);
    }
  }
  return { args, order };
}
