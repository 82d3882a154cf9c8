/**
 * The driver on SQL tables: the delivery contract once, over a {@link SqlPort}.
 *
 * Each operation is a fixed list of statements, run as one transaction, so it happens whole or not at all. The tables
 * are described in `sql/schema.sql`.
 *
 * @module
 */
import { DEFAULT_DEDUP_WINDOW_MS } from "../../core/defaults.ts";
import { type Clock, monotonic } from "../../core/util/clock.ts";
import type {
  DriverDeadLetters,
  DriverInspection,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
} from "../../core/driver.ts";
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import type { Capabilities, Finding, QueueDepth } from "../../core/protocol.ts";
import { SqlDeadLetters } from "./dead_letters.ts";
import { diagnoseTables } from "./diagnose.ts";
import { Ids } from "./ids.ts";
import { SqlInspection } from "./inspection.ts";
import { leaseReady } from "./leasing.ts";
import type { SqlOptions } from "./options.ts";
import { type QueueLimits, readOutcomes, sendList } from "./outgoing.ts";
import { bind, type SqlPort } from "./port.ts";
import { type Lease, rounds, settledSeqs, settleList } from "./settling.ts";
import { DEPTH, DROP, EXTEND, PING } from "./statements.ts";

/** The options of a backend on this engine. */
export interface SqlDriverOptions extends SqlOptions {
  /** The backend's name. */
  readonly name: string;
  /** The largest payload in bytes. */
  readonly maxPayloadBytes: number;
  /** Transactions that an idle consumer costs in an hour. */
  readonly idleCostPerHour: number;
  /**
   * Tells the time. Its time of day is read once, and from then on its monotonic reading counts.
   *
   * @default the platform's time of day, which all processes on a computer share
   */
  readonly clock?: Clock | undefined;
}

/** The most bytes of body in one batch: one transaction holds the process for a few tens of milliseconds. */
const MAX_BATCH_BYTES = 4_000_000;

/** Moves messages in and out of SQL tables. */
export class SqlDriver implements QueueDriver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly maxBatchBytes: number = MAX_BATCH_BYTES;
  readonly deadLetters: DriverDeadLetters;
  readonly inspect: DriverInspection;
  readonly #port: SqlPort;
  readonly #now: () => number;
  readonly #limits: QueueLimits;
  readonly #ids: Ids;
  /** The tokens of batches that have no generated id. */
  readonly #tokens: WeakMap<DriverMessage, string> = new WeakMap();

  /** A driver over a database. */
  constructor(port: SqlPort, options: SqlDriverOptions) {
    const { maxLength = Infinity, overflow = "reject", dedupWindowMs = DEFAULT_DEDUP_WINDOW_MS } = options;
    this.name = options.name;
    this.capabilities = capabilitiesOf(options);
    this.#ids = new Ids(port);
    this.deadLetters = new SqlDeadLetters(port, this.#ids, () => this.#now());
    this.inspect = new SqlInspection(port, this.#ids, () => this.#now());
    this.#port = port;
    this.#now = timeOf(options.clock);
    this.#limits = { maxLength, dropOldest: overflow === "drop-oldest", dedupWindowMs };
  }

  /** Adds a batch in one transaction. */
  async send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    const { k, generation } = await this.#ids.queue(key, signal);
    const batch = { k, messages, token: this.#tokenOf(messages), now: this.#now() };
    const { list, outcomesAt } = sendList(batch, this.#limits);
    const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
    const answers = await this.#port.run(list, { mode: "write", signal, generation, bytes });
    this.#port.ring();
    return readOutcomes(answers[outcomesAt]![0], messages, {
      backend: this.name,
      key,
      maxLength: this.#limits.maxLength,
    });
  }

  /** Leases messages; waits for the first where there is none. */
  async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const until = this.#now() + options.waitMs;
    try {
      while (!options.signal.aborted) {
        const { version } = this.#port;
        const group = await this.#ids.group(key, options.group, options.signal);
        const found = await leaseReady({ port: this.#port, ids: this.#ids, now: this.#now }, group, options);
        if (Array.isArray(found)) return found;
        const now = this.#now();
        if (now >= until) break;
        await this.#port.wait(version, Math.max(1, Math.min(until, found.nextAt) - now), options.signal);
      }
    } catch (error) {
      if (!options.signal.aborted) throw error;
    }
    return [];
  }

  /** Settles in one transaction. */
  async settle(
    key: string,
    name: string,
    settlements: readonly Settlement[],
    signal: AbortSignal,
  ): Promise<boolean[]> {
    const { k, g, generation } = await this.#ids.group(key, name, signal);
    const settled: boolean[] = new Array(settlements.length).fill(false);
    for (const places of rounds(settlements)) {
      const some = places.map((place) => settlements[place]!);
      const { list, settledAt } = settleList(k, g, some, this.#now());
      const seqs = settledSeqs(await this.#port.run(list, { mode: "write", signal, generation }), settledAt);
      for (const place of places) settled[place] = seqs.has((settlements[place]!.lease as Lease).seq);
    }
    // A message that is given back can go to others, and so can the one that waited behind its ordering key.
    if (settlements.some(({ kind, lease }) => kind !== "ack" && kind !== "dead" || (lease as Lease).ordered)) {
      this.#port.ring();
    }
    return settled;
  }

  /** Makes leases end `leaseMs` from now, in one transaction. */
  async extend(
    key: string,
    name: string,
    leases: readonly unknown[],
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<boolean[]> {
    const { g, generation } = await this.#ids.group(key, name, signal);
    const all = leases as readonly Lease[];
    const now = this.#now();
    const values = {
      g,
      now,
      until: Math.ceil(now + leaseMs),
      leases: JSON.stringify(all.map(({ seq, token }) => [seq, token])),
    };
    const [rows] = await this.#port.run(bind(EXTEND, values), { mode: "write", signal, generation });
    const kept = new Set(rows!.map(({ seq }) => Number(seq)));
    return all.map(({ seq }) => kept.has(seq));
  }

  /** Counts the messages of a group by state. */
  async depth(key: string, group: string, signal: AbortSignal): Promise<QueueDepth> {
    const found = await this.#ids.lookUp(key, group, signal);
    if (found === undefined) return { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 };
    const { k, g, generation } = found;
    const list = bind(DEPTH, { k, g, now: this.#now() });
    const [rows] = await this.#port.run(list, { mode: "read", signal, generation });
    const count = (name: string) => Number(rows![0]![name]);
    return {
      ready: count("ready"),
      inFlight: count("leased"),
      delayed: count("delayed"),
      blocked: count("blocked"),
      dead: count("dead"),
    };
  }

  /** Reads the version of the tables. */
  async ping(signal: AbortSignal): Promise<void> {
    await this.#port.run(bind(PING, {}), { mode: "read", signal });
  }

  /** Looks into the tables and at the disk. */
  async diagnose(key: string, _group: string, signal: AbortSignal): Promise<readonly Finding[]> {
    const found = await diagnoseTables(this.#port, key, this.#now(), signal);
    return [...this.#port.diagnose?.() ?? [], ...found];
  }

  /** Removes a key with everything that belongs to it, all its groups included. */
  async dropQueue(key: string, _group: string, signal: AbortSignal): Promise<void> {
    await this.#port.run(bind(DROP, { key }), { mode: "write", signal });
    this.#ids.forget();
  }

  /** Closes what the port opened. */
  close(): Promise<void> {
    return this.#port.close();
  }

  /** Names an error. */
  classify(error: unknown): ErrorCode {
    return error instanceof QueueError ? error.code : this.#port.classify(error);
  }

  /** Returns the token of a batch: its first generated id, else one that its first message keeps. */
  #tokenOf(messages: readonly DriverMessage[]): string {
    const made = messages.find((message) => !message.explicitId);
    if (made) return made.id;
    let token = this.#tokens.get(messages[0]!);
    if (token === undefined) this.#tokens.set(messages[0]!, token = crypto.randomUUID());
    return token;
  }
}

/** Returns a function that tells the time of the tables, in whole epoch milliseconds. */
function timeOf(clock: Clock | undefined): () => number {
  // The time of day is the same in all processes, and a step back is corrected in the tables.
  if (clock === undefined) return Date.now;
  const offset = clock.now() - monotonic(clock);
  return () => Math.floor(monotonic(clock) + offset);
}

function capabilitiesOf({ maxPayloadBytes, idleCostPerHour }: SqlDriverOptions): Capabilities {
  return Object.freeze<Capabilities>({
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
    maxPayloadBytes,
    idleCostPerHour,
  });
}
